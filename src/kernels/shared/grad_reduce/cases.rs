//! Parity cases and benches of `grad_reduce`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::reference;

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    [(1, 58, 64), (1, 1, 1), (3, 5, 77)]
        .into_iter()
        .map(|(models, rows, lanes)| {
            let input = values(models * rows * lanes, 1.0, 4);
            let grads = poisoned("grads", models * rows);
            let partials = Buffer::holding("partials", &input);
            let recording = record(&Reduce { models, rows, lanes, stride: rows }, &partials, &grads, tuning);
            let expected = reference::grad_reduce::grad_reduce(&wide(&input), lanes);
            Case::new(format!("{models} x {rows} x {lanes}"), recording).f32(&grads, expected)
        })
        .collect()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, lanes) = (58, tuning.parts(tuning.lanes));
    let (partials, grads) = (Buffer::words("partials", rows * lanes), Buffer::words("grads", rows));
    let count = (rows * lanes) as f64;
    let recording = record(&Reduce { models: 1, rows, lanes, stride: rows }, &partials, &grads, tuning);
    vec![Bench { name: "paper".into(), recording, flops: count, bytes: 4.0 * count }]
}
