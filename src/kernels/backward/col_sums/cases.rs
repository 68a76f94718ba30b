//! Parity cases and benches of `col_sums`.

use super::{Terms, record};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::input;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;

fn case(rows: usize, cols: usize, weight: bool, add: bool, tuning: &Tuning) -> Case {
    let [dy, x] = [1, 2].map(|salt| values(rows * cols, 1.0, salt));
    let (scales, was) = (values(rows, 1.0, 3), values(cols, 1.0, 4));
    let term = |at: usize| match weight {
        true => f64::from(dy[at]) * f64::from(x[at]) * f64::from(scales[at / cols]),
        false => f64::from(dy[at]),
    };
    let mut expected = if add { wide(&was) } else { vec![0.0; cols] };
    (0..(rows - 1) * cols).for_each(|at| expected[at % cols] += term(at));
    let mut recording = Recording::default();
    let [dy, x] =
        [("dy", &dy), ("x", &x)].map(|(label, data)| input(&mut recording, label, data, cols, tuning));
    let scales = Buffer::holding("scales", &scales);
    let terms = match weight {
        true => Terms::Weight { dy: &dy, x: &x, scales: &scales },
        false => Terms::Bias(&dy),
    };
    let sums = if add { Buffer::holding("sums", &was) } else { poisoned("sums", cols) };
    recording.extend(record(&terms, &sums.view(DType::F32), add, &Cursor::at(rows - 1, 0), tuning));
    let what = if weight { "of a weight" } else { "of a bias" };
    Case::new(format!("{rows} of {cols}, {what}{}", if add { ", added up" } else { "" }), recording)
        .f32(&sums, expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case(2, 4, false, false, tuning),
        case(70, 68, true, false, tuning),
        case(9, 20, false, true, tuning),
        case(33, 576, true, true, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 576);
    let [dy, x] = ["dy", "x"].map(|label| Operand::new(label, rows, cols, tuning));
    let (scales, sums) = (Buffer::words("scales", rows), Buffer::words("sums", cols).view(DType::F32));
    let terms = Terms::Weight { dy: &dy, x: &x, scales: &scales };
    let (size, recording) =
        ((rows * cols) as f64, record(&terms, &sums, false, &Cursor::at(rows, 0), tuning));
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: 3.0 * size, bytes: 8.0 * size }]
}
