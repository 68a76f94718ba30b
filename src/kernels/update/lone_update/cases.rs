//! Parity cases and benches of `lone_update`.

use super::super::arena::fixture::{bench, each};
use super::record;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case};

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    each(tuning, (record, true))
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let elements = 1 << 11;
    let (recording, size) = (bench(elements, record, tuning), elements as f64);
    let name = "AdamW with its norm, 2 Ki".into();
    vec![Bench { name, recording, flops: 20.0 * size, bytes: 32.0 * size }]
}
