//! `roof`: how fast the adapter moves memory and multiplies at best. What the other kernels' speed is held against.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, read, write};

/// Values that one invocation of `roof_fma` keeps going.
const CHAINS: usize = 12;
/// Multiply-adds on each of them a time that its loop goes round: the loop itself costs little then.
const DEPTH: usize = 8;
/// Most vec4 that one invocation moves.
const MOVES: usize = 64;

/// `out[i] = in[i]` for `count` vec4.
pub fn record_copy(count: usize, source: &Buffer, target: &Buffer, tuning: &Tuning) -> Recording {
    record("roof_copy", count, movers(count, tuning), 0, source, target, tuning)
}

/// Writes `count` vec4, each invocation its own `in[lane]`, read once.
pub fn record_fill(count: usize, source: &Buffer, target: &Buffer, tuning: &Tuning) -> Recording {
    record("roof_fill", count, movers(count, tuning), 0, source, target, tuning)
}

/// Invocations that share `count` vec4: far more than there are units to run them.
fn movers(count: usize, tuning: &Tuning) -> usize {
    count.div_ceil(MOVES).next_multiple_of(tuning.workgroup)
}

/// `DEPTH * rounds` multiply-adds on 12 values of each of `lanes` invocations.
pub fn record_fma(
    lanes: usize,
    rounds: usize,
    source: &Buffer,
    target: &Buffer,
    tuning: &Tuning,
) -> Recording {
    record("roof_fma", 0, lanes, rounds, source, target, tuning)
}

fn record(
    name: &'static str,
    count: usize,
    lanes: usize,
    rounds: usize,
    source: &Buffer,
    target: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let each = count.div_ceil(lanes);
    let loops = each.max(rounds) as u64;
    let entry = Entry { kernel: "roof", name, workgroup: tuning.workgroup, shared_bytes: 0, loops };
    let consts = Consts::default().u32("COUNT", count).u32("EACH", each).u32("ROUNDS", rounds);
    let bindings = vec![read(0, "source"), write(1, "target_")];
    let parts = [include_str!("../../../shaders/shared/roof.wgsl")];
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    recording.launch(program, vec![source.clone(), target.clone()], [tuning.groups(lanes), 1]);
    recording
}
