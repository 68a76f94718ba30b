//! Parity cases of the whole: forward and backward against the recurrence in f64.

use super::{Grads, Kept, Passing, Scratch, Taken, backward, forward, last_states};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunk_gates::{self, Beta, Decay, Raw, RawGrads};
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes, chunk_grad};
use crate::reference::linear_attention::{self as reference, Sequence};

/// Which of the definition's parts a case has.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    decay: bool,
    delta: bool,
    mean: bool,
}

const fn kind(name: &'static str, [decay, delta, mean]: [bool; 3]) -> Kind {
    Kind { name, decay, delta, mean }
}

const KINDS: [Kind; 5] = [
    kind("linear", [false, false, false]),
    kind("linear by tokens so far", [false, false, true]),
    kind("gated", [true, false, false]),
    kind("delta", [false, true, false]),
    kind("gated delta", [true, true, false]),
];

/// Numbers of sequences that lie one behind the other.
struct Given {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    decay: Vec<f32>,
    beta: Vec<f32>,
    initial: Vec<f32>,
    dout: Vec<f32>,
    dlast: Vec<f32>,
}

impl Given {
    fn new(sizes: Sizes, sequences: &[usize]) -> Self {
        let rows: usize = sequences.iter().sum();
        let Sizes { heads, groups, keys, values: width } = sizes;
        let mut k = values(rows * groups * keys, 1.0, 2);
        for key in k.chunks_mut(keys) {
            let length = key.iter().map(|x| x * x).sum::<f32>().sqrt();
            key.iter_mut().for_each(|x| *x /= length);
        }
        let states = sequences.len() * heads * keys * width;
        let decay = values(rows * heads, 1.0, 4).iter().map(|x| -(1.0 + x.exp()).ln() / 8.0).collect();
        let mut decay: Vec<f32> = decay;
        // One that forgets everything, somewhere.
        decay[rows / 2 * heads] = -1e3;
        Given {
            q: values(rows * heads * keys, 1.0, 1),
            k,
            v: values(rows * groups * width, 1.0, 3),
            decay,
            beta: values(rows * heads, 1.0, 5).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            initial: values(states, 0.5, 6),
            dout: values(rows * heads * width, 1.0, 7),
            dlast: values(states, 0.5, 8),
        }
    }
}

/// States `[sequences, H, K, V]` as `[sequences K, H V]`, or back.
pub fn by_rows(states: &[f64], sizes: Sizes) -> Vec<f64> {
    let Sizes { heads, keys, values, .. } = sizes;
    let sequence = |all: &[f64]| -> Vec<f64> {
        let at = |i: usize| {
            let (key, rest) = (i / (heads * values), i % (heads * values));
            all[(rest / values * keys + key) * values + rest % values]
        };
        (0..all.len()).map(at).collect()
    };
    states.chunks(heads * keys * values).flat_map(sequence).collect()
}

struct Wanted {
    out: Vec<f64>,
    states: Vec<f64>,
    grads: reference::Gradients,
}

fn wanted(given: &Given, sizes: Sizes, sequences: &[usize], kind: Kind, scale: f64) -> Wanted {
    let Sizes { heads, groups, keys, values } = sizes;
    let mut all = Wanted {
        out: Vec::new(),
        states: Vec::new(),
        grads: reference::Gradients {
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            decay: Vec::new(),
            beta: Vec::new(),
            initial: Vec::new(),
        },
    };
    let mut from = 0;
    for (n, tokens) in sequences.iter().enumerate() {
        let part = |all: &[f32], width: usize| wide(&all[from * width..(from + tokens) * width]);
        let size = heads * keys * values;
        let state = |all: &[f32]| wide(&all[n * size..(n + 1) * size]);
        let (q, k) = (part(&given.q, heads * keys), part(&given.k, groups * keys));
        let (v, decay, beta) =
            (part(&given.v, groups * values), part(&given.decay, heads), part(&given.beta, heads));
        let initial = state(&given.initial);
        let sequence = Sequence {
            sizes,
            q: &q,
            k: &k,
            v: &v,
            decay: kind.decay.then_some(&decay[..]),
            beta: kind.delta.then_some(&beta[..]),
            initial: Some(&initial),
            scale,
            mean: kind.mean,
        };
        let came = reference::recurrent(&sequence);
        let grads = reference::backward(&sequence, &part(&given.dout, heads * values), &state(&given.dlast));
        all.out.extend(came.out);
        all.states.extend(came.state);
        all.grads.q.extend(grads.q);
        all.grads.k.extend(grads.k);
        all.grads.v.extend(grads.v);
        all.grads.decay.extend(grads.decay);
        all.grads.beta.extend(grads.beta);
        all.grads.initial.extend(grads.initial);
        from += tokens;
    }
    all
}

fn case(sizes: Sizes, sequences: &[usize], length: usize, kind: Kind, tuning: &Tuning) -> Case {
    let rows: usize = sequences.iter().sum();
    let Sizes { heads, groups, keys, values } = sizes;
    let scale = 1.0 / (keys as f64).sqrt();
    let rule = Rule { decay: kind.decay, delta: kind.delta, mean: kind.mean, scale: scale as f32 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(length, sequences) };
    let given = Given::new(sizes, sequences);
    let want = wanted(&given, sizes, sequences, kind, scale);
    let mut recording = Recording::default();
    let narrow = |all: &[f64]| all.iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let states = |all: &[f32]| narrow(&by_rows(&wide(all), sizes));
    let mut put = |label, data: &[f32], cols| input(&mut recording, label, data, cols, tuning);
    let q = put("q", &given.q, heads * keys);
    let k = put("k", &given.k, groups * keys);
    let v = put("v", &given.v, groups * values);
    let dout = put("dout", &given.dout, heads * values);
    let initial = put("initial", &states(&given.initial), heads * values);
    let dlast = put("dlast", &states(&given.dlast), heads * values);
    let decay = put("decay", &given.decay, heads);
    let beta = put("beta", &given.beta, heads);
    let raw = Raw {
        decay: if kind.decay { Decay::Given(&decay) } else { Decay::None },
        beta: if kind.delta { Beta::Given(&beta) } else { Beta::None },
    };
    let new = |label, width| output(label, rows, width, tuning);
    let (out, dq) = (new("out", heads * values), new("dq", heads * keys));
    let (dk, dv) = (new("dk", heads * keys), new("dv", heads * values));
    let (ddecay, dbeta) = (new("ddecay", heads), new("dbeta", heads));
    let ends = |label| output(label, sequences.len() * keys, heads * values, tuning);
    let (last, dinitial) = (ends("last"), ends("dinitial"));
    let kept = Kept::new("kept", &frame, tuning);
    let taken = Taken { q: &q, k: &k, v: &v };
    if let Some(gates) = &kept.gates {
        recording.extend(chunk_gates::record(&raw, gates, &frame, tuning));
    }
    let passing = Passing::new("passing", &frame, tuning);
    recording.extend(forward(taken, Some(&initial), &out, &kept, &passing, &frame, tuning));
    recording.extend(last_states(&kept, &last, &frame, tuning));
    let raw_grads =
        RawGrads { decay: kind.decay.then_some(&ddecay), a_log: None, beta: kind.delta.then_some(&dbeta) };
    let gated = kind.decay || kind.delta;
    let grads = Grads {
        q: Some(&dq),
        k: Some(&dk),
        v: Some(&dv),
        gates: gated.then_some((raw, raw_grads)),
        initial: Some(&dinitial),
    };
    let scratch = Scratch::new("scratch", &frame, tuning);
    recording.extend(backward(taken, (&dout, Some(&dlast)), &grads, &kept, &scratch, &frame, tuning));
    let cursor = Cursor::at(rows, 0);
    let (sum_k, sum_v) = (new("sums of dk", groups * keys), new("sums of dv", groups * values));
    for (x, y, dim) in [(&dk, &sum_k, keys), (&dv, &sum_v, values)] {
        recording.extend(chunk_grad::head_sums(x, y, heads / groups, dim, &cursor, tuning));
    }
    let what = format!(
        "{}, {sequences:?} tokens by {length}, {heads} and {groups} heads of {keys} and {values}",
        kind.name
    );
    let case = Case::new(what, recording);
    let mut case = expect(expect(case, &out, &want.out), &last, &by_rows(&want.states, sizes));
    for (array, values) in [(&dq, &want.grads.q), (&sum_k, &want.grads.k), (&sum_v, &want.grads.v)] {
        case = expect(case, array, values);
    }
    case = expect(case, &dinitial, &by_rows(&want.grads.initial, sizes));
    if kind.decay {
        case = expect(case, &ddecay, &want.grads.decay);
    }
    if kind.delta {
        case = expect(case, &dbeta, &want.grads.beta);
    }
    case.passing()
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let sizes = |heads, groups, keys, values| Sizes { heads, groups, keys, values };
    let mut all = Vec::new();
    for kind in KINDS {
        all.push(case(sizes(2, 1, 16, 16), &[5, 1, 37], 16, kind, tuning));
        all.push(case(sizes(3, 3, 64, 32), &[130, 64], 64, kind, tuning));
    }
    // The widths that models have.
    let last = KINDS[KINDS.len() - 1];
    all.push(case(sizes(2, 1, 32, 64), &[66, 2], 32, last, tuning));
    all.push(case(sizes(1, 1, 128, 128), &[130, 3], 64, last, tuning));
    all.push(case(sizes(2, 2, 16, 128), &[129], 128, last, tuning));
    all
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let sizes = Sizes { heads: 4, groups: 4, keys: 64, values: 64 };
    let rows = 4096;
    let mut all = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| !kind.mean) {
        let rule = Rule { decay: kind.decay, delta: kind.delta, mean: false, scale: 0.125 };
        let frame = Frame { sizes, rule, chunks: Chunks::holding(64, &[512; 8]) };
        let new = |label| Operand::new(label, rows, 256, tuning);
        let [q, k, v, out] = ["q", "k", "v", "out"].map(new);
        let [dout, dq, dk, dv] = ["dout", "dq", "dk", "dv"].map(new);
        let kept = Kept::new("kept", &frame, tuning);
        let passing = Passing::new("passing", &frame, tuning);
        let taken = Taken { q: &q, k: &k, v: &v };
        let pass = forward(taken, None, &out, &kept, &passing, &frame, tuning);
        let grads = Grads { q: Some(&dq), k: Some(&dk), v: Some(&dv), ..Grads::default() };
        let scratch = Scratch::new("scratch", &frame, tuning);
        let back = backward(taken, (&dout, None), &grads, &kept, &scratch, &frame, tuning);
        let size = 4.0 * (rows * 256) as f64;
        let flops = super::flops(&frame, rows);
        for (way, recording, flops, arrays) in
            [("", pass, flops[0], 4.0), (", backward", back, flops[1], 7.0)]
        {
            let name = format!("{}, 8 × 512 tokens, 4 heads of 64{way}", kind.name);
            all.push(Bench { name, recording, flops, bytes: arrays * size });
        }
    }
    all
}
