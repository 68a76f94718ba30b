//! Parity cases and benches of `roof`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};

pub fn cases(tuning: &Tuning) -> Vec<Case> {
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

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
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
