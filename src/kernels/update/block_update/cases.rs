//! Parity cases and benches of `block_update`.

use super::super::arena::fixture::{Fixture, bench, each, tall};
use super::super::arena::{Piece, Update};
use super::super::grad_norm;
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case};
use crate::optim::Rule;

/// A step grid-wide, whose norm is there.
fn step(update: &Update, piece: &Piece, tuning: &Tuning) -> Recording {
    super::record(update, &[piece], tuning)
}

/// The same with its norm.
fn both(update: &Update, piece: &Piece, tuning: &Tuning) -> Recording {
    let mut recording = grad_norm::record(&[piece], update, tuning);
    recording.extend(step(update, piece, tuning));
    recording
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let tall = Fixture::new("more blocks than go in x", tall(), 0.0).case(Rule::AdamW, tuning, (step, false));
    each(tuning, (step, false)).into_iter().chain([tall]).collect()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    // Beyond the caches, and no more memory than every device has. 32 bytes an element, as the gradient is read twice.
    let elements = 1 << 22;
    let (recording, size) = (bench(elements, both, tuning), elements as f64);
    let name = "AdamW with its norm, 4 Mi".into();
    vec![Bench { name, recording, flops: 20.0 * size, bytes: 32.0 * size }]
}
