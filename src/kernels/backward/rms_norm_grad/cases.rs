//! Parity cases and benches of `rms_norm_grad`.

use super::{NormGrad, record};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::gradients::rms_norm;

const EPS: f64 = 1e-5;

fn case(rows: usize, cols: usize, plus: bool, tuning: &Tuning) -> Case {
    let (x, weight) = (values(rows * cols, 2.0, 1), values(cols, 1.0, 2));
    let (dy, other) = (values(rows * cols, 1.0, 3), values(rows * cols, 1.0, 4));
    let counted = (rows - 1) * cols;
    let [mut dx, _] = rms_norm(&wide(&x[..counted]), &wide(&weight), EPS, &wide(&dy[..counted]));
    if plus {
        dx.iter_mut().zip(&other).for_each(|(to, x)| *to += f64::from(*x));
    }
    let scale = |x: &[f32]| 1.0 / (wide(x).iter().map(|x| x * x).sum::<f64>() / cols as f64 + EPS).sqrt();
    let scales: Vec<f64> = x[..counted].chunks(cols).map(scale).collect();
    let mut recording = Recording::default();
    let [x, dy, other] = [("x", &x), ("dy", &dy), ("other", &other)]
        .map(|(label, data)| input(&mut recording, label, data, cols, tuning));
    let (out, held) = (output("dx", rows, cols, tuning), poisoned("scales", rows));
    let grad = NormGrad {
        x: &x,
        weight: &Buffer::holding("weight", &weight).view(DType::F32),
        eps: EPS as f32,
        dy: &dy,
        plus: plus.then_some(&other),
        dx: &out,
        scales: &held,
    };
    recording.extend(record(&grad, &Cursor::at(rows - 1, 0), tuning));
    let name = format!("{rows} of {cols}{}", if plus { ", plus another" } else { "" });
    expect(Case::new(name, recording).f32(&held, scales), &out, &dx)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(2, 4, false, tuning), case(9, 68, true, tuning), case(4, 576, false, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 576);
    let [x, dy, other, dx] = ["x", "dy", "other", "dx"].map(|label| Operand::new(label, rows, cols, tuning));
    let grad = NormGrad {
        x: &x,
        weight: &Buffer::words("weight", cols).view(DType::F32),
        eps: EPS as f32,
        dy: &dy,
        plus: Some(&other),
        dx: &dx,
        scales: &Buffer::words("scales", rows),
    };
    let (size, recording) = ((rows * cols) as f64, record(&grad, &Cursor::at(rows, 0), tuning));
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: 10.0 * size, bytes: 24.0 * size }]
}
