//! The training loop: save → stop → step → log, many steps a submission.

pub mod finished;
pub mod state;

pub use state::State;

use crate::config::{Loss, Model, Record};
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::gpu::{Engine, Pace, ReadBack};
use crate::interrupt;
use crate::kernels::Tuning;
use crate::models::prompt::{Plan, Start, Stepper};
use crate::params::ParamTable;
use crate::profile::Profile;
use crate::prompt::shape::Shape;
use crate::store::metrics::{Line, MetricsLog};
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

/// Most steps a submission, and rows of the rings of metrics and schedules.
pub const RING: usize = 256;
/// Most steps a submission while profiling: timestamps are limited.
const PROFILED: u64 = 128;

/// What training needs of the machine and the experiment.
pub struct Trainer<'a> {
    pub engine: &'a Engine,
    pub tuning: Tuning,
    pub model: &'a Model,
    pub table: &'a ParamTable,
    pub record: &'a Record,
    /// A model that is no longer finite is noted and stops no other.
    pub keep_going: bool,
    /// Times every launch if given; the numbers stay the same to the bit.
    pub profile: Option<&'a RefCell<Profile>>,
}

/// A submission under way: its losses, first step and number of steps.
type Chunk = (ReadBack, u64, u64);

/// A phase as it is logged and saved.
pub struct Job<'a> {
    /// `pretrain` or `finetune`.
    pub phase: &'static str,
    /// `pretrained`, or the method.
    pub method: &'a str,
    pub plan: &'a Plan,
    /// Where the resumable state is kept; none to keep none.
    pub state_path: Option<PathBuf>,
    /// What the state file says it was made from.
    pub identity: &'a Identity,
}

/// What a caller shows while training.
pub trait Progress {
    /// `done` of `steps` steps of a phase are done; `line` is the last of them.
    fn step(&mut self, done: u64, steps: u64, line: &Line);
}

impl Trainer<'_> {
    /// Checks plans that [join](Plan::joins) against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit.
    pub fn check(&self, plans: &[&Plan]) -> Result<()> {
        self.check_weights(plans)?;
        let start = Start { params: &[], moments: &[], step: 0 };
        let members: Vec<(&Plan, Start)> = plans.iter().map(|&plan| (plan, start)).collect();
        let stepper = Stepper::together(self.model, self.table, &members, RING, &self.tuning);
        self.engine.check(&stepper.recording)
    }

    /// The weights alone may be too many, and building a step takes memory by them.
    fn check_weights(&self, plans: &[&Plan]) -> Result<()> {
        let Some(plan) = plans.first() else { return Ok(()) };
        let shape = Shape { layers: self.model.layers, heads: self.model.heads, dim: plan.law.dim() };
        let (need, have) = (4 * shape.weights_stride() * plans.len(), self.engine.uniform_bytes());
        if need <= have {
            return Ok(());
        }
        Err(Error::Limit {
            kernel: "prompt_step".into(),
            limit: "uniform binding in bytes",
            need: need as u64,
            have: have as u64,
            device: self.engine.adapter().name.clone(),
            mend: "lower the model's size",
        })
    }

    /// Runs a phase from `state` to its end.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss or gradient that is not finite, [`Error::Overflow`] for a parameter;
    /// [`Error::Interrupted`] after the state is saved; device and file errors.
    pub fn run(
        &self,
        job: &Job,
        state: State,
        log: &mut MetricsLog,
        progress: &mut dyn Progress,
    ) -> Result<State> {
        let states = self.run_together(job.method, std::slice::from_ref(job), vec![state], log, progress)?;
        Ok(states.into_iter().next().expect("as many states as jobs"))
    }

    /// Runs phases whose plans [join](Plan::joins) side by side, all from the same step. Progress goes by `name`.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn run_together(
        &self,
        name: &str,
        jobs: &[Job],
        mut states: Vec<State>,
        log: &mut MetricsLog,
        progress: &mut dyn Progress,
    ) -> Result<Vec<State>> {
        let plan = jobs[0].plan;
        let members: Vec<(&Plan, Start)> =
            jobs.iter().zip(&states).map(|(job, state)| (job.plan, state.start())).collect();
        let stepper = Stepper::together(self.model, self.table, &members, RING, &self.tuning);
        let (began, spent, mut step) = (Instant::now(), states[0].wall_s, states[0].step);
        let mut pending: Option<Chunk> = None;
        let mut pace = Pace::new(RING as u64);
        let mut steady: Option<(Instant, u64)> = None;
        while step < plan.steps {
            // Save: at the interval's end, and when asked to stop.
            let stop = interrupt::asked();
            let due = step.is_multiple_of(self.record.checkpoint_every) && pending.is_some();
            if stop || due {
                if let Some(pending) = pending.take() {
                    self.log(name, jobs, pending, &mut states, log, progress)?;
                }
                if jobs.iter().any(|job| job.state_path.is_some()) {
                    self.capture(jobs, &stepper, &mut states)?;
                }
                for (job, state) in jobs.iter().zip(&mut states) {
                    (state.step, state.wall_s) = (step, spent + began.elapsed().as_secs_f64());
                    if let Some(path) = &job.state_path {
                        job.check_finite(&[&state.params, &state.moments], step)?;
                        state::save(path, job, self.table, state, self.tuning.name)?;
                    }
                }
            }
            if stop {
                return Err(Error::Interrupted(format!("step {step} of {} of {name}", plan.steps)));
            }
            // Step: up to the next save. The chunks' sizes leave no trace in the numbers.
            let until_save = self.record.checkpoint_every - step % self.record.checkpoint_every;
            let most = if self.profile.is_some() { PROFILED } else { RING as u64 };
            let count = pace.size.min(plan.steps - step).min(until_save).min(most);
            let submitted = Instant::now();
            match self.submit(name, &stepper, step, count) {
                // While kernels were compiled, before the first of these steps.
                Err(Error::Interrupted(_)) => continue,
                other => other?,
            }
            let read = self.engine.read_later(&stepper.metrics)?;
            // Log: the chunk before, while this one runs.
            if let Some(pending) = pending.replace((read, step, count)) {
                self.log(name, jobs, pending, &mut states, log, progress)?;
                steady.get_or_insert((Instant::now(), step));
                pace.took(submitted.elapsed());
            }
            step += count;
        }
        if let Some(pending) = pending.take() {
            self.log(name, jobs, pending, &mut states, log, progress)?;
        }
        self.capture(jobs, &stepper, &mut states)?;
        let ms_per_step = steady.map_or(0.0, |(since, from)| {
            since.elapsed().as_secs_f64() * 1e3 / (plan.steps - from).max(1) as f64
        });
        for (job, state) in jobs.iter().zip(&mut states) {
            (state.step, state.wall_s) = (step, spent + began.elapsed().as_secs_f64());
            state.ms_per_step = ms_per_step;
            // The last update comes after the last loss.
            if let Err(overflow) = job.check_finite(&[&state.params], step) {
                if !self.keep_going {
                    return Err(overflow);
                }
                state.diverged.get_or_insert(step - 1);
            }
        }
        Ok(states)
    }

    fn submit(&self, name: &str, stepper: &Stepper, at: u64, count: u64) -> Result<()> {
        let Some(profile) = self.profile else { return stepper.submit(self.engine, at, count) };
        let launches = stepper.submit_timed(self.engine, at, count)?;
        profile.borrow_mut().add(name, &stepper.recording, &launches);
        Ok(())
    }

    fn capture(&self, jobs: &[Job], stepper: &Stepper, states: &mut [State]) -> Result<()> {
        let params: Vec<f32> = self.engine.read(&stepper.params)?;
        let moments: Vec<f32> = self.engine.read(&stepper.moments)?;
        for (m, (job, state)) in jobs.iter().zip(states).enumerate() {
            state.params = stepper.params_of(&params, m, self.table).to_vec();
            state.moments = stepper.moments_of(&moments, m, job.plan);
        }
        Ok(())
    }

    /// Logs a finished chunk's steps.
    fn log(
        &self,
        name: &str,
        jobs: &[Job],
        (read, from, count): Chunk,
        states: &mut [State],
        log: &mut MetricsLog,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let ring: Vec<[f32; 4]> = self.engine.finish(read)?;
        let mut shown: Option<Line> = None;
        for (m, (job, state)) in jobs.iter().zip(states).enumerate() {
            let (plan, mut lines) = (job.plan, Vec::new());
            for step in from..from + count {
                if state.diverged.is_some() {
                    break;
                }
                let line = job.line(step, ring[m * RING + step as usize % RING]);
                if !line.loss.is_finite() || !line.grad_norm.is_finite() {
                    state.diverged = Some(step);
                    if !self.keep_going {
                        log.append(&lines)?;
                        let phase = format!("{} `{}`", job.phase, job.method);
                        return Err(Error::Diverged { phase, step, loss: line.loss, lr: line.lr as f32 });
                    }
                    break;
                }
                if step.is_multiple_of(self.record.every) || step + 1 == plan.steps {
                    lines.push(line.clone());
                }
                if step + 1 == from + count && shown.is_none() {
                    shown = Some(line);
                }
            }
            log.append(&lines)?;
        }
        if let Some(line) = shown {
            progress.step(from + count, jobs[0].plan.steps, &Line { method: name.into(), ..line });
        }
        Ok(())
    }
}

impl Job<'_> {
    /// What `step` steps have left is finite.
    fn check_finite(&self, arenas: &[&Vec<f32>], step: u64) -> Result<()> {
        if arenas.iter().all(|arena| arena.iter().all(|x| x.is_finite())) {
            return Ok(());
        }
        let (phase, step) = (format!("{} `{}`", self.phase, self.method), step.saturating_sub(1));
        Err(Error::Overflow { phase, step, lr: self.plan.lr(step) as f32 })
    }

    /// The log's line of a step, from the row of its losses.
    fn line(&self, step: u64, [zs, fs, norm, _]: [f32; 4]) -> Line {
        let plan = self.plan;
        let (has_zs, has_fs) = (plan.loss != Loss::Fs, plan.loss != Loss::Zs);
        let few = if has_fs { plan.few(step) as f32 * fs } else { 0.0 };
        Line {
            phase: self.phase.into(),
            method: self.method.into(),
            step,
            loss: if has_zs { zs + few } else { few },
            zs_loss: has_zs.then_some(zs),
            fs_loss: has_fs.then_some(fs),
            grad_norm: norm,
            lr: plan.lr(step),
        }
    }
}
