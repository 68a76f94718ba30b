//! `normal`: standard normals from counters. It exists to be tested: every prompt is made of what it draws.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::RANDOM;
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, uniform, write};
use crate::random::rng;

/// Arithmetic of one normal: a quarter of pcg4d (44 operations on words) and half of Box-Muller (62).
pub(in crate::kernels) const OPERATIONS: f64 = 44.0 / 4.0 + 62.0 / 2.0;

/// Draws `4 count` normals under `key`: `(recording, words [count, 4], normals [count, 4])`.
pub fn record(key: u32, count: usize, words: &Buffer, normals: &Buffer, tuning: &Tuning) -> Recording {
    let bindings = vec![uniform(0, "params"), write(1, "words"), write(2, "normals")];
    let parts = [RANDOM, include_str!("../../../shaders/shared/normal.wgsl")];
    let lanes = tuning.lanes(count, |lanes| count.div_ceil(lanes) as u64);
    let entry = Entry {
        kernel: "normal",
        name: "normal",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: count.div_ceil(lanes) as u64,
    };
    let consts = Consts::default().u32("COUNT", count).u32("LANES", lanes);
    let program = program(entry, &parts, consts, bindings);
    let params = Buffer::holding("normal.params", &[key, 0, 0, 0]);
    let mut recording = Recording::default();
    recording.launch(
        program,
        vec![params, words.clone(), normals.clone()],
        [(lanes / tuning.workgroup) as u32, 1],
    );
    recording
}
