//! `roof`: how fast the adapter copies and multiplies at best. What the other kernels' speed is held against.

use super::case::{Bench, Case, poisoned, values, wide};
use super::{Tuning, program, read, write};
use crate::gpu::{Buffer, Consts, Recording};

/// Values that one invocation of `roof_fma` keeps going.
const CHAINS: usize = 16;

/// `out[i] = in[i]` for `count` vec4.
pub fn record_copy(count: usize, source: &Buffer, target: &Buffer, tuning: &Tuning) -> Recording {
    record(
        "roof_copy",
        count,
        tuning.lanes(count, |lanes| count.div_ceil(lanes) as u64),
        0,
        source,
        target,
        tuning,
    )
}

/// `rounds` multiply-adds on 16 values of each of `lanes` invocations.
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
    let consts = Consts::default().u32("COUNT", count).u32("LANES", lanes).u32("ROUNDS", rounds);
    let bindings = vec![read(0, "source"), write(1, "target_")];
    let parts = [include_str!("../../shaders/roof.wgsl")];
    let program = program("roof", entry, &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.dispatch(program, vec![source.clone(), target.clone()], [tuning.groups(lanes), 1]);
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let (count, lanes, rounds) = (1003, 8 * tuning.workgroup, 7);
    let input = values(4 * count, 1.0, 10);
    let (source, copied) = (Buffer::holding("source", &input), poisoned("copied", 4 * count));
    let copy = Case::new("copy", record_copy(count, &source, &copied, tuning)).f32(&copied, wide(&input));

    let input = values(4 * lanes, 1.0, 11);
    let (source, summed) = (Buffer::holding("source", &input), poisoned("summed", 4 * lanes));
    let chain = |x: f64, c: f64| (0..rounds).fold(x, |x, _| 0.5 * x + c);
    let sum = |x: f32| (1..=CHAINS).map(|c| chain(x as f64, c as f64)).sum::<f64>();
    let expected = input.chunks(4).flat_map(|v| [sum(v[0]), 0.0, 0.0, 0.0]).collect();
    let fma =
        Case::new("multiply-add", record_fma(lanes, rounds, &source, &summed, tuning)).f32(&summed, expected);
    vec![copy, fma]
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let count = 1 << 21;
    let (source, target) = (Buffer::words("source", 4 * count), Buffer::words("target", 4 * count));
    let (lanes, rounds) = (1024 * tuning.workgroup, 4096);
    let (from, to) = (Buffer::words("source", 4 * lanes), Buffer::words("target", 4 * lanes));
    vec![
        Bench {
            name: "copy 32 MiB".into(),
            recording: record_copy(count, &source, &target, tuning),
            flops: 0.0,
            bytes: 2.0 * 16.0 * count as f64,
        },
        Bench {
            name: "multiply-add".into(),
            recording: record_fma(lanes, rounds, &from, &to, tuning),
            flops: 2.0 * (CHAINS * rounds * lanes) as f64,
            bytes: 32.0 * lanes as f64,
        },
    ]
}
