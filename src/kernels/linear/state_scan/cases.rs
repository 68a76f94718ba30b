//! Parity cases and benches of `state_scan`.

use super::{Ends, Way, dots, ends, record};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::{expect, input, output};
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunk_product::Gates;
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes};

fn frame(sequences: &[usize], sizes: Sizes, delta: bool) -> Frame {
    let rule = Rule { decay: true, delta, mean: false, scale: 1.0 };
    Frame { sizes, rule, chunks: Chunks::holding(16, sequences) }
}

/// States from slot to slot, either way.
fn case(sequences: &[usize], way: Way, tuning: &Tuning) -> Case {
    let sizes = Sizes { heads: 3, groups: 3, keys: 16, values: 16 };
    let frame = frame(sequences, sizes, false);
    let (cols, wide_slot) = (48, 16 * 48);
    let added = values(frame.chunks.slots() * wide_slot, 1.0, 1);
    let gates: Vec<f32> = values(frame.gate_rows() * 64, 1.0, 2).iter().map(|x| 0.5 + 0.1 * x).collect();
    let mut expected = vec![0.0; added.len()];
    let mut place = 0;
    for [first, last] in frame.chunks.ends(sequences) {
        let mut order: Vec<usize> = (first..=last).collect();
        if way == Way::Back {
            order.reverse();
        }
        for (n, slot) in order.iter().enumerate() {
            // Between two states lies the chunk behind the lower of them.
            let chunk = place + if way == Way::Back { *slot } else { slot.saturating_sub(1) } - first;
            for at in 0..wide_slot {
                let carry =
                    if n == 0 { 0.0 } else { f64::from(gates[(chunk * 3 + at % cols / 16) * 64 + 60]) };
                let before = if n == 0 { 0.0 } else { expected[order[n - 1] * wide_slot + at] };
                expected[slot * wide_slot + at] = carry * before + f64::from(added[slot * wide_slot + at]);
            }
        }
        place += last - first;
    }
    let mut recording = Recording::default();
    let added = input(&mut recording, "added", &added, cols, tuning);
    let gates = Gates {
        gates: input(&mut recording, "gates", &gates, 64, tuning),
        decays: Operand::new("decays", 1, 16, tuning),
    };
    let states = output("states", frame.chunks.slots() * 16, cols, tuning);
    // Of sequences of an odd number of chunks no slot between is left over; those behind them stay as they were.
    expected.truncate(frame.chunks.ends(sequences).last().map_or(0, |[_, last]| (last + 1) * wide_slot));
    recording.extend(record(&added, &states, way, Some(&gates), &frame, tuning));
    let name = if way == Way::Back { "back" } else { "forward" };
    expect(Case::new(format!("{name}, {sequences:?} tokens"), recording), &states, &expected)
}

/// First or last states, put and taken, in one array or two, and what two have along each other.
fn case_of_ends(last: bool, turns: usize, tuning: &Tuning) -> Case {
    let (sizes, sequences) = (Sizes { heads: 2, groups: 2, keys: 16, values: 16 }, [16, 33]);
    let frame = frame(&sequences, sizes, turns == 2);
    let given = values(2 * 16 * 32, 1.0, 1);
    let mut recording = Recording::default();
    let put = input(&mut recording, "given", &given, 32, tuning);
    let states: Vec<Operand> =
        (0..turns).map(|_| output("states", frame.chunks.slots() / turns * 16, 32, tuning)).collect();
    let taken = output("taken", 2 * 16, 32, tuning);
    recording.extend(ends(&states, Ends::Put(Some(&put)), last, &frame, tuning));
    recording.extend(ends(&states, Ends::Take(&taken), last, &frame, tuning));
    let end = if last { "last" } else { "first" };
    let case = Case::new(format!("{end} states in {turns}"), recording);
    expect(case, &taken, &wide(&given)).passing()
}

fn case_of_dots(turns: usize, tuning: &Tuning) -> Case {
    let (sizes, sequences) = (Sizes { heads: 2, groups: 2, keys: 16, values: 32 }, [16, 48]);
    let frame = frame(&sequences, sizes, turns == 2);
    let (slots, slot) = (frame.chunks.slots(), 16 * 64);
    let [s, d] = [1, 2].map(|salt| values(slots * slot, 1.0, salt));
    let mut recording = Recording::default();
    let mut split = |label, all: &[f32]| -> Vec<Operand> {
        let of = |turn: usize| -> Vec<f32> {
            all.chunks(slot).skip(turn).step_by(turns).flatten().copied().collect()
        };
        (0..turns).map(|turn| input(&mut recording, label, &of(turn), 64, tuning)).collect()
    };
    let (states, dstates) = (split("states", &s), split("dstates", &d));
    let mut expected = vec![crate::kernels::KEPT; frame.gate_rows()];
    let mut place = 0;
    for [first, last] in frame.chunks.ends(&sequences) {
        for after in first + 1..=last {
            for h in 0..2 {
                let own = (0..slot).filter(|at| at % 64 / 32 == h).map(|at| after * slot + at);
                expected[place * 2 + h] = own.map(|at| f64::from(s[at]) * f64::from(d[at])).sum();
            }
            place += 1;
        }
    }
    let out = poisoned("dots", frame.gate_rows());
    recording.extend(dots(&states, &dstates, &out, &frame, tuning));
    Case::new(format!("along each other, in {turns}"), recording).f32(&out, expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    // An odd number of chunks each: every slot is used.
    vec![
        case(&[33, 16], Way::Forward, tuning),
        case(&[33, 16], Way::Back, tuning),
        case_of_ends(false, 1, tuning),
        case_of_ends(false, 2, tuning),
        case_of_ends(true, 1, tuning),
        case_of_ends(true, 2, tuning),
        case_of_dots(1, tuning),
        case_of_dots(2, tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let sizes = Sizes { heads: 4, groups: 4, keys: 64, values: 64 };
    let rule = Rule { decay: false, delta: false, mean: false, scale: 1.0 };
    let frame = Frame { sizes, rule, chunks: Chunks::holding(64, &[512; 8]) };
    let new = |label| Operand::new(label, frame.chunks.slots() * 64, 256, tuning);
    let [added, states] = ["added", "states"].map(new);
    let recording = record(&added, &states, Way::Forward, None, &frame, tuning);
    let size = (64 * 256 * 72) as f64;
    vec![Bench {
        name: "8 × 8 states of 4 heads of 64".into(),
        recording,
        flops: 2.0 * size,
        bytes: 8.0 * size,
    }]
}
