//! Parity cases and benches of `feature_map`.

use super::{Feature, record, record_grad};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::{gradients, layers};

fn case(feature: Feature, rows: usize, heads: usize, dim: usize, tuning: &Tuning) -> Case {
    let cols = heads * dim;
    let (x, dy) = (values(rows * cols, 1.0, 1), values(rows * cols, 1.0, 2));
    let mut recording = Recording::default();
    let given = input(&mut recording, "x", &x, cols, tuning);
    let slopes = input(&mut recording, "dy", &dy, cols, tuning);
    let [y, dx] = ["y", "dx"].map(|label| output(label, rows, cols, tuning));
    // The last row is none of theirs.
    let cursor = Cursor::at(rows - 1, 0);
    recording.extend(record(feature, &given, &y, dim, &cursor, tuning));
    recording.extend(record_grad(feature, [&given, &slopes, &dx], dim, &cursor, tuning));
    let own = |x: &[f32]| wide(&x[..(rows - 1) * cols]);
    let case = Case::new(format!("{feature:?}, {rows} rows of {heads} heads of {dim}"), recording);
    let case = expect(case, &y, &layers::feature(&own(&x), dim, feature));
    expect(case, &dx, &gradients::feature(&own(&x), dim, feature, &own(&dy)))
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case(Feature::Unit, 3, 1, 16, tuning),
        case(Feature::Unit, 18, 5, 64, tuning),
        case(Feature::Relu, 5, 2, 16, tuning),
        case(Feature::Elu, 9, 3, 32, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (4096, 256);
    let [x, y] = ["x", "y"].map(|label| Operand::new(label, rows, cols, tuning));
    let recording = record(Feature::Unit, &x, &y, 64, &Cursor::at(rows, 0), tuning);
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("unit, {rows} of {cols}"), recording, flops: 3.0 * size, bytes: 12.0 * size }]
}
