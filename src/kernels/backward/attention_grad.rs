//! `attention_grad`: the gradient of causal softmax attention without a past, by recomputation: no [T, T] is stored.

mod cases;
mod walk;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand, textured};
use crate::kernels::layout::starts::Starts;
use crate::kernels::tensor::EXP;
use crate::kernels::tensor::rope::Heads;
use crate::kernels::{Entry, Tuning, program, read, write};
use walk::{Lanes, Sums, Walk};

/// What the launches take and where it goes.
pub struct AttentionGrad<'a> {
    /// `[rows, H D]`, turned by their positions.
    pub queries: &'a Operand,
    /// `[rows, G D]`, turned.
    pub keys: &'a Operand,
    /// `[rows, G D]`.
    pub values: &'a Operand,
    /// `[rows, H D]`: what came out.
    pub out: &'a Operand,
    /// `[rows, H]`: [`Attention::sums`](crate::kernels::tensor::attention::Attention).
    pub sums: &'a Buffer,
    /// `[rows, H D]`: the gradient of what came out.
    pub dout: &'a Operand,
    /// `[rows, H]`: takes what each output has along its gradient.
    pub dots: &'a Buffer,
    /// `[rows, H D]`.
    pub dqueries: &'a Operand,
    /// `[rows, G D]` each: of keys and of values.
    pub dkeys: &'a Operand,
    /// See `dkeys`.
    pub dvalues: &'a Operand,
    /// Where each row's sequence begins.
    pub starts: &'a Starts,
    /// Rows, behind no past.
    pub cursor: &'a Cursor,
}

/// Launches: a query a lane, then a key a lane.
pub fn record(grad: &AttentionGrad, heads: Heads, tuning: &Tuning) -> Recording {
    let rows = grad.dqueries.rows();
    let common = || {
        Bound::default()
            .with(Cursor::binding(0), grad.cursor.view())
            .read(grad.queries, 1, "queries", rows)
            .read(grad.keys, 2, "keys", rows)
            .read(grad.dout, 4, "dout", rows)
            .with(read(5, "sums").words(rows * heads.queries), grad.sums.clone())
    };
    let words = rows * heads.queries;
    let queries = common()
        .read(grad.values, 3, "values", rows)
        .read(grad.out, 6, "out", rows)
        .with(write(7, "dots").words(words), grad.dots.clone())
        .write(grad.dqueries, 8, "dqueries", rows);
    let mut launches = vec![(Lanes::Queries, queries)];
    let sums = if textured(tuning) { &[Sums::Both][..] } else { &[Sums::Key, Sums::Value] };
    for sums in sums {
        let mut bound = common();
        if *sums != Sums::Value {
            bound = bound
                .read(grad.values, 3, "values", rows)
                .with(read(7, "dots").words(words), grad.dots.clone())
                .write(grad.dkeys, 8, "dkeys", rows);
        }
        if *sums != Sums::Key {
            bound = bound.write(grad.dvalues, 9, "dvalues", rows);
        }
        launches.push((Lanes::Keys(*sums), bound));
    }
    let mut recording = Recording::default();
    for (lanes, bound) in launches {
        recording.extend(launch(lanes, grad.starts.bind(bound, 10, rows), heads, rows, tuning));
    }
    recording
}

fn launch(lanes: Lanes, bound: Bound, heads: Heads, rows: usize, tuning: &Tuning) -> Recording {
    let walk = Walk::new(lanes, heads.dim / 4, textured(tuning), tuning);
    let sharing = heads.queries / heads.groups;
    let consts = Consts::default()
        .u32("D4", heads.dim / 4)
        .u32("HEADS", heads.queries)
        .u32("SHARING", sharing)
        .f32("SCALE", 1.0 / (heads.dim as f64).sqrt());
    let (name, mode, heads) = match lanes {
        Lanes::Queries => ("attention_grad_queries", "read_write", heads.queries),
        Lanes::Keys(_) => ("attention_grad_keys", "read", heads.groups),
    };
    let entry = Entry {
        kernel: "attention_grad",
        name,
        workgroup: walk.lanes,
        shared_bytes: walk.shared_bytes(),
        loops: walk.loops(rows, if lanes == Lanes::Queries { 1 } else { sharing }),
    };
    let arrays = format!(
        "@group(0) @binding(5) var<storage, read> sums: array<f32>;     // [rows, HEADS]
@group(0) @binding(7) var<storage, {mode}> dots: array<f32>;   // [rows, HEADS]
"
    );
    let shader = include_str!("../../../shaders/backward/attention_grad.wgsl");
    let parts = [&bound.text, EXP, shader, &arrays, &walk.text(name)];
    let program = program(entry, &parts, consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [rows.div_ceil(walk.lanes) as u32, heads as u32]);
    recording
}
