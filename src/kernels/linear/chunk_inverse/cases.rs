//! Parity cases and benches of `chunk_inverse`.

use super::record;
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes};

fn frame(length: usize, sequences: &[usize], heads: usize) -> Frame {
    let sizes = Sizes { heads, groups: heads, keys: 16, values: 16 };
    let rule = Rule { decay: false, delta: true, mean: false, scale: 1.0 };
    Frame { sizes, rule, chunks: Chunks::holding(length, sequences) }
}

fn case(length: usize, sequences: &[usize], heads: usize, tuning: &Tuning) -> Case {
    let (rows, frame) = (sequences.iter().sum::<usize>(), frame(length, sequences, heads));
    let cols = heads * length;
    let mut a = vec![0.0f32; rows * cols];
    let mut expected = vec![0.0f64; rows * cols];
    let noise = values(rows * cols, 0.25, 1);
    let mut first = 0;
    for tokens in sequences {
        for from in (0..*tokens).step_by(length) {
            let (from, count) = (first + from, length.min(tokens - from));
            for h in 0..heads {
                let at = |i: usize, j: usize| (from + i) * cols + h * length + j;
                for i in 0..count {
                    (0..i).for_each(|j| a[at(i, j)] = noise[at(i, j)]);
                    expected[at(i, i)] = 1.0;
                    for j in 0..i {
                        let (a, known) = (f64::from(a[at(i, j)]), j);
                        for col in 0..=known {
                            expected[at(i, col)] -= a * expected[at(known, col)];
                        }
                    }
                }
            }
        }
        first += tokens;
    }
    let mut recording = Recording::default();
    let a = input(&mut recording, "a", &a, cols, tuning);
    let inverse = output("inverse", rows, cols, tuning);
    recording.extend(record(&a, &inverse, &frame, tuning));
    expect(
        Case::new(format!("{sequences:?} tokens by {length}, {heads} heads"), recording),
        &inverse,
        &expected,
    )
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case(16, &[16, 5], 1, tuning),
        case(32, &[40], 3, tuning),
        case(64, &[130], 2, tuning),
        case(128, &[128], 1, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, frame) = (4096, frame(64, &[512; 8], 4));
    let [a, inverse] = ["a", "inverse"].map(|label| Operand::new(label, rows, 256, tuning));
    let recording = record(&a, &inverse, &frame, tuning);
    let size = (rows * 256) as f64;
    vec![Bench { name: "256 of 64 × 64".into(), recording, flops: 64.0 * size, bytes: 8.0 * size }]
}
