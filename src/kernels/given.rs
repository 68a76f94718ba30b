//! Matrices of parity cases, in the form that a variant takes.

use super::case::{Case, KEPT, poisoned};
use super::layout::operand::{Operand, Panel, Rows, texels, textured};
use super::layout::starts::Starts;
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;

/// A matrix in a buffer that starts with numbers.
pub fn held(label: &'static str, data: &[f32], cols: usize) -> Rows {
    let rows = Rows::new(label, data.len() / cols, cols);
    let view = Buffer::holding(label, &rows.lay(data)).view(DType::F32);
    Rows { view, ..rows }
}

/// The same in the form that the variant's products read; the recording fills a texture.
pub fn input(
    recording: &mut Recording,
    label: &'static str,
    data: &[f32],
    cols: usize,
    tuning: &Tuning,
) -> Operand {
    let rows = held(label, data, cols);
    if !textured(tuning) {
        return Operand::Rows(rows);
    }
    let panel = Panel::new(label, rows.rows, cols);
    recording.fill_texture(texels(&rows, &panel, 0));
    Operand::Panel(panel)
}

/// Where rows' sequences begin, packed if given.
pub fn starts(firsts: Option<&[usize]>) -> Starts {
    let held = |firsts: &[usize]| firsts.iter().map(|&n| n as u32).collect::<Vec<_>>();
    firsts.map_or(Starts::One, |firsts| Starts::Packed(Buffer::holding("starts", &held(firsts))))
}

/// A matrix in a buffer full of poison.
pub fn empty(label: &'static str, rows: usize, cols: usize) -> Rows {
    let made = Rows::new(label, rows, cols);
    let view = poisoned(label, made.rows * made.pitch).view(DType::F32);
    Rows { view, ..made }
}

/// An output in the variant's form.
pub fn output(label: &'static str, rows: usize, cols: usize, tuning: &Tuning) -> Operand {
    match textured(tuning) {
        true => Operand::Panel(Panel::new(label, rows, cols)),
        false => Operand::Rows(empty(label, rows, cols)),
    }
}

/// Values of rows as their buffer has them: zeros up to a vec4, and what stood there behind; rows that are not expected
/// are as they were.
fn laid(rows: &Rows, values: &[f64]) -> Vec<f64> {
    let mut all = vec![KEPT; rows.rows * rows.pitch];
    for (to, from) in all.chunks_mut(rows.pitch).zip(values.chunks(rows.cols)) {
        to[..rows.cols.next_multiple_of(4)].fill(0.0);
        to[..rows.cols].copy_from_slice(from);
    }
    all
}

/// Expects a matrix's first rows.
pub fn expect_rows(case: Case, rows: &Rows, values: &[f64]) -> Case {
    case.f32(rows.view.buffer(), laid(rows, values))
}

/// The same in the variant's form.
pub fn expect(mut case: Case, operand: &Operand, values: &[f64]) -> Case {
    match operand {
        Operand::Rows(rows) => expect_rows(case, rows, values),
        Operand::Panel(panel) => {
            let rows = Rows::new("read back", values.len() / panel.cols, panel.cols);
            case.recording.read_texture(texels(&rows, panel, 0));
            expect_rows(case, &rows, values)
        }
    }
}
