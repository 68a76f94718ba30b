//! Parity cases and benches of `chunk_gates`.

use super::{Beta, Decay, Raw, RawGrads, record, record_grad};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunk_grad::Marks;
use crate::kernels::linear::chunk_product::Gates;
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes};

/// Where the decays of a case come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Given,
    Fixed,
    Sigmoid,
    Softplus,
}

/// Numbers of a case, in f64.
struct Given {
    from: From,
    heads: usize,
    sequences: Vec<usize>,
    length: usize,
    raw: Vec<f64>,
    share: Vec<f64>,
    a_log: Vec<f64>,
    dt_bias: Vec<f64>,
}

impl Given {
    fn decay(&self, row: usize, h: usize) -> f64 {
        let x = self.raw[row * self.heads + h];
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        match self.from {
            From::Given => x,
            From::Fixed => self.a_log[h],
            From::Sigmoid => -softplus(-x) / 16.0,
            From::Softplus => -self.a_log[h].exp() * softplus(x + self.dt_bias[h]),
        }
    }

    fn beta(&self, row: usize, h: usize) -> f64 {
        1.0 / (1.0 + (-self.share[row * self.heads + h]).exp())
    }

    /// First row and rows of each chunk.
    fn chunks(&self) -> Vec<[usize; 2]> {
        let (mut all, mut row) = (Vec::new(), 0);
        for tokens in &self.sequences {
            for from in (0..*tokens).step_by(self.length) {
                all.push([row + from, self.length.min(tokens - from)]);
            }
            row += tokens;
        }
        all
    }

    /// What a chunk's token has: its decays summed, and its share; of those behind the last the last sum, and nothing.
    fn sums(&self, [first, rows]: [usize; 2], h: usize) -> Vec<[f64; 2]> {
        let mut sum = 0.0;
        let of = |i: usize| {
            if i >= rows {
                return [sum, 0.0];
            }
            sum += self.decay(first + i, h);
            [sum, self.beta(first + i, h)]
        };
        (0..self.length).map(of).collect()
    }

    /// `[chunks H, 4 c]` and `[chunks H, c]`.
    fn gates(&self) -> [Vec<f64>; 2] {
        let mut all = [Vec::new(), Vec::new()];
        for chunk in self.chunks() {
            for h in 0..self.heads {
                let sums = self.sums(chunk, h);
                let last = sums[self.length - 1][0];
                for [b, beta] in sums {
                    all[0].extend([b.exp(), (last - b).exp(), beta, b]);
                    all[1].push(b);
                }
            }
        }
        all
    }

    /// What has marks and what is kept for gradients.
    fn loss(&self, marks: &[f64], dots: &[f64]) -> f64 {
        let mut loss = 0.0;
        for (n, chunk) in self.chunks().into_iter().enumerate() {
            for h in 0..self.heads {
                let (sums, row) = (self.sums(chunk, h), n * self.heads + h);
                loss += dots[row] * sums[chunk[1] - 1][0];
                for (i, [b, beta]) in sums.iter().enumerate().take(chunk[1]) {
                    let mark = &marks[(row * self.length + i) * 4..][..2];
                    loss += mark[0] * b + mark[1] * beta;
                }
            }
        }
        loss
    }
}

fn case(from: From, sequences: &[usize], heads: usize, tuning: &Tuning) -> Case {
    let (length, rows) = (16, sequences.iter().sum::<usize>());
    let sizes = Sizes { heads, groups: 1, keys: 16, values: 16 };
    let rule = Rule { decay: true, delta: true, mean: false, scale: 1.0 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(length, sequences) };
    let x = values(rows * heads, 1.0, 1);
    let raw: Vec<f32> = if from == From::Given { x.iter().map(|x| -x * x / 8.0).collect() } else { x };
    let (share, dt_bias) = (values(rows * heads, 1.0, 2), values(heads, 0.5, 4));
    let a_log: Vec<f32> = values(heads, 0.5, 3)
        .iter()
        .map(|x| if from == From::Fixed { -x.abs() / 8.0 } else { x - 2.0 })
        .collect();
    let given = Given {
        from,
        heads,
        sequences: sequences.to_vec(),
        length,
        raw: wide(&raw),
        share: wide(&share),
        a_log: wide(&a_log),
        dt_bias: wide(&dt_bias),
    };
    let mut recording = Recording::default();
    let raw_in = input(&mut recording, "raw", &raw, heads, tuning);
    let share_in = input(&mut recording, "share", &share, heads, tuning);
    let vector = |label, data: &[f32]| Buffer::holding(label, data).view(DType::F32);
    let (a_view, dt_view) = (vector("a_log", &a_log), vector("dt_bias", &dt_bias));
    let decay = match from {
        From::Given => Decay::Given(&raw_in),
        From::Fixed => Decay::Fixed(&a_view),
        From::Sigmoid => Decay::Sigmoid(&raw_in),
        From::Softplus => Decay::Softplus { raw: &raw_in, a_log: &a_view, dt_bias: &dt_view },
    };
    let raw = Raw { decay, beta: Beta::Sigmoid(&share_in) };
    let count = given.chunks().len() * heads;
    let gates = Gates {
        gates: output("gates", count, 4 * length, tuning),
        decays: output("decays", count, length, tuning),
    };
    recording.extend(record(&raw, &gates, &frame, tuning));
    let (marks, dots) = (values(count * length * 4, 1.0, 5), values(count, 1.0, 6));
    // What values give, in the first of four numbers.
    let given_by_values = values(count * length * 4, 1.0, 7);
    let mut put = |label, data: &[f32]| input(&mut recording, label, data, 4 * length, tuning);
    let marks_in = Marks { keys: put("marks", &marks), values: Some(put("shares", &given_by_values)) };
    let dots_in = Buffer::holding("dots", &[&dots[..], &vec![0.0; frame.gate_rows() - count]].concat());
    let [ddecay, da_log, dbeta] =
        ["ddecay", "da_log", "dbeta"].map(|label| output(label, rows, heads, tuning));
    let own = from != From::Fixed;
    let grads = RawGrads { decay: own.then_some(&ddecay), a_log: own.then_some(&da_log), beta: Some(&dbeta) };
    recording.extend(record_grad(&raw, &marks_in, own.then_some(&dots_in), &grads, &frame, tuning));
    let (mut marks, dots) = (wide(&marks), wide(&dots));
    (0..count * length).for_each(|i| marks[4 * i + 1] += f64::from(given_by_values[4 * i]));
    // Slopes of the loss by every element, one by one.
    let slopes = |change: &dyn Fn(&mut Given, usize, f64)| -> Vec<f64> {
        let slope = |i: usize| {
            let at = |step: f64| {
                let mut other = Given {
                    raw: given.raw.clone(),
                    share: given.share.clone(),
                    sequences: given.sequences.clone(),
                    a_log: given.a_log.clone(),
                    dt_bias: given.dt_bias.clone(),
                    ..given
                };
                change(&mut other, i, step);
                other.loss(&marks, &dots)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        (0..rows * heads).map(slope).collect()
    };
    let case = Case::new(format!("{from:?}, {sequences:?} tokens of {heads} heads"), recording);
    let [expected, sums] = given.gates();
    let mut case = expect(expect(case, &gates.gates, &expected), &gates.decays, &sums);
    case = expect(case, &dbeta, &slopes(&|given, i, step| given.share[i] += step));
    if own {
        let by_raw = slopes(&|given, i, step| given.raw[i] += step);
        case = expect(case, &ddecay, &by_raw);
        // A row's share of the gradient of A's logarithm is g times that of g.
        let of_decay: Vec<f64> = (0..rows * heads)
            .map(|i| {
                let (row, h) = (i / heads, i % heads);
                let chunk =
                    given.chunks().into_iter().position(|[first, n]| (first..first + n).contains(&row));
                let (n, [first, count]) = chunk.map(|n| (n, given.chunks()[n])).expect("a row of a chunk");
                let at = n * heads + h;
                let mark = |j: usize| marks[(at * length + j) * 4];
                given.decay(row, h) * (dots[at] + (row - first..count).map(mark).sum::<f64>())
            })
            .collect();
        case = expect(case, &da_log, &of_decay);
    }
    case
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    vec![
        case(From::Given, &[37, 5], 5, tuning),
        case(From::Fixed, &[1, 20], 2, tuning),
        case(From::Sigmoid, &[17], 4, tuning),
        case(From::Softplus, &[16, 3, 33], 3, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, heads) = (4096, 4);
    let sizes = Sizes { heads, groups: heads, keys: 64, values: 64 };
    let rule = Rule { decay: true, delta: true, mean: false, scale: 1.0 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(64, &[512; 8]) };
    let raw = Operand::new("raw", rows, heads, tuning);
    let share = Operand::new("share", rows, heads, tuning);
    let gates = Gates::new("gates", &frame, tuning);
    let raw = Raw { decay: Decay::Sigmoid(&raw), beta: Beta::Sigmoid(&share) };
    let recording = record(&raw, &gates, &frame, tuning);
    let tokens = (rows * heads) as f64;
    vec![Bench {
        name: "8 × 512 tokens of 4 heads".into(),
        recording,
        flops: 60.0 * tokens,
        bytes: 28.0 * tokens,
    }]
}
