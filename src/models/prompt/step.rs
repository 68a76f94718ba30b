//! One training step: forward and backward, reduction, masked update. No host between steps.

use super::buffers::{rows, slots};
use super::sizes::Sizes;
use super::{Members, Plan, Start};
use crate::error::Result;
use crate::gpu::{Buffer, Engine, Launch, Recording};
use crate::kernels::Tuning;
use crate::kernels::prompt::{Source, prompt_step, prompt_train};
use crate::kernels::shared::masked_update;
use crate::models::{Kept, Numbers, Ring, Step};
use crate::params::ParamTable;
use crate::prompt::{Loss, Model};

/// The numbers of a step on the device.
const COLUMNS: [&str; 4] = ["zs_loss", "fs_loss", "grad_norm", ""];

/// The buffers of models that train together and the recording of one of their steps. Mostly it is a single model.
pub struct Stepper {
    /// One step of each model, or up to `steps` where `until` is; running it again goes on.
    pub recording: Recording,
    /// Steps that the recording makes.
    pub steps: u64,
    /// `[0]`: the step to stop before, if a recording makes several.
    until: Option<Buffer>,
    /// [ring, places] numbers of the steps at hand, written anew for every submission.
    schedule: Buffer,
    /// What each model is trained by.
    plans: Vec<Plan>,
    /// Places for models.
    all: usize,
    /// The arenas of parameters, [M, stride].
    pub params: Buffer,
    /// [M, 1 or 2, trained]: of as many elements as the model has that trains most.
    pub moments: Buffer,
    /// `[M]` the step.
    pub state: Buffer,
    /// `[M, ring]` vec4 of [`COLUMNS`].
    ring: Ring,
    /// The gradients of the last step run; `places` tells where an element's is.
    pub grads: Buffer,
    /// Of each model: place of each trained element's gradient in `grads` ([`masked_update::NONE`]: zero by structure).
    pub places: Vec<Vec<u32>>,
    /// Elements of a model's moments.
    pub moment_count: usize,
    /// Words from one model's parameters to the next one's, and how many are its own.
    stride: usize,
    len: usize,
}

impl Stepper {
    /// Steps of `plan` on `model` from `start`; the rings of metrics and schedules have `ring` rows.
    pub fn new(
        model: &Model,
        table: &ParamTable,
        plan: &Plan,
        start: Start,
        ring: usize,
        tuning: &Tuning,
    ) -> Self {
        Self::together(model, table, &[(plan, start)], ring, tuning)
    }

    /// Steps of several models of one shape that share their prompts.
    ///
    /// # Panics
    /// If there is none, or their plans do not [join](Plan::joins).
    pub fn together(
        model: &Model,
        table: &ParamTable,
        members: Members,
        ring: usize,
        tuning: &Tuning,
    ) -> Self {
        let plan = members[0].0;
        assert!(members.iter().all(|(other, _)| plan.joins(other)), "plans that do not join");
        let sizes = Sizes::new(model, table, members, tuning);
        let models = sizes.models;
        let source = Source::new(&plan.law);
        let step = prompt_step::Step {
            layout: sizes.layout.clone(),
            shots: plan.shots,
            batch: plan.batch,
            loss: plan.loss,
            models,
        };
        let lanes = prompt_step::lanes(&source, &step, tuning);
        let update = sizes.update(members, ring, tuning.parts(lanes), tuning);
        let places: Vec<Vec<u32>> = members
            .iter()
            .enumerate()
            .map(|(m, (plan, _))| sizes.places(model, table, &plan.train, m))
            .collect();
        let buffers = sizes.buffers(members, &update, &places, tuning.parts(lanes));
        let resident =
            prompt_train::steps(&plan.law, &step, &update, tuning, plan.steps).filter(|_| !sizes.separate);
        let (recording, until) = match resident {
            Some(steps) => {
                let until = Buffer::holding("until", &[u32::MAX]);
                let (slots, sizes) = (slots(members, &sizes), (&step, &update, steps));
                (prompt_train::record(&source, sizes, &buffers, (&slots, &until), tuning), Some(until))
            }
            None => (sizes.record_step(&source, (&step, lanes), &update, &buffers, tuning), None),
        };
        let steps = resident.unwrap_or(1) as u64;
        let masked_update::Buffers { schedule, params, moments, state, metrics, grads, .. } = buffers;
        Stepper {
            recording,
            steps,
            until,
            schedule,
            plans: members.iter().map(|(plan, _)| (*plan).clone()).collect(),
            all: models.places(),
            params,
            moments,
            state,
            ring: Ring { buffer: metrics, rows: ring, columns: &COLUMNS },
            grads,
            places,
            moment_count: update.moments(),
            stride: sizes.params,
            len: table.len(),
        }
    }

    /// How often the recording has to run. Writes the numbers of its steps; the device takes them up behind the
    /// submissions before.
    fn runs(&self, engine: &Engine, at: u64, count: u64) -> Result<u64> {
        let ring = self.schedule.bytes() as usize / (16 * self.all);
        assert!(
            count as usize <= ring,
            "{count} steps in a submission, for which schedules have {ring} rows"
        );
        engine.write(&self.schedule, rows(&self.plans, at..at + count, (ring, self.all)).as_flattened())?;
        if let Some(until) = &self.until {
            engine.write(until, &[(at + count) as u32])?;
        }
        Ok(count.div_ceil(self.steps))
    }

    /// Moments of a model among the words of `moments`, in the layout of its own trained list.
    fn moments_of(&self, words: &[f32], model: usize) -> Vec<f32> {
        let plan = &self.plans[model];
        let own = &words[model * self.moment_count..][..self.moment_count];
        let longest = self.moment_count / plan.optimizer.rule.moments();
        own.chunks(longest).flat_map(|row| &row[..plan.train.len()]).copied().collect()
    }
}

impl Step for Stepper {
    fn recording(&self) -> &Recording {
        &self.recording
    }

    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn submit(&self, engine: &Engine, at: u64, count: u64) -> Result<()> {
        engine.submit(&self.recording, self.runs(engine, at, count)?)
    }

    fn submit_timed(&self, engine: &Engine, at: u64, count: u64) -> Result<Vec<Launch>> {
        engine.submit_timed(&self.recording, self.runs(engine, at, count)?)
    }

    fn numbers(&self, member: usize, step: u64, row: &[f32]) -> Numbers {
        let (plan, zs, fs) = (&self.plans[member], row[0], row[1]);
        let (has_zs, has_fs) = (plan.loss != Loss::Fs, plan.loss != Loss::Zs);
        let few = if has_fs { plan.few(step) as f32 * fs } else { 0.0 };
        Numbers {
            loss: if has_zs { zs + few } else { few },
            parts: vec![(COLUMNS[0], has_zs.then_some(zs)), (COLUMNS[1], has_fs.then_some(fs))],
            grad_norm: row[2],
            lr: plan.lr(step),
        }
    }

    fn kept(&self, engine: &Engine) -> Result<Vec<Kept>> {
        let params: Vec<f32> = engine.read(&self.params)?;
        let moments: Vec<f32> = engine.read(&self.moments)?;
        let of = |m: usize| Kept {
            params: params[m * self.stride..][..self.len].to_vec(),
            moments: self.moments_of(&moments, m),
        };
        Ok((0..self.plans.len()).map(of).collect())
    }
}
