//! Parity cases and benches of `embed`.

use super::record;
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::weight::{Weight, kept};

fn case(words: usize, cols: usize, most_bytes: u64, tuning: &Tuning) -> Case {
    let table = kept(values(words * cols, 1.0, 1), tuning);
    let weight = Weight::new("table", words, cols, most_bytes, tuning);
    let mut recording = Recording::default();
    let filled = weight.holding(&table, &mut recording);
    let ids: Vec<u32> = (0..11).map(|i| (i * 7 + 3) % words as u32).collect();
    let expected: Vec<f64> = ids.iter().flat_map(|&id| wide(&table[id as usize * cols..][..cols])).collect();
    let x = output("x", ids.len() + 2, cols, tuning);
    let (held, cursor) = (Buffer::holding("ids", &[&ids[..], &[0, 0]].concat()), Cursor::at(ids.len(), 5));
    recording.extend(record(&filled, &held, &x, &cursor, tuning));
    let pieces = weight.pieces.len();
    expect(Case::new(format!("{words} of {cols}, in {pieces}"), recording), &x, &expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(13, 20, 1 << 20, tuning), case(50, 132, 20 << 10, tuning), case(8300, 4, 64 << 10, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols) = (512, 576);
    let table = Weight::new("table", 8192, cols, u64::MAX, tuning);
    let (ids, x) = (Buffer::holding("ids", &vec![77u32; rows]), Operand::new("x", rows, cols, tuning));
    let recording = record(&table, &ids, &x, &Cursor::at(rows, 0), tuning);
    vec![Bench {
        name: format!("{rows} of {cols}"),
        recording,
        flops: 0.0,
        bytes: 8.0 * (rows * cols) as f64,
    }]
}
