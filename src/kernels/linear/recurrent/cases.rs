//! Parity cases and benches of `recurrent`.

use super::{Recurrent, record};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, expect_rows, held, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Operand, Rows};
use crate::kernels::linear::chunk_gates::{Beta, Decay, Raw};
use crate::kernels::linear::{Rule, Sizes};
use crate::kernels::mixing::cases::by_rows;
use crate::reference::linear_attention::{self as reference, Sequence};

fn case(sizes: Sizes, rows: usize, [decay, delta]: [bool; 2], tuning: &Tuning) -> Case {
    let Sizes { heads, groups, keys, values: width } = sizes;
    let scale = 1.0 / (keys as f64).sqrt();
    let rule = Rule { decay, delta, mean: false, scale: scale as f32 };
    let given = |count: usize, salt| values(rows * count, 1.0, salt);
    let (q, v) = (given(heads * keys, 1), given(groups * width, 3));
    let k: Vec<f32> = given(groups * keys, 2).iter().map(|x| x / (keys as f32).sqrt()).collect();
    let x = given(heads, 4);
    let shares = given(heads, 5);
    let initial = values(heads * keys * width, 0.5, 6);
    // From the definition: log σ(x) / 16, and σ(x).
    let decays: Vec<f64> = wide(&x).iter().map(|x| -(1.0 + (-x).exp()).ln() / 16.0).collect();
    let betas: Vec<f64> = wide(&shares).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
    let [wide_q, wide_k, wide_v, first] = [&q, &k, &v, &initial].map(|all| wide(all));
    let came = reference::recurrent(&Sequence {
        sizes,
        q: &wide_q,
        k: &wide_k,
        v: &wide_v,
        decay: decay.then_some(&decays[..]),
        beta: delta.then_some(&betas[..]),
        initial: Some(&first),
        scale,
        mean: false,
    });
    let mut recording = Recording::default();
    let mut put = |label, data: &[f32], cols| input(&mut recording, label, data, cols, tuning);
    let (q, k, v) = (put("q", &q, heads * keys), put("k", &k, groups * keys), put("v", &v, groups * width));
    let (x, shares) = (put("x", &x, heads), put("shares", &shares, heads));
    let raw = Raw {
        decay: if decay { Decay::Sigmoid(&x) } else { Decay::None },
        beta: if delta { Beta::Sigmoid(&shares) } else { Beta::None },
    };
    let out = output("out", rows, heads * width, tuning);
    let narrow: Vec<f32> = by_rows(&first, sizes).iter().map(|x| *x as f32).collect();
    let state = held("state", &narrow, heads * width);
    let cursor = Cursor::at(rows, 5);
    let taken = Recurrent { q: &q, k: &k, v: &v, raw, out: &out, state: &state, cursor: &cursor };
    recording.extend(record(&taken, sizes, &rule, tuning));
    let case = Case::new(
        format!(
            "{rows} tokens, {heads} and {groups} heads of {keys} and {width}, decay {decay}, delta {delta}"
        ),
        recording,
    );
    expect_rows(expect(case, &out, &came.out), &state, &by_rows(&came.state, sizes))
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let sizes = |heads, groups, keys, values| Sizes { heads, groups, keys, values };
    let kinds = [[false, false], [true, false], [false, true], [true, true]];
    let small = kinds.into_iter().map(|kind| case(sizes(2, 1, 16, 32), 3, kind, tuning));
    small.chain([case(sizes(3, 3, 64, 64), 1, [true, true], tuning)]).collect()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let sizes = Sizes { heads: 4, groups: 4, keys: 64, values: 64 };
    let [q, k, v, out] = ["q", "k", "v", "out"].map(|label| Operand::new(label, 1, 256, tuning));
    let shares = Operand::new("shares", 1, 4, tuning);
    let state = Rows::new("state", 64, 256);
    let rule = Rule { decay: false, delta: true, mean: false, scale: 0.125 };
    let raw = Raw { decay: Decay::None, beta: Beta::Sigmoid(&shares) };
    let cursor = Cursor::at(1, 0);
    let taken = Recurrent { q: &q, k: &k, v: &v, raw, out: &out, state: &state, cursor: &cursor };
    let recording = record(&taken, sizes, &rule, tuning);
    let size = (64 * 256) as f64;
    vec![Bench {
        name: "a token, delta, 4 heads of 64".into(),
        recording,
        flops: 7.0 * size,
        bytes: 8.0 * size,
    }]
}
