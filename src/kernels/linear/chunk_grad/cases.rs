//! Parity cases and benches of `chunk_grad`.

use super::{DeltaTerms, Marks, Terms, head_sums, record};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunk_product::Gates;
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes};

/// A sequence of as many tokens as a chunk has: what stands behind the last token is nobody's.
fn case(delta: bool, tuning: &Tuning) -> Case {
    let (rows, sizes) = (32, Sizes { heads: 4, groups: 2, keys: 16, values: 32 });
    let rule = Rule { decay: true, delta, mean: false, scale: 1.0 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(16, &[rows]) };
    let (keys, width, shared, wide_shared) = (64, 128, 32, 64);
    let given = |cols: usize, salt| values(rows * cols, 1.0, salt);
    let [q, dq, dk, nk, ty] = [1, 2, 3, 4, 5].map(|salt| given(keys, salt));
    let (k, v, tu) = (given(shared, 6), given(wide_shared, 7), given(width, 8));
    let gates = values(frame.gate_rows() * 64, 1.0, 9);
    let (mut marks, mut dkeys, mut dvalues) =
        (vec![0.0; frame.gate_rows() * 64], vec![0.0; rows * keys], vec![0.0; rows * width]);
    let mut of_values = vec![0.0; frame.gate_rows() * 16];
    let at = |all: &[f32], i: usize| f64::from(all[i]);
    for row in 0..rows {
        for h in 0..4 {
            let gate = ((row / 16) * 4 + h) * 64 + row % 16 * 4;
            let (enter, beta) = (at(&gates, gate), at(&gates, gate + 2));
            for i in 0..16 {
                let own = row * keys + h * 16 + i;
                let key = at(&k, row * shared + h / 2 * 16 + i);
                let met = if delta { at(&nk, own) + enter * at(&ty, own) } else { 0.0 };
                let later = at(&dk, own);
                marks[gate] += at(&q, own) * at(&dq, own) + key * (beta * met - later);
                marks[gate + 1] += key * met;
                dkeys[own] = later + beta * met;
            }
            for i in 0..32 {
                let own = row * width + h * 32 + i;
                of_values[gate / 4] += at(&v, row * wide_shared + h / 2 * 32 + i) * at(&tu, own);
                dvalues[own] = beta * at(&tu, own);
            }
        }
    }
    let mut recording = Recording::default();
    let mut put = |label, data: &[f32], cols| input(&mut recording, label, data, cols, tuning);
    let (q, dq, dk) = (put("q", &q, keys), put("dq", &dq, keys), put("dk", &dk, keys));
    let (nk, ty, tu) = (put("nk", &nk, keys), put("ty", &ty, keys), put("tu", &tu, width));
    let (k, v) = (put("k", &k, shared), put("v", &v, wide_shared));
    let gates = Gates { gates: put("gates", &gates, 64), decays: Operand::new("decays", 1, 16, tuning) };
    let out = Marks {
        keys: output("marks", 2 * 4, 64, tuning),
        values: delta.then(|| output("marks of values", 2 * 4, 64, tuning)),
    };
    let mut by_values = vec![0.0; 2 * 4 * 64];
    let (to_keys, to_values) = (output("dkeys", rows, keys, tuning), output("dvalues", rows, width, tuning));
    let terms =
        delta.then_some(DeltaTerms { v: &v, nk: &nk, ty: &ty, tu: &tu, dk: &to_keys, dv: &to_values });
    let terms = Terms { q: &q, k: &k, dq: &dq, dk: &dk, delta: terms };
    recording.extend(record(&terms, &gates, &out, &frame, tuning));
    let case = Case::new(if delta { "delta" } else { "plain" }, recording);
    marks.truncate(2 * 4 * 64);
    for (i, own) in of_values.iter().enumerate().take(2 * 4 * 16) {
        by_values[4 * i] = *own;
    }
    let mut case = expect(case, &out.keys, &marks);
    if let Some(values) = &out.values {
        case = expect(case, values, &by_values);
    }
    if delta { expect(expect(case, &to_keys, &dkeys), &to_values, &dvalues) } else { case }
}

fn case_of_sums(rows: usize, groups: usize, sharing: usize, dim: usize, tuning: &Tuning) -> Case {
    let (cols, to) = (groups * sharing * dim, groups * dim);
    let x = values(rows * cols, 1.0, 1);
    let mut expected = vec![0.0; (rows - 1) * to];
    for (i, x) in wide(&x[..(rows - 1) * cols]).iter().enumerate() {
        let (row, col) = (i / cols, i % cols);
        expected[row * to + col / (sharing * dim) * dim + col % dim] += x;
    }
    let mut recording = Recording::default();
    let x = input(&mut recording, "x", &x, cols, tuning);
    let y = output("y", rows, to, tuning);
    recording.extend(head_sums(&x, &y, sharing, dim, &Cursor::at(rows - 1, 0), tuning));
    expect(Case::new(format!("sums of {sharing} heads of {dim}, {rows} rows"), recording), &y, &expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case(false, tuning),
        case(true, tuning),
        case_of_sums(5, 2, 3, 16, tuning),
        case_of_sums(19, 1, 2, 64, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, sizes) = (4096, Sizes { heads: 4, groups: 4, keys: 64, values: 64 });
    let rule = Rule { decay: true, delta: false, mean: false, scale: 1.0 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(64, &[512; 8]) };
    let [q, k, dq, dk] = ["q", "k", "dq", "dk"].map(|label| Operand::new(label, rows, 256, tuning));
    let gates = Gates::new("gates", &frame, tuning);
    let marks = Marks::new("marks", &frame, tuning);
    let terms = Terms { q: &q, k: &k, dq: &dq, dk: &dk, delta: None };
    let recording = record(&terms, &gates, &marks, &frame, tuning);
    let size = (rows * 256) as f64;
    vec![Bench {
        name: "8 × 512 tokens of 4 heads of 64".into(),
        recording,
        flops: 4.0 * size,
        bytes: 16.0 * size,
    }]
}
