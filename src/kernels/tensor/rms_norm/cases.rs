//! Parity cases and benches of `rms_norm`.

use super::{Normed, record};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::layers::rms_norm;

fn case(rows: usize, cols: usize, last: bool, tuning: &Tuning) -> Case {
    let (x, weight) = (values(rows * cols, 2.0, 1), values(cols, 1.0, 2));
    let first = if last { rows - 2 } else { 0 };
    let expected = rms_norm(&wide(&x[first * cols..(rows - 1) * cols]), &wide(&weight), 1e-5);
    let h = output("h", if last { 1 } else { rows }, cols, tuning);
    let weight = Buffer::holding("weight", &weight).view(DType::F32);
    let mut recording = Recording::default();
    let x = input(&mut recording, "x", &x, cols, tuning);
    recording.extend(record(
        &Normed { x: &x, weight: &weight, eps: 1e-5, h: &h, last },
        &Cursor::at(rows - 1, 3),
        tuning,
    ));
    expect(
        Case::new(format!("{rows} of {cols}{}", if last { ", the last" } else { "" }), recording),
        &h,
        &expected,
    )
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(2, 4, false, tuning), case(9, 68, false, tuning), case(4, 576, true, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 576);
    let [x, h] = ["x", "h"].map(|label| Operand::new(label, rows, cols, tuning));
    let weight = Buffer::words("weight", cols).view(DType::F32);
    let recording = record(
        &Normed { x: &x, weight: &weight, eps: 1e-5, h: &h, last: false },
        &Cursor::at(rows, 0),
        tuning,
    );
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: 4.0 * size, bytes: 12.0 * size }]
}
