//! Parity cases and benches of `normal`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned};

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let (count, key) = (1001, 0x5eed);
    let (words, normals) = (poisoned("words", 4 * count), poisoned("normals", 4 * count));
    let integers: Vec<u32> = (0..count as u32).flat_map(|i| rng::pcg4d([i, 0, 0, key])).collect();
    let expected = integers.chunks(2).flat_map(|w| rng::normal_pair(w[0], w[1])).collect();
    let recording = record(key, count, &words, &normals, tuning);
    vec![Case::new("4004 draws", recording).u32(&words, integers).f32(&normals, expected)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let count = 1 << 18;
    let (words, normals) = (Buffer::words("words", 4 * count), Buffer::words("normals", 4 * count));
    vec![Bench {
        name: "1 Mi normals".into(),
        recording: record(1, count, &words, &normals, tuning),
        flops: 4.0 * count as f64 * OPERATIONS,
        bytes: 32.0 * count as f64,
    }]
}
