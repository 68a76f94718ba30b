//! `grad_reduce`: a batch's gradient and losses from the lanes' partial sums.

use super::case::{Bench, Case, poisoned, values, wide};
use super::{Tuning, program, read, write};
use crate::gpu::{Buffer, Consts, Recording};
use crate::reference;

/// Sums `partials` [rows, lanes] over lanes, in order, into the first `rows` words of `grads`.
pub fn record(rows: usize, lanes: usize, partials: &Buffer, grads: &Buffer, tuning: &Tuning) -> Recording {
    let consts = Consts::default().u32("ROWS", rows).u32("LANES", lanes);
    let bindings = vec![read(0, "partials"), write(1, "grads")];
    let parts = [include_str!("../../shaders/grad_reduce.wgsl")];
    let program = program("grad_reduce", "grad_reduce", &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.dispatch(program, vec![partials.clone(), grads.clone()], tuning.groups(rows));
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    [(58, 64), (1, 1), (3, 77)]
        .into_iter()
        .map(|(rows, lanes)| {
            let input = values(rows * lanes, 1.0, 4);
            let grads = poisoned("grads", rows);
            let partials = Buffer::holding("partials", &input);
            let recording = record(rows, lanes, &partials, &grads, tuning);
            let expected = reference::grad_reduce::grad_reduce(&wide(&input), lanes);
            Case::new(format!("{rows} x {lanes}"), recording).f32(&grads, expected)
        })
        .collect()
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, lanes) = (58, tuning.lanes);
    let (partials, grads) = (Buffer::words("partials", rows * lanes), Buffer::words("grads", rows));
    let count = (rows * lanes) as f64;
    let recording = record(rows, lanes, &partials, &grads, tuning);
    vec![Bench { name: "paper".into(), recording, flops: count, bytes: 4.0 * count }]
}
