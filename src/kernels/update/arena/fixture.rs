//! Masks on an arena, and a step on them by the reference.

use super::WIDE;
use super::{Piece, Update};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Case, KEPT, values};
use crate::kernels::shared::masked_update::{hyper, schedule_row};
use crate::optim::{Optimizer, Rule};
use crate::params::Spans;
use crate::params::blocks::{Blocks, Part};
use crate::reference::masked_update as reference;
use std::ops::Range;

/// What records a step and its norm.
pub type Record = fn(&Update, &Piece, &Tuning) -> Recording;

/// The step of the cases, in a ring of three.
const STEP: usize = 4;
const RING: usize = 3;

/// Elements of an arena that are trained, each range in a group.
pub struct Fixture {
    name: &'static str,
    parts: Vec<(Range<usize>, u32)>,
    clip: f64,
}

/// A single range.
pub fn alone(range: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(range).collect()
}

/// Of all kinds.
pub fn fixtures() -> Vec<Fixture> {
    vec![
        Fixture::new("all of 5003", alone(0..5003), 1.0),
        Fixture::new("one element", alone(101..102), 0.0),
        Fixture::new("a row of 64 among frozen ones", alone(128..192), 1e-3),
        Fixture::new("a column of a [40, 37]", (0..40).map(|row| 37 * row + 5..37 * row + 6).collect(), 0.5),
        Fixture::new("unaligned stretches", vec![1..18, 19..21, 30..2079, 2082..2083, 4001..4007], 1.0),
        Fixture {
            name: "three groups",
            parts: vec![(0..1024, 2), (1024..1030, 0), (2048..4999, 1)],
            clip: 0.3,
        },
    ]
}

/// Elements of an arena at least, and where its gradient begins in its buffer.
const LEN: usize = 5003;
const SHIFT: usize = 12;

/// The first column of a [rows, 4] with more rows than a launch has workgroups in x: a block each.
pub fn tall() -> Vec<Range<usize>> {
    (0..WIDE + 1).map(|row| 4 * row..4 * row + 1).collect()
}

impl Fixture {
    /// Of one group.
    pub fn new(name: &'static str, ranges: Vec<Range<usize>>, clip: f64) -> Self {
        Fixture { name, parts: ranges.into_iter().map(|range| (range, 0)).collect(), clip }
    }

    fn blocks(&self) -> Blocks {
        let part = |(elements, group): &(Range<usize>, u32)| Part {
            elements: elements.clone(),
            grad: elements.start + SHIFT,
            group: *group,
        };
        Blocks::new(self.parts.iter().map(part)).expect("a fixture")
    }

    /// Elements of the arena.
    fn len(&self) -> usize {
        self.parts.iter().map(|(elements, _)| elements.end).fold(LEN, usize::max)
    }

    fn groups(&self) -> usize {
        self.parts.iter().map(|(_, group)| *group as usize + 1).max().unwrap_or(1)
    }

    fn optimizer(&self, rule: Rule, group: usize) -> Optimizer {
        Optimizer {
            rule,
            lr: 0.05 * (1.0 + group as f64),
            clip: self.clip,
            weight_decay: 0.1 * group as f64,
            betas: [0.9, 0.99],
            momentum: 0.9 - 0.2 * group as f64,
            ..Optimizer::default()
        }
    }

    /// Of a rule, as `record` takes the step; it takes the norm too if it is `alone`.
    pub fn case(&self, rule: Rule, tuning: &Tuning, (record, alone): (Record, bool)) -> Case {
        let (blocks, states) = (self.blocks(), rule.moments());
        let (params, grads) = (values(self.len(), 1.0, 8), values(SHIFT + self.len(), 0.3, 9));
        let dense: Vec<f32> = values(states * blocks.trained, 0.2, 10).iter().map(|x| x.abs()).collect();
        let optimizers: Vec<Optimizer> = (0..self.groups()).map(|g| self.optimizer(rule, g)).collect();
        let rows: Vec<[f32; 4]> =
            optimizers.iter().map(|o| schedule_row(o, STEP as u64, o.lr, 0.0)).collect();
        let mut schedule = vec![[0.0f32; 4]; RING * self.groups()];
        schedule[STEP % RING * self.groups()..][..self.groups()].copy_from_slice(&rows);

        // The reference clips by the norm of the elements that it is given, so each group gets the whole norm.
        let trained: Vec<(usize, usize)> =
            self.parts.iter().flat_map(|(r, group)| r.clone().map(|e| (e, *group as usize))).collect();
        let gradient = |element: usize| grads[SHIFT + element] as f64;
        let norm = trained.iter().map(|(e, _)| gradient(*e).powi(2)).sum::<f64>().sqrt();
        let mut expected: Vec<f64> = vec![KEPT; self.len()];
        let mut moved = vec![0.0; dense.len()];
        for (at, (element, group)) in trained.iter().enumerate() {
            let own = &optimizers[*group];
            let scale = if own.clip > 0.0 { (own.clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
            let unclipped = Optimizer { clip: 0.0, ..own.clone() };
            let mut param = [params[*element] as f64];
            let mut held: Vec<f64> =
                (0..states).map(|state| dense[state * trained.len() + at] as f64).collect();
            let (elements, gradients) = ([0], [gradient(*element) * scale]);
            reference::masked_update(
                &unclipped,
                own.lr,
                STEP as u64,
                &elements,
                &gradients,
                &mut param,
                &mut held,
            );
            expected[*element] = param[0];
            held.iter().enumerate().for_each(|(state, x)| moved[state * trained.len() + at] = *x);
        }

        let row = |value: f64| (0..RING).map(move |row| if row == STEP % RING { value } else { KEPT });
        let norms: Vec<f32> = row(norm).map(|value| if alone { 0.0 } else { value as f32 }).collect();
        let norms = Buffer::holding("norms", &norms);
        let buffers =
            [Buffer::holding("params", &params), Buffer::holding("moments", &blocks.spread(&dense, states))];
        let hypers: Vec<[f32; 8]> = optimizers.iter().map(hyper).collect();
        let update = Update {
            rule,
            hyper: &Buffer::holding("hyper", hypers.as_flattened()),
            groups: self.groups(),
            schedule: &Buffer::holding("schedule", schedule.as_flattened()),
            state: &Buffer::holding("state", &[STEP as u32]),
            norms: &norms,
            ring: RING,
        };
        let grads = Buffer::holding("grads", &grads);
        let piece = Piece::new(&blocks, &grads, &buffers[0], &buffers[1]);
        let recording = record(&update, &piece, tuning);
        let spread = spread(&blocks, &moved, states);
        let case = Case::new(format!("{rule:?}, {}", self.name), recording)
            .f32(&buffers[0], expected)
            .f32(&buffers[1], spread);
        if alone { case.f32(&norms, row(norm).collect()) } else { case }
    }
}

/// [`Blocks::spread`] of expected moments, what is not trained kept.
fn spread(blocks: &Blocks, dense: &[f64], states: usize) -> Vec<f64> {
    let marks: Vec<f32> = (0..dense.len()).map(|i| i as f32 + 1.0).collect();
    let place = |mark: f32| if mark == 0.0 { KEPT } else { dense[mark as usize - 1] };
    blocks.spread(&marks, states).into_iter().map(place).collect()
}

/// Cases of every mask under one rule and of the simplest under the others, whose arithmetic is `masked_update`'s too.
pub fn each(tuning: &Tuning, how: (Record, bool)) -> Vec<Case> {
    let all = fixtures().into_iter().map(|fixture| fixture.case(Rule::AdamW, tuning, how));
    let others = [Rule::Sgd, Rule::Adam].map(|rule| fixtures().swap_remove(0).case(rule, tuning, how));
    all.chain(others).collect()
}

/// A step of AdamW with its norm on all of so many elements.
pub fn bench(elements: usize, record: Record, tuning: &Tuning) -> Recording {
    let blocks = Blocks::of(&Spans::all(elements)).expect("blocks of all");
    let optimizer = Optimizer { rule: Rule::AdamW, ..Optimizer::default() };
    let [grads, params] = ["grads", "params"].map(|label| Buffer::words(label, elements));
    let piece = Piece::new(&blocks, &grads, &params, &Buffer::words("moments", 2 * elements));
    let update = Update {
        rule: Rule::AdamW,
        hyper: &Buffer::holding("hyper", &hyper(&optimizer)),
        groups: 1,
        schedule: &Buffer::holding("schedule", &schedule_row(&optimizer, 0, 1e-3, 0.0)),
        state: &Buffer::words("state", 1),
        norms: &Buffer::words("norms", 1),
        ring: 1,
    };
    record(&update, &piece, tuning)
}
