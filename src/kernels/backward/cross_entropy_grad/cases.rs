//! Parity cases and benches of `cross_entropy_grad`, behind the forward pass whose sums it takes.

use super::LossGrad;
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::{empty, expect, expect_rows, held, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::weight::{Weight, kept};
use crate::kernels::tensor::cross_entropy::{self, CHUNK, Losses, NONE};
use crate::reference::gradients;
use crate::reference::layers;
use crate::reference::matmul::{Form, matmul};

fn case([rows, cols, words]: [usize; 3], trained: bool, add: bool, tuning: &Tuning) -> Case {
    let (h, head) = (values(rows * cols, 2.0, 1), kept(values(words * cols, 1.0, 2), tuning));
    let (weights, was) = (values(rows, 0.3, 3), values(words * cols, 0.1, 4));
    let logits = matmul(Form::Nt, &wide(&h), &wide(&head), [rows, words, cols]);
    let target = |row: usize| (row % 4 != 2).then_some((row * 131 + words - 1) % words);
    let targets: Vec<Option<usize>> = (0..rows).map(target).collect();
    let dlogits = gradients::cross_entropy(&logits, &targets, &wide(&weights));
    let dh = matmul(Form::Nn, &dlogits, &wide(&head), [rows, cols, words]);
    let mut dhead = matmul(Form::Tn, &dlogits, &wide(&h), [words, cols, rows]);
    if add {
        dhead.iter_mut().zip(&was).for_each(|(to, x)| *to += f64::from(*x));
    }
    let mut recording = Recording::default();
    let h = input(&mut recording, "h", &h, cols, tuning);
    let filled = Weight::new("head", words, cols, u64::MAX, tuning).holding(&head, &mut recording);
    let given: Vec<u32> = targets.iter().map(|t| t.map_or(NONE, |t| t as u32)).collect();
    let losses = Losses {
        targets: Buffer::holding("targets", &given),
        losses: poisoned("losses", rows),
        chunk: output("logits of a chunk", rows, words.min(CHUNK), tuning),
        ..Losses::new(rows, &filled, tuning)
    };
    let cursor = Cursor::at(rows, 0);
    recording.extend(cross_entropy::record(&h, &filled, &losses, &cursor, tuning));
    let slopes = output("gradient of a chunk", rows, words.min(CHUNK), tuning);
    let sums = ["dh", "dh"].map(|label| output(label, rows, cols, tuning));
    let pieces: Vec<_> = filled.pieces.iter().map(|piece| piece.rows.clone()).collect();
    let pieces: Vec<_> = pieces
        .into_iter()
        .map(|own| {
            let rows = match add {
                true => held("dhead", &was[own.start * cols..own.end * cols], cols),
                false => empty("dhead", own.len(), cols),
            };
            (own, rows)
        })
        .collect();
    let grad = LossGrad {
        h: &h,
        head: &filled,
        losses: &losses,
        weights: &Buffer::holding("weights", &weights),
        dlogits: &slopes,
        dh: &sums,
        dhead: trained.then_some((&pieces, add)),
    };
    let (behind, found) = grad.record(&cursor, tuning);
    recording.extend(behind);
    let what = if trained { ", the head too" } else { "" };
    let name = format!("{rows} rows of {words} words{what}{}", if add { ", added up" } else { "" });
    let case = Case::new(name, recording);
    let case = case.f32(&losses.losses, layers::cross_entropy(&logits, &targets));
    let case = expect(case, found, &dh);
    let case = case.f32(&losses.sums, cross_entropy::cases::sums(&logits, &targets));
    // What a chunk leaves: the last one, over whatever is behind its columns.
    let (last, first) = (words - (words - 1) / CHUNK * CHUNK, (words - 1) / CHUNK * CHUNK);
    let case =
        [(&losses.chunk, &logits), (&slopes, &dlogits)].into_iter().fold(case, |case, (operand, all)| {
            let own: Vec<f64> = all.chunks(words).flat_map(|row| row[first..first + last].to_vec()).collect();
            expect(case, &operand.narrow(last), &own)
        });
    if !trained {
        return case;
    }
    pieces
        .iter()
        .fold(case, |case, (own, rows)| expect_rows(case, rows, &dhead[own.start * cols..own.end * cols]))
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case([1, 8, 5], false, false, tuning),
        case([9, 20, 1001], true, false, tuning),
        case([70, 36, 130], true, true, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols, words) = (512, 576, 8192);
    let head = Weight::new("head", words, cols, u64::MAX, tuning);
    let (h, losses) = (Operand::new("h", rows, cols, tuning), Losses::new(rows, &head, tuning));
    let slopes = Operand::new("gradient of a chunk", rows, words, tuning);
    let sums = ["dh", "dh"].map(|label| Operand::new(label, rows, cols, tuning));
    let grad = LossGrad {
        h: &h,
        head: &head,
        losses: &losses,
        weights: &Buffer::words("weights", rows),
        dlogits: &slopes,
        dh: &sums,
        dhead: None,
    };
    let (recording, _) = grad.record(&Cursor::at(rows, 0), tuning);
    let flops = 4.0 * (rows * cols * words) as f64;
    let bytes = 4.0 * (2 * rows * cols + 2 * cols * words + 4 * rows * words) as f64;
    vec![Bench { name: format!("{rows} rows of {words} words, with the head"), recording, flops, bytes }]
}
