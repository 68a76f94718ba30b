//! `rope`: queries and keys turned by their positions, keys and values put into the cache.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::layout::starts::Starts;
use crate::kernels::{Entry, Tuning, program, read};

/// Sizes of an attention: H query heads read G key/value heads of width D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// H, a multiple of `groups`.
    pub queries: usize,
    /// G.
    pub groups: usize,
    /// D, a multiple of 8.
    pub dim: usize,
}

/// Keys and values of the tokens so far: `[tokens, G D]` each.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Turned by their positions.
    pub keys: Operand,
    /// As they are.
    pub values: Operand,
}

impl Cache {
    /// Room for so many tokens.
    pub fn new(tokens: usize, heads: Heads, tuning: &Tuning) -> Self {
        let new = |label| Operand::new(label, tokens, heads.groups * heads.dim, tuning);
        Cache { keys: new("keys"), values: new("values") }
    }
}

/// Cosines and sines of every position's angles, `[positions, 2, D/2]`: reckoned here in f64, as what devices make of the
/// cosine of a large angle is anybody's guess (Vulkan promises 2⁻¹¹ within π).
pub fn turns(positions: usize, dim: usize, theta: f64) -> Vec<f32> {
    let half = dim / 2;
    let angle = |position: usize, i: usize| position as f64 * theta.powf(-2.0 * i as f64 / dim as f64);
    let row = |p: usize| {
        let cosines = (0..half).map(move |i| angle(p, i).cos() as f32);
        cosines.chain((0..half).map(move |i| angle(p, i).sin() as f32))
    };
    (0..positions).flat_map(row).collect()
}

/// What a launch takes and where it goes.
pub struct Rope<'a> {
    /// `[rows, H D]`.
    pub q: &'a Operand,
    /// `[rows, G D]`.
    pub k: &'a Operand,
    /// `[rows, G D]`.
    pub v: &'a Operand,
    /// [`turns`].
    pub turns: &'a Buffer,
    /// `[rows, H D]`: the queries, turned.
    pub queries: &'a Operand,
    /// Takes the keys, turned, and the values.
    pub cache: &'a Cache,
    /// Where each row's sequence begins.
    pub starts: &'a Starts,
    /// Rows and past.
    pub cursor: &'a Cursor,
    /// Keys and values go behind those of the past; else to their own rows.
    pub behind: bool,
}

/// A launch.
pub fn record(rope: &Rope, heads: Heads, tuning: &Tuning) -> Recording {
    let (half, rows) = (heads.dim / 8, rope.q.rows());
    let cached = rope.cache.keys.rows();
    let bound = Bound::default()
        .with(Cursor::binding(0), rope.cursor.view())
        .with(read(1, "turns"), rope.turns.clone())
        .read(rope.q, 2, "q", rows)
        .read(rope.k, 3, "k", rows)
        .read(rope.v, 4, "v", rows)
        .write(rope.queries, 5, "queries", rows)
        .write(&rope.cache.keys, 6, "keys", cached)
        .write(&rope.cache.values, 7, "values", cached);
    let bound = rope.starts.bind(bound, 8, rows);
    let consts = Consts::default().u32("HALF", half).u32("HEADS", heads.queries).u32("GROUPS", heads.groups);
    let consts = consts.u32("BEHIND", rope.behind.into());
    let entry =
        Entry { kernel: "rope", name: "rope", workgroup: tuning.workgroup, shared_bytes: 0, loops: 0 };
    let shader = include_str!("../../../shaders/tensor/rope.wgsl");
    let program = program(entry, &[&bound.text, shader], consts, bound.bindings);
    let units = (heads.queries + 2 * heads.groups) * half;
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(units), rows as u32]);
    recording
}
