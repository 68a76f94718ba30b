//! Parity cases and benches of `dropout`.

use super::{Dropped, draw, record};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::reference::layers::dropout;

fn case([rows, cols]: [usize; 2], share: f64, plus: bool, tuning: &Tuning) -> Case {
    let [x, other] = [1, 2].map(|salt| values(rows * cols, 1.0, salt));
    let (step, key, site) = (7, 0x1234_5678, 3);
    let mut expected = dropout(&wide(&x), cols, share, [step, key + site]);
    if plus {
        expected.iter_mut().zip(&other).for_each(|(y, own)| *y += f64::from(*own));
    }
    let y = output("y", rows, cols, tuning);
    let mut recording = Recording::default();
    let x = input(&mut recording, "x", &x, cols, tuning);
    let other = input(&mut recording, "other", &other, cols, tuning);
    let draw = Buffer::holding("draw", &draw(step, key, share));
    let site = Buffer::holding("site", &[site, 0, 0, 0]);
    let plus = plus.then_some(&other);
    let dropped = Dropped { x: &x, plus, y: &y, draw: &draw, site: &site };
    recording.extend(record(&dropped, &Cursor::at(rows, 0), tuning));
    expect(Case::new(format!("{rows} of {cols}, {share} of them"), recording), &y, &expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    [([1, 4], 0.5, false), ([7, 130], 0.1, false), ([33, 36], 0.9, true), ([3, 8], 0.0, false)]
        .map(|(sizes, share, plus)| case(sizes, share, plus, tuning))
        .into()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 576);
    let [x, y] = ["x", "y"].map(|label| Operand::new(label, rows, cols, tuning));
    let draw = Buffer::holding("draw", &draw(0, 1, 0.1));
    let site = Buffer::holding("site", &[0u32; 4]);
    let dropped = Dropped { x: &x, plus: None, y: &y, draw: &draw, site: &site };
    let recording = record(&dropped, &Cursor::at(rows, 0), tuning);
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: size, bytes: 8.0 * size }]
}
