//! Parity cases and benches of `lone_update`.

use super::super::update::fixture::{bench, fixtures};
use super::record;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case};
use crate::optim::Rule;

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let rules = [Rule::Sgd, Rule::Adam, Rule::AdamW];
    rules
        .into_iter()
        .flat_map(|rule| fixtures().into_iter().map(move |f| f.case(rule, tuning, (record, true))))
        .collect()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let elements = 1 << 11;
    let (recording, size) = (bench(elements, record, tuning), elements as f64);
    let name = "AdamW with its norm, 2 Ki".into();
    vec![Bench { name, recording, flops: 20.0 * size, bytes: 32.0 * size }]
}
