//! `normal`: standard normals from counters. It exists to be tested: every prompt is made of what it draws.

use super::RANDOM;
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::case::{Bench, Case, poisoned};
use crate::kernels::prompt::program;
use crate::kernels::{Tuning, uniform, write};
use crate::random::rng;

/// Arithmetic of one normal: a quarter of pcg4d (44 operations on words) and half of Box-Muller (62).
pub(in crate::kernels) const OPERATIONS: f64 = 44.0 / 4.0 + 62.0 / 2.0;

/// Draws `4 count` normals under `key`: `(recording, words [count, 4], normals [count, 4])`.
pub fn record(key: u32, count: usize, words: &Buffer, normals: &Buffer, tuning: &Tuning) -> Recording {
    let bindings = vec![uniform(0, "params"), write(1, "words"), write(2, "normals")];
    let parts = [RANDOM, include_str!("../../../shaders/shared/normal.wgsl")];
    let lanes = tuning.lanes(count, |lanes| count.div_ceil(lanes) as u64);
    let consts = Consts::default().u32("COUNT", count).u32("LANES", lanes);
    let program = program("normal", "normal", &parts, consts, bindings, tuning.workgroup, 0);
    let params = Buffer::holding("normal.params", &[key, 0, 0, 0]);
    let mut recording = Recording::default();
    recording.launch(
        program,
        vec![params, words.clone(), normals.clone()],
        [(lanes / tuning.workgroup) as u32, 1],
    );
    recording
}

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    let (count, key) = (1001, 0x5eed);
    let (words, normals) = (poisoned("words", 4 * count), poisoned("normals", 4 * count));
    let integers: Vec<u32> = (0..count as u32).flat_map(|i| rng::pcg4d([i, 0, 0, key])).collect();
    let expected = integers.chunks(2).flat_map(|w| rng::normal_pair(w[0], w[1])).collect();
    let recording = record(key, count, &words, &normals, tuning);
    vec![Case::new("4004 draws", recording).u32(&words, integers).f32(&normals, expected)]
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let count = 1 << 18;
    let (words, normals) = (Buffer::words("words", 4 * count), Buffer::words("normals", 4 * count));
    vec![Bench {
        name: "1 Mi normals".into(),
        recording: record(1, count, &words, &normals, tuning),
        flops: 4.0 * count as f64 * OPERATIONS,
        bytes: 32.0 * count as f64,
    }]
}
