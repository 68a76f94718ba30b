//! Parity cases and benches of `swiglu_grad`.

use super::record;
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::gradients::swiglu;

fn case(rows: usize, cols: usize, scale: f64, tuning: &Tuning) -> Case {
    let [gate, up, dact] = [(1, scale), (2, 1.0), (3, 1.0)].map(|(salt, s)| values(rows * cols, s, salt));
    let expected = swiglu(&wide(&gate), &wide(&up), &wide(&dact));
    let mut recording = Recording::default();
    let given = [("gate", &gate), ("up", &up), ("dact", &dact)]
        .map(|(label, data)| input(&mut recording, label, data, cols, tuning));
    let out = ["dgate", "dup"].map(|label| output(label, rows, cols, tuning));
    recording.extend(record(given.each_ref(), out.each_ref(), &Cursor::at(rows, 0), tuning));
    let case = Case::new(format!("{rows} of {cols}, scale {scale}"), recording);
    expect(expect(case, &out[0], &expected[0]), &out[1], &expected[1])
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(1, 4, 1.0, tuning), case(13, 68, 2.0, tuning), case(3, 20, 60.0, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 1536);
    let new = |label| Operand::new(label, rows, cols, tuning);
    let (given, out) = (["gate", "up", "dact"].map(new), ["dgate", "dup"].map(new));
    let recording = record(given.each_ref(), out.each_ref(), &Cursor::at(rows, 0), tuning);
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: 12.0 * size, bytes: 20.0 * size }]
}
