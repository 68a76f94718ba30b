//! Parity cases and benches of `rope_grad`.

use super::{RopeGrad, record};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{self, expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::starts::Starts;
use crate::kernels::tensor::rope::{Heads, turns};
use crate::reference::gradients::rope;

const THETA: f64 = 1e4;

fn case(heads: Heads, rows: usize, starts: Option<&[usize]>, tuning: &Tuning) -> Case {
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let (dqueries, dkeys) = (values(rows * width, 1.0, 1), values(rows * shared, 1.0, 2));
    let positions: Vec<usize> = (0..rows).map(|t| t - starts.map_or(0, |s| s[t])).collect();
    let back = |x: &[f32]| rope(&wide(x), &positions, heads.dim, THETA);
    let mut recording = Recording::default();
    let (dq, dk) = (output("dq", rows, width, tuning), output("dk", rows, shared, tuning));
    let grad = RopeGrad {
        dqueries: &input(&mut recording, "dqueries", &dqueries, width, tuning),
        dkeys: &input(&mut recording, "dkeys", &dkeys, shared, tuning),
        turns: &Buffer::holding("turns", &turns(rows, heads.dim, THETA)),
        dq: &dq,
        dk: &dk,
        starts: &given::starts(starts),
        cursor: &Cursor::at(rows, 0),
    };
    recording.extend(record(&grad, heads, tuning));
    let packed = if starts.is_some() { ", packed" } else { "" };
    let case = Case::new(format!("{rows} rows of {heads:?}{packed}"), recording);
    expect(expect(case, &dq, &back(&dqueries)), &dk, &back(&dkeys))
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let heads = |queries, groups, dim| Heads { queries, groups, dim };
    vec![
        case(heads(1, 1, 8), 3, None, tuning),
        case(heads(6, 2, 24), 13, None, tuning),
        case(heads(3, 1, 64), 7, Some(&[0, 0, 0, 3, 3, 5, 5]), tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, heads) = (512, Heads { queries: 9, groups: 3, dim: 64 });
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let [dqueries, dq] = ["dqueries", "dq"].map(|label| Operand::new(label, rows, width, tuning));
    let [dkeys, dk] = ["dkeys", "dk"].map(|label| Operand::new(label, rows, shared, tuning));
    let grad = RopeGrad {
        dqueries: &dqueries,
        dkeys: &dkeys,
        turns: &Buffer::words("turns", rows * heads.dim),
        dq: &dq,
        dk: &dk,
        starts: &Starts::One,
        cursor: &Cursor::at(rows, 0),
    };
    let (size, recording) = ((rows * (width + shared)) as f64, record(&grad, heads, tuning));
    let name = format!("{rows} rows of 9 and 3 heads");
    vec![Bench { name, recording, flops: 3.0 * size, bytes: 8.0 * size }]
}
