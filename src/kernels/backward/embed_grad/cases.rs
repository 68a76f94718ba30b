//! Parity cases and benches of `embed_grad`.

use super::{Taken, record};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect_rows, held, input};
use crate::kernels::layout::operand::{Operand, Rows};
use crate::reference::gradients::embed;

fn taken(ids: &[u32]) -> Taken {
    let [count, tokens, order] = Taken::of(ids);
    // Behind the last token there is room for as many as rows.
    let tokens = [&tokens[..], &vec![0; 4 * ids.len() - tokens.len()]].concat();
    Taken {
        count: Buffer::holding("taken", &count),
        tokens: Buffer::holding("taken", &tokens),
        order: Buffer::holding("taken", &order),
    }
}

/// A table of so many words in pieces of so many.
fn case(words: usize, cols: usize, piece: usize, tuning: &Tuning) -> Case {
    let ids: Vec<u32> = (0..23).map(|i: u32| (i * i * 7 + 3) % words as u32).collect();
    let (dx, was) = (values(ids.len() * cols, 1.0, 1), values(words * cols, 1.0, 2));
    let places: Vec<usize> = ids.iter().map(|id| *id as usize).collect();
    let mut expected = embed(&places, &wide(&dx), words);
    expected.iter_mut().zip(&was).for_each(|(to, x)| *to += f64::from(*x));
    let mut recording = Recording::default();
    let (dx, taken) = (input(&mut recording, "dx", &dx, cols, tuning), taken(&ids));
    let mut pieces = Vec::new();
    for from in (0..words).step_by(piece) {
        let tokens = from..words.min(from + piece);
        let table = held("table", &was[from * cols..tokens.end * cols], cols);
        recording.extend(record(&dx, &taken, (tokens.clone(), &table), tuning));
        pieces.push((tokens, table));
    }
    let case = Case::new(format!("{words} of {cols}, in {}", pieces.len()), recording);
    pieces.into_iter().fold(case, |case, (tokens, table)| {
        expect_rows(case, &table, &expected[tokens.start * cols..tokens.end * cols])
    })
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![case(7, 20, 7, tuning), case(50, 132, 21, tuning)]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, cols, words) = (512, 576, 8192);
    let ids: Vec<u32> = (0..rows as u32).map(|i| i * 97 % words as u32).collect();
    let (dx, table) = (Operand::new("dx", rows, cols, tuning), Rows::new("table", words, cols));
    let recording = record(&dx, &taken(&ids), (0..words, &table), tuning);
    let size = (rows * cols) as f64;
    vec![Bench { name: format!("{rows} of {cols}"), recording, flops: size, bytes: 12.0 * size }]
}
