//! `chunk_gates`: what a chunk's tokens are multiplied by, from decays and shares of the delta rule; and its gradient.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::chunk_grad::Marks;
use super::chunk_product::Gates;
use super::{Frame, units};
use crate::gpu::{Buffer, Consts, Recording, View};
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::tensor::EXP;
use crate::kernels::{Entry, Tuning, program, read};

/// Where the logarithms g of the decays come from, at most 0.
#[derive(Clone, Copy)]
pub enum Decay<'a> {
    /// Nothing decays.
    None,
    /// `[H]`: each head's own, for good.
    Fixed(&'a View),
    /// `[rows, H]`: as they are.
    Given(&'a Operand),
    /// `[rows, H]`: log σ(x) / 16.
    Sigmoid(&'a Operand),
    /// −exp(A_h) softplus(x + dt_h).
    Softplus {
        /// x, `[rows, H]`.
        raw: &'a Operand,
        /// A, `[H]`.
        a_log: &'a View,
        /// dt, `[H]`.
        dt_bias: &'a View,
    },
}

/// Where the shares β come from.
#[derive(Clone, Copy)]
pub enum Beta<'a> {
    /// There is no delta rule.
    None,
    /// `[rows, H]`: as they are.
    Given(&'a Operand),
    /// `[rows, H]`: σ(x).
    Sigmoid(&'a Operand),
}

/// Both.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    /// Decays.
    pub decay: Decay<'a>,
    /// Shares.
    pub beta: Beta<'a>,
}

/// What the gradient of gates is written to, `[rows, H]` each, where there is something to write.
#[derive(Clone, Copy, Default)]
pub struct RawGrads<'a> {
    /// Of what the decays come from.
    pub decay: Option<&'a Operand>,
    /// Of A's logarithm, a row's share of it.
    pub a_log: Option<&'a Operand>,
    /// Of what the shares come from.
    pub beta: Option<&'a Operand>,
}

impl Raw<'_> {
    /// Declares what they are read by; `back` where slopes alone are asked for.
    pub(super) fn bind(&self, mut bound: Bound, back: bool) -> Bound {
        let of = |raw: &Operand| raw.rows();
        let heads = |view: &View| view.len();
        let (decay, slope);
        match self.decay {
            Decay::None => (decay, slope) = ("0.0", "0.0"),
            Decay::Fixed(view) => {
                bound = bound.with(read(3, "fixed").words(heads(view)), view.clone());
                bound.text += "@group(0) @binding(3) var<storage, read> fixed: array<f32>;   // [HEADS]\n";
                (decay, slope) = ("fixed[head_]", "0.0");
            }
            Decay::Given(raw) => {
                bound = bound.read(raw, 3, "raw", of(raw));
                (decay, slope) = ("get_raw(row, head_ / 4u)[head_ % 4u]", "1.0");
            }
            Decay::Sigmoid(raw) => {
                bound = bound.read(raw, 3, "raw", of(raw));
                let x = "get_raw(row, head_ / 4u)[head_ % 4u]";
                bound.text += &format!("fn x_of(row: u32, head_: u32) -> f32 {{ return {x}; }}\n");
                (decay, slope) =
                    ("-softplus(-x_of(row, head_)) / 16.0", "(1.0 - sigmoid(x_of(row, head_))) / 16.0");
            }
            Decay::Softplus { raw, a_log, dt_bias } => {
                bound = bound
                    .read(raw, 3, "raw", of(raw))
                    .with(read(4, "a_log").words(heads(a_log)), a_log.clone())
                    .with(read(5, "dt_bias").words(heads(dt_bias)), dt_bias.clone());
                bound.text += "@group(0) @binding(4) var<storage, read> a_log: array<f32>;   // [HEADS]
@group(0) @binding(5) var<storage, read> dt_bias: array<f32>; // [HEADS]
fn x_of(row: u32, head_: u32) -> f32 { return get_raw(row, head_ / 4u)[head_ % 4u] + dt_bias[head_]; }
";
                decay = "-exp1(a_log[head_]) * softplus(x_of(row, head_))";
                slope = "-exp1(a_log[head_]) * sigmoid(x_of(row, head_))";
            }
        }
        let (beta, beta_slope);
        match self.beta {
            Beta::None => (beta, beta_slope) = ("1.0", "0.0"),
            Beta::Given(_) if back => (beta, beta_slope) = ("1.0", "1.0"),
            Beta::Given(raw) => {
                bound = bound.read(raw, 6, "share", of(raw));
                (beta, beta_slope) = ("get_share(row, head_ / 4u)[head_ % 4u]", "1.0");
            }
            Beta::Sigmoid(raw) => {
                bound = bound.read(raw, 6, "share", of(raw));
                beta = "sigmoid(get_share(row, head_ / 4u)[head_ % 4u])";
                beta_slope = "beta_of(row, head_) * (1.0 - beta_of(row, head_))";
            }
        }
        // Below −104 a decay is zero in f32; a sum of such keeps its digits.
        bound.text += &format!(
            "fn all_decay(row: u32, head_: u32) -> f32 {{ return {decay}; }}
fn decay_of(row: u32, head_: u32) -> f32 {{ let g = all_decay(row, head_); return select(g, -104.0, g < -104.0); }}
fn slope_of(row: u32, head_: u32) -> f32 {{ return select({slope}, 0.0, all_decay(row, head_) < -104.0); }}
fn beta_of(row: u32, head_: u32) -> f32 {{ return {beta}; }}
fn beta_slope(row: u32, head_: u32) -> f32 {{ return {beta_slope}; }}
"
        );
        bound
    }
}

const SHADER: &str = include_str!("../../../shaders/linear/chunk_gates.wgsl");
const FORWARD: &str = include_str!("../../../shaders/linear/common/gates_forward.wgsl");
const BACKWARD: &str = include_str!("../../../shaders/linear/common/gates_backward.wgsl");

fn launch(
    frame: &Frame,
    bound: Bound,
    (name, body): (&'static str, &str),
    across: usize,
    rounds: usize,
    tuning: &Tuning,
) -> Recording {
    let (length, heads) = (frame.chunks.length, frame.sizes.heads);
    let entry = Entry {
        kernel: "chunk_gates",
        name,
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: (rounds * (length + 1)) as u64,
    };
    let count = frame.chunks.count();
    let consts = Consts::default().u32("LENGTH", length).u32("COUNT", count * across).u32("ACROSS", across);
    let consts = consts.u32("HEADS_", heads);
    let program = program(entry, &[&bound.text, EXP, SHADER, body], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(count * across), 1]);
    recording
}

/// Makes the gates of all chunks.
pub fn record(raw: &Raw, gates: &Gates, frame: &Frame, tuning: &Tuning) -> Recording {
    let heads = frame.sizes.heads;
    let bound = raw
        .bind(units(Bound::default(), &frame.chunks.all(), heads), false)
        .write(&gates.gates, 1, "gates", gates.gates.rows())
        .write(&gates.decays, 2, "decays", gates.decays.rows());
    launch(frame, bound, ("chunk_gates", FORWARD), heads, 3, tuning)
}

/// What marks of tokens, and of what is kept from chunk to chunk, make of what the gates come from.
pub fn record_grad(
    raw: &Raw,
    marks: &Marks,
    dots: Option<&Buffer>,
    grads: &RawGrads,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let heads = frame.sizes.heads;
    // What nobody asks for is not reckoned.
    let asked = grads.decay.is_some() || grads.a_log.is_some();
    let raw = Raw { decay: if asked { raw.decay } else { Decay::None }, ..*raw };
    let mut bound = raw.bind(units(Bound::default(), &frame.chunks.all(), heads), true);
    bound = bound.read(&marks.keys, 7, "marks", marks.keys.rows());
    let mut share = "0.0";
    if let Some(values) = marks.values.as_ref().filter(|_| grads.beta.is_some()) {
        bound = bound.read(values, 12, "shares", values.rows());
        share = "get_shares(row, i).x";
    }
    bound.text += &format!("fn more_share(row: u32, i: u32) -> f32 {{ return {share}; }}\n");
    let mut kept = "0.0";
    if let Some(dots) = dots {
        bound = bound.with(read(8, "dots").words(frame.gate_rows()), dots.clone());
        bound.text += "@group(0) @binding(8) var<storage, read> dots: array<f32>;   // [chunks, HEADS]\n";
        kept = "dots[row]";
    }
    bound.text += &format!("fn kept_of(row: u32) -> f32 {{ return {kept}; }}\n");
    for (index, name, grad) in
        [(9, "ddecay", grads.decay), (10, "da_log", grads.a_log), (11, "dbeta", grads.beta)]
    {
        match grad {
            Some(grad) => bound = bound.write(grad, index, name, grad.rows()),
            None => bound.text += &format!("fn put_{name}(row: u32, quad: u32, value: vec4f) {{}}\n"),
        }
    }
    launch(frame, bound, ("chunk_gates_grad", BACKWARD), heads.div_ceil(4), 1, tuning)
}
