//! `roof`: how fast the adapter moves memory and multiplies at best. What the other kernels' speed is held against.

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::prompt::program;
use crate::kernels::{Tuning, read, write};

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
    entry: &'static str,
    count: usize,
    lanes: usize,
    rounds: usize,
    source: &Buffer,
    target: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let consts = Consts::default()
        .u32("COUNT", count)
        .u32("EACH", count.div_ceil(lanes))
        .u32("ROUNDS", rounds)
        .u32("DEPTH", DEPTH);
    let bindings = vec![read(0, "source"), write(1, "target_")];
    let parts = [include_str!("../../../shaders/shared/roof.wgsl")];
    let program = program("roof", entry, &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.launch(program, vec![source.clone(), target.clone()], [tuning.groups(lanes), 1]);
    recording
}

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    let (count, lanes, rounds) = (1003, 8 * tuning.workgroup, 7);
    let input = values(4 * count, 1.0, 10);
    let (source, copied) = (Buffer::holding("source", &input), poisoned("copied", 4 * count));
    let copy = Case::new("copy", record_copy(count, &source, &copied, tuning)).f32(&copied, wide(&input));
    let filled = poisoned("filled", 4 * count);
    let (group, each) = (tuning.workgroup, count.div_ceil(movers(count, tuning)));
    let lane = |i: usize| i / (group * each) * group + i % group;
    let repeated = (0..4 * count).map(|i| input[4 * lane(i / 4) + i % 4] as f64).collect();
    let fill = Case::new("fill", record_fill(count, &source, &filled, tuning)).f32(&filled, repeated);

    // A factor so near 1 keeps the start in the sum.
    let input: Vec<f32> =
        values(4 * lanes, 1.0, 11).chunks(4).flat_map(|v| [v[0], 1.0 + 0.01 * v[1], v[2], v[3]]).collect();
    let (source, summed) = (Buffer::holding("source", &input), poisoned("summed", 4 * lanes));
    let chain = |x: f64, m: f64, c: f64| (0..DEPTH * rounds).fold(x, |x, _| m * x + c);
    let sum = |v: &[f64]| (1..=CHAINS).map(|i| chain(v[0] + i as f64, v[1], v[2])).sum::<f64>();
    let expected = wide(&input).chunks(4).flat_map(|v| [sum(v), 0.0, 0.0, 0.0]).collect();
    let fma =
        Case::new("multiply-add", record_fma(lanes, rounds, &source, &summed, tuning)).f32(&summed, expected);
    vec![copy, fill, fma]
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let count = 1 << 21;
    let (source, target) = (Buffer::words("source", 4 * count), Buffer::words("target", 4 * count));
    let (lanes, rounds) = (1024 * tuning.workgroup, 512);
    let from = Buffer::holding("source", &[1.0f32, 0.5, 1.0, 0.0].repeat(lanes));
    let to = Buffer::words("target", 4 * lanes);
    vec![
        Bench {
            name: "copy 32 MiB".into(),
            recording: record_copy(count, &source, &target, tuning),
            flops: 0.0,
            bytes: 2.0 * 16.0 * count as f64,
        },
        Bench {
            name: "fill 32 MiB".into(),
            recording: record_fill(count, &source, &target, tuning),
            flops: 0.0,
            bytes: 16.0 * count as f64,
        },
        Bench {
            name: "multiply-add".into(),
            recording: record_fma(lanes, rounds, &from, &to, tuning),
            flops: 2.0 * (CHAINS * DEPTH * rounds * lanes) as f64,
            bytes: 32.0 * lanes as f64,
        },
    ]
}
