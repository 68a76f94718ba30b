//! Parity cases and benches of `swiglu`.

use super::record;
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::layers::swiglu;

fn case(rows: usize, cols: usize, scale: f64, tuning: &Tuning) -> Case {
    let [gate, up] = [1, 2].map(|salt| values(rows * cols, scale, salt));
    let expected = swiglu(&wide(&gate), &wide(&up));
    let act = output("act", rows, cols, tuning);
    let mut recording = Recording::default();
    let gate = input(&mut recording, "gate", &gate, cols, tuning);
    let up = input(&mut recording, "up", &up, cols, tuning);
    recording.extend(record(&gate, &up, &act, &Cursor::at(rows, 0), tuning));
    expect(Case::new(format!("{rows} of {cols}, scale {scale}"), recording), &act, &expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(1, 4, 1.0, tuning), case(7, 132, 3.0, tuning), case(3, 36, 60.0, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 1536);
    let [gate, up] = ["gate", "up"].map(|label| Operand::new(label, rows, cols, tuning));
    let act = Operand::new("act", rows, cols, tuning);
    let recording = record(&gate, &up, &act, &Cursor::at(rows, 0), tuning);
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: 4.0 * size, bytes: 12.0 * size }]
}
