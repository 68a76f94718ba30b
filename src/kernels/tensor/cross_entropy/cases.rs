//! Parity cases and benches of `cross_entropy`.

use super::{CHUNK, Losses, NONE, record};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::weight::{Weight, kept};
use crate::reference::layers::cross_entropy;
use crate::reference::matmul::{Form, matmul};

fn case(rows: usize, cols: usize, words: usize, scale: f64, tuning: &Tuning) -> Case {
    let (h, head) = (values(rows * cols, scale, 1), kept(values(words * cols, 1.0, 2), tuning));
    let logits = matmul(Form::Nt, &wide(&h), &wide(&head), [rows, words, cols]);
    let target = |row: usize| (row % 4 != 2).then_some((row * 131 + words - 1) % words);
    let targets: Vec<Option<usize>> = (0..rows).map(target).collect();
    let mut recording = Recording::default();
    let h = input(&mut recording, "h", &h, cols, tuning);
    let weight = Weight::new("head", words, cols, 1 << 20, tuning);
    let filled = weight.holding(&head, &mut recording);
    let given: Vec<u32> = targets.iter().map(|t| t.map_or(NONE, |t| t as u32)).collect();
    let out = Losses {
        targets: Buffer::holding("targets", &given),
        losses: poisoned("losses", rows),
        chunk: output("logits of a chunk", rows, words.min(CHUNK), tuning),
        ..Losses::new(rows, &filled, tuning)
    };
    recording.extend(record(&h, &filled, &out, &Cursor::at(rows, 0), tuning));
    let case = Case::new(format!("{rows} rows of {words} words, scale {scale}"), recording);
    let case = case.f32(&out.losses, cross_entropy(&logits, &targets));
    let case = case.f32(&out.sums, sums(&logits, &targets));
    let last = left(&logits, words, &filled, out.chunk.cols());
    expect(case, &out.chunk, &last)
}

/// Largest logit, sum of exponentials over it, the target's logit.
pub(in crate::kernels) fn sums(logits: &[f64], targets: &[Option<usize>]) -> Vec<f64> {
    let cols = logits.len() / targets.len();
    let row = |(row, target): (&[f64], &Option<usize>)| {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        [most, row.iter().map(|x| (x - most).exp()).sum(), target.map_or(0.0, |t| row[t]), 0.0]
    };
    logits.chunks(cols).zip(targets).flat_map(row).collect()
}

/// What the chunks leave, each over the one before: `[rows, cols]`.
fn left(logits: &[f64], words: usize, head: &Weight, cols: usize) -> Vec<f64> {
    let mut all = vec![0.0; logits.len() / words * cols];
    for piece in &head.pieces {
        for from in piece.rows.clone().step_by(CHUNK) {
            let count = CHUNK.min(piece.rows.end - from);
            for (to, row) in all.chunks_mut(cols).zip(logits.chunks(words)) {
                to[..count.next_multiple_of(4).min(cols)].fill(0.0);
                to[..count].copy_from_slice(&row[from..from + count]);
            }
        }
    }
    all
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(1, 8, 5, 1.0, tuning), case(9, 20, 1001, 2.0, tuning), case(3, 8, 8200, 8.0, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols, words) = (512, 576, 8192);
    let head = Weight::new("head", words, cols, u64::MAX, tuning);
    let (h, out) = (Operand::new("h", rows, cols, tuning), Losses::new(rows, &head, tuning));
    let recording = record(&h, &head, &out, &Cursor::at(rows, 0), tuning);
    let flops = 2.0 * (rows * cols * words) as f64;
    let bytes = 4.0 * (rows * cols + cols * words + 3 * rows * words) as f64;
    vec![Bench { name: format!("{rows} rows of {words} words, with the head"), recording, flops, bytes }]
}
