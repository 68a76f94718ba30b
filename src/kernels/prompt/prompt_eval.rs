//! `prompt_eval`: squared test error of a model after 0, 1, …, n demonstrations of the same prompts.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::prompt_step::model_consts;
use super::rounds::{self, Prompt};
use super::source::{self, Source};
use super::{LINEAR_ATTENTION, program};
use crate::gpu::{Binding, Buffer, Program, Recording};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Entry, Tuning, uniform, write};
use crate::prompt::law::Law;
use crate::prompt::shape::{Models, Shape};
use std::ops::Range;

/// What is evaluated: the sizes of `sums` [M, 2, n + 1, lanes], sums of the squared error and of its square.
pub struct Eval<'a> {
    /// What draws the prompts.
    pub source: &'a Source,
    /// Sizes of the model.
    pub shape: Shape,
    /// Most demonstrations n; every count up to it is evaluated.
    pub shots: usize,
    /// Most prompts of a launch, of step 0 of the source.
    pub batch: usize,
    /// How many models, and how they share prompts.
    pub models: Models,
}

/// How models share the drawing of prompts. Half as many in a group as where they train: errors at each shot count are
/// sums in memory, and with eight models of the paper's they took twice the time of four.
pub fn models(shape: &Shape, count: usize, tuning: &Tuning) -> Models {
    tuning.models(count, 3 * shape.weights())
}

/// Operations of one model that a launch makes at most, and of all that it takes: hundredths of a second on a processor
/// of two cores. The paper's 50,000 prompts are one launch.
const LAUNCH: [f64; 2] = [4e8, 1.5e9];

/// Most prompts of a launch: as many as keep it short. It goes by the model and the law alone, so that the sums of the
/// same prompts are the same whoever else is tested.
pub fn prompts(law: &Law, shape: &Shape, shots: usize) -> usize {
    ((LAUNCH[0] / (source::operations(law, shots) + operations(shape, shots))) as usize).max(1)
}

/// Most models of a launch of so many prompts, whose weights have room in a uniform binding of `bytes`; at least one.
pub fn together(
    law: &Law,
    shape: &Shape,
    (shots, prompts): (usize, usize),
    bytes: usize,
    tuning: &Tuning,
) -> usize {
    let fits = |count: &usize| {
        let models = models(shape, *count, tuning);
        let drawn = models.groups() as f64 * source::operations(law, shots);
        let work = prompts as f64 * (drawn + *count as f64 * operations(shape, shots));
        work <= LAUNCH[1] && 4 * models.places() * shape.weights_stride() <= bytes
    };
    (1..=MOST).rev().find(fits).unwrap_or(1)
}

/// Most models that one launch takes.
const MOST: usize = 64;

/// Arithmetic of the predictions of one model for one prompt, at each shot count.
fn operations(shape: &Shape, shots: usize) -> f64 {
    let (width, heads, points) = (shape.width() as f64, shape.heads as f64, (shots + 1) as f64);
    if shape.layers == 1 {
        // A token is scored and valued by each head, and an error squared twice; the query's keys come once.
        return points * (heads * 4.0 * width + 7.0) + heads * 2.0 * width * width;
    }
    let middle = (shape.layers - 1) as f64 * 2.0 * width * width * width * (2.0 * heads + 2.0);
    points * (middle + (6.0 * heads + 3.0) * width * width + 7.0)
}

impl Eval<'_> {
    /// Invocations that share the prompts.
    pub fn lanes(&self, tuning: &Tuning) -> usize {
        tuning.lanes(self.batch, |lanes| self.rounds(lanes))
    }

    /// Rounds of the loops of an invocation, of so many.
    fn rounds(&self, lanes: usize) -> u64 {
        let Eval { source, shape, shots, batch, models } = *self;
        let prompt = Prompt::of(source, shape, shots, 0);
        rounds::prompt_eval(&prompt, &models, batch.div_ceil(lanes))
    }

    /// Words of `sums`, of whole groups of models.
    pub fn words(&self, lanes: usize) -> usize {
        self.models.places() * 2 * (self.shots + 1) * lanes
    }

    /// `weights` are `[M][L][V | QK][H, D, D]`, each model's in whole vec4; `lanes` is what [`Eval::lanes`] says.
    pub fn record(&self, weights: &Buffer, sums: &Buffer, lanes: usize, tuning: &Tuning) -> Recording {
        self.record_part(0..self.batch, (weights, sums), lanes, tuning)
    }

    /// [`Eval::record`] of these prompts, at most `batch`.
    pub fn record_part(
        &self,
        prompts: Range<usize>,
        (weights, sums): (&Buffer, &Buffer),
        lanes: usize,
        tuning: &Tuning,
    ) -> Recording {
        assert!(prompts.len() <= self.batch, "{} prompts in a launch for {}", prompts.len(), self.batch);
        let own = [uniform(1, "weights"), write(2, "sums"), uniform(3, "part")];
        let part = Buffer::holding("part", &[prompts.start as u32, prompts.len() as u32, 0, 0]);
        let (bindings, buffers) = self.source.bind(&own, &[weights, sums, &part]);
        let mut recording = Recording::default();
        let program = self.assemble(bindings, lanes, tuning);
        let groups = [(lanes / tuning.workgroup) as u32, self.models.groups() as u32];
        self.source.launch(&mut recording, program, buffers, groups);
        recording
    }

    fn assemble(&self, bindings: Vec<Binding>, lanes: usize, tuning: &Tuning) -> Program {
        let consts = model_consts(self.source.consts(self.shots), &self.shape, &self.models)
            .u32("BATCH", self.batch)
            .u32("LANES", lanes);
        let own = include_str!("../../../shaders/prompt/prompt_eval.wgsl");
        let entry = Entry {
            kernel: "prompt_eval",
            name: "prompt_eval",
            workgroup: tuning.workgroup,
            shared_bytes: 0,
            loops: self.rounds(lanes),
        };
        let parts = [RANDOM, self.source.wgsl(), LINEAR_ATTENTION, own];
        program(entry, &parts, consts, bindings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::VARIANTS;

    #[test]
    fn launches_are_short_whatever_is_asked() {
        for (_, law) in source::fixtures() {
            for (layers, heads, shots) in [(1, 1, 0), (1, 1, 20), (1, 8, 1000), (4, 2, 65_536)] {
                let shape = Shape { layers, heads, dim: law.dim() };
                let most = prompts(&law, &shape, shots);
                let one = source::operations(&law, shots) + operations(&shape, shots);
                assert!(most == 1 || most as f64 * one <= LAUNCH[0]);
                for tuning in VARIANTS {
                    let count = together(&law, &shape, (shots, most), 65_536, tuning);
                    let models = models(&shape, count, tuning);
                    let drawn = models.groups() as f64 * source::operations(&law, shots);
                    let work = most as f64 * (drawn + count as f64 * operations(&shape, shots));
                    assert!(count == 1 || work <= LAUNCH[1], "{count} models: {work:e}");
                    assert!(count == 1 || 4 * models.places() * shape.weights_stride() <= 65_536);
                }
            }
        }
    }

    #[test]
    fn the_paper_s_prompts_are_one_launch_of_its_seven_models() {
        let (law, shape) = (source::paper(), Shape { layers: 1, heads: 1, dim: 5 });
        assert!(prompts(&law, &shape, 20) >= 50_000);
        assert!(together(&law, &shape, (20, 50_000), 65_536, &VARIANTS[0]) >= 7);
    }
}
