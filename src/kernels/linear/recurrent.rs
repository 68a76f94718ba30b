//! `recurrent`: linear attention a token at a time, its state in place: decoding at constant memory.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::chunk_gates::Raw;
use super::{Rule, Sizes};
use crate::gpu::{Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand, Rows};
use crate::kernels::tensor::EXP;
use crate::kernels::{Entry, Tuning, program, write};

/// What the launch takes, and where it goes; `[rows, …]` each.
pub struct Recurrent<'a> {
    /// `[rows, H K]`.
    pub q: &'a Operand,
    /// `[rows, G K]`.
    pub k: &'a Operand,
    /// `[rows, G V]`.
    pub v: &'a Operand,
    /// Decays and shares.
    pub raw: Raw<'a>,
    /// `[rows, H V]`.
    pub out: &'a Operand,
    /// `[K, H V]`: the state before the first row, and behind the last one.
    pub state: &'a Rows,
    /// Rows, and tokens before them.
    pub cursor: &'a Cursor,
}

/// A launch: an invocation has four columns of a head's state.
pub fn record(taken: &Recurrent, sizes: Sizes, rule: &Rule, tuning: &Tuning) -> Recording {
    let Recurrent { q, k, v, raw, out, state, cursor } = taken;
    let rows = out.rows();
    let mut bound = Bound::default().with(Cursor::binding(0), cursor.view());
    bound.text += "@group(0) @binding(0) var<uniform> cursor: vec4u;   // rows, tokens before them\n";
    bound = raw.bind(bound, false).read(q, 7, "q", rows).read(k, 8, "k", rows).read(v, 9, "v", rows);
    bound = bound
        .write(out, 10, "out", rows)
        .with(write(11, "state").words(state.words(sizes.keys)), state.view.clone());
    let scale = format!("{:?}f", rule.scale);
    let reach = if rule.mean { format!("{scale} / f32(cursor.y + row + 1u)") } else { scale };
    bound.text += &format!(
        "@group(0) @binding(11) var<storage, read_write> state: array<vec4f>;   // [K, PITCH]
const PITCH = {}u;
fn reach(row: u32) -> f32 {{ return {reach}; }}
",
        state.pitch / 4
    );
    let name = "recurrent";
    let loops = (rows * (1 + sizes.keys / 4 + sizes.keys / 4 * 5)) as u64;
    let entry = Entry { kernel: name, name, workgroup: tuning.workgroup, shared_bytes: 0, loops };
    let consts = Consts::default()
        .u32("K4", sizes.keys / 4)
        .u32("V4", sizes.values / 4)
        .u32("HEADS_", sizes.heads)
        .u32("SHARING", sizes.heads / sizes.groups)
        .u32("DELTA", rule.delta.into())
        .u32("DECAY", rule.decay.into());
    let gates = include_str!("../../../shaders/linear/chunk_gates.wgsl");
    let shader = include_str!("../../../shaders/linear/recurrent.wgsl");
    let program = program(entry, &[&bound.text, EXP, gates, shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(sizes.heads * sizes.values / 4), 1]);
    recording
}
