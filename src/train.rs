//! The training loop: save → stop → step → log, many steps a submission.

pub mod finished;
pub mod state;

pub use state::State;

use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::gpu::{Engine, Pace, ReadBack};
use crate::interrupt;
use crate::models::{self, Kept, Numbers, Phase, Step};
use crate::params::ParamTable;
use crate::profile::Profile;
use crate::store::metrics::{Line, MetricsLog, Parts};
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

/// Most steps a submission, and rows of the rings of metrics and schedules.
pub const RING: usize = 256;
/// Most steps a submission while profiling: timestamps are limited.
const PROFILED: u64 = 128;

/// What training needs of the machine and the experiment.
pub struct Trainer<'a> {
    /// The device.
    pub engine: &'a Engine,
    /// How kernels split their work, for the record.
    pub variant: &'static str,
    /// Where parameters stand.
    pub table: &'a ParamTable,
    /// How often to log and save.
    pub cadence: Cadence,
    /// A model that is no longer finite is noted and stops no other.
    pub keep_going: bool,
    /// Times every launch if given; the numbers stay the same to the bit.
    pub profile: Option<&'a RefCell<Profile>>,
}

/// What is written while training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// A line of `metrics.jsonl` every so many steps (the first and the last step always).
    pub every: u64,
    /// A state to go on from every so many steps.
    pub checkpoint_every: u64,
}

/// A submission under way: its losses, first step and number of steps.
type Chunk = (ReadBack, u64, u64);

/// A phase as it is logged and saved.
pub struct Job<'a> {
    /// `pretrain` or `finetune`.
    pub phase: &'static str,
    /// `pretrained`, or the method.
    pub method: &'a str,
    /// What it trains.
    pub plan: &'a dyn Phase,
    /// Where the resumable state is kept; none to keep none.
    pub state_path: Option<PathBuf>,
    /// What the state file says it was made from.
    pub identity: &'a Identity,
}

/// What a caller shows while training.
pub trait Progress {
    /// `done` of `steps` steps of a phase are done; `line` is the last of them.
    fn step(&mut self, done: u64, steps: u64, line: &Line);

    /// How fast steps are, in words, for the [step](Progress::step) that is shown next.
    fn speed(&mut self, _words: String) {}
}

/// Phases that share their steps, all from the states that `step` was made with.
pub struct Together<'a> {
    /// What progress goes by.
    pub name: &'a str,
    /// What is trained.
    pub jobs: &'a [Job<'a>],
    /// Their steps, side by side.
    pub step: &'a dyn Step,
}

/// Where lines and progress go.
pub struct Told<'a> {
    /// Where lines are logged.
    pub log: &'a mut MetricsLog,
    /// Where progress is shown.
    pub progress: &'a mut dyn Progress,
}

impl Trainer<'_> {
    /// Runs a phase from `state`, which `step` was made with, to its end.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss or gradient that is not finite, [`Error::Overflow`] for a parameter;
    /// [`Error::Interrupted`] after the state is saved; device and file errors.
    pub fn run(&self, step: &dyn Step, job: &Job, state: State, told: Told) -> Result<State> {
        let all = Together { name: job.method, jobs: std::slice::from_ref(job), step };
        let states = self.run_together(&all, vec![state], told)?;
        Ok(states.into_iter().next().expect("as many states as jobs"))
    }

    /// Runs phases side by side.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn run_together(&self, all: &Together, mut states: Vec<State>, mut told: Told) -> Result<Vec<State>> {
        let (steps, rows) = (all.steps(), all.step.ring().rows as u64);
        let clock = Clock { began: Instant::now(), before: states[0].wall_s };
        let mut step = states[0].step;
        let mut pending: Option<Chunk> = None;
        let mut pace = Pace::new(rows);
        let mut steady: Option<(Instant, u64)> = None;
        while step < steps {
            // Save: at the interval's end, and when asked to stop.
            let stop = interrupt::asked();
            let due = step.is_multiple_of(self.cadence.checkpoint_every) && pending.is_some();
            if stop || due {
                if let Some(pending) = pending.take() {
                    self.log(all, pending, &mut states, &mut told)?;
                }
                self.save(all, &mut states, (step, clock.seconds()))?;
            }
            if stop {
                return Err(Error::Interrupted(format!("step {step} of {steps} of {}", all.name)));
            }
            // Step: up to the next save. The chunks' sizes leave no trace in the numbers.
            let until_save = self.cadence.checkpoint_every - step % self.cadence.checkpoint_every;
            let most = if self.profile.is_some() { PROFILED.min(rows) } else { rows };
            let count = pace.size.min(steps - step).min(until_save).min(most);
            let submitted = Instant::now();
            match self.submit(all, step, count) {
                // While kernels were compiled, before the first of these steps.
                Err(Error::Interrupted(_)) => continue,
                other => other?,
            }
            let read = self.engine.read_later(&all.step.ring().buffer)?;
            // Log: the chunk before, while this one runs.
            if let Some(pending) = pending.replace((read, step, count)) {
                self.log(all, pending, &mut states, &mut told)?;
                steady.get_or_insert((Instant::now(), step));
                pace.took(submitted.elapsed());
            }
            step += count;
        }
        if let Some(pending) = pending.take() {
            self.log(all, pending, &mut states, &mut told)?;
        }
        self.capture(all.step, &mut states)?;
        let ms_per_step = steady
            .map_or(0.0, |(since, from)| since.elapsed().as_secs_f64() * 1e3 / (steps - from).max(1) as f64);
        self.end(all, &mut states, (step, clock.seconds()), ms_per_step)?;
        Ok(states)
    }

    fn submit(&self, all: &Together, at: u64, count: u64) -> Result<()> {
        let Some(profile) = self.profile else { return all.step.submit(self.engine, at, count) };
        let launches = all.step.submit_timed(self.engine, at, count)?;
        profile.borrow_mut().add(all.name, all.step.recording(), &launches);
        Ok(())
    }

    /// Takes up where all models stand, and writes the state of those that keep one.
    fn save(&self, all: &Together, states: &mut [State], (step, wall_s): (u64, f64)) -> Result<()> {
        if all.jobs.iter().any(|job| job.state_path.is_some()) {
            self.capture(all.step, states)?;
        }
        for (job, state) in all.jobs.iter().zip(states) {
            (state.step, state.wall_s) = (step, wall_s);
            if let Some(path) = &job.state_path {
                job.check_finite(&[&state.params, &state.moments], step)?;
                state::save(path, job, self.table, state, self.variant)?;
            }
        }
        Ok(())
    }

    fn capture(&self, step: &dyn Step, states: &mut [State]) -> Result<()> {
        for (state, Kept { params, moments }) in states.iter_mut().zip(step.kept(self.engine)?) {
            (state.params, state.moments) = (params, moments);
        }
        Ok(())
    }

    /// Notes the end of all phases.
    fn end(
        &self,
        all: &Together,
        states: &mut [State],
        (step, wall_s): (u64, f64),
        ms_per_step: f64,
    ) -> Result<()> {
        for (job, state) in all.jobs.iter().zip(states) {
            (state.step, state.wall_s, state.ms_per_step) = (step, wall_s, ms_per_step);
            // The last update comes after the last loss.
            if let Err(overflow) = job.check_finite(&[&state.params], step) {
                if !self.keep_going {
                    return Err(overflow);
                }
                state.diverged.get_or_insert(step - 1);
            }
        }
        Ok(())
    }

    /// Logs a finished chunk's steps.
    fn log(
        &self,
        all: &Together,
        (read, from, count): Chunk,
        states: &mut [State],
        told: &mut Told,
    ) -> Result<()> {
        let words: Vec<f32> = self.engine.finish(read)?;
        let mut shown: Option<Line> = None;
        for (m, (job, state)) in all.jobs.iter().zip(states).enumerate() {
            let mut lines = Vec::new();
            for step in from..from + count {
                if state.diverged.is_some() {
                    break;
                }
                let row = all.step.ring().row(&words, m, step);
                let line = job.line(step, all.step.numbers(m, step, row));
                if !line.loss.is_finite() || !line.grad_norm.is_finite() {
                    state.diverged = Some(step);
                    if !self.keep_going {
                        told.log.append(&lines)?;
                        return Err(Error::Diverged {
                            phase: job.phase,
                            method: job.method.into(),
                            step,
                            loss: line.loss,
                            lr: line.lr as f32,
                            place: String::new(),
                        });
                    }
                    break;
                }
                if step.is_multiple_of(self.cadence.every) || step + 1 == all.steps() {
                    lines.push(line.clone());
                }
                if step + 1 == from + count && shown.is_none() {
                    shown = Some(line);
                }
            }
            told.log.append(&lines)?;
        }
        if let Some(line) = shown {
            told.progress.step(from + count, all.steps(), &Line { method: all.name.into(), ..line });
        }
        Ok(())
    }
}

impl Together<'_> {
    fn steps(&self) -> u64 {
        self.jobs[0].plan.steps()
    }
}

/// Time spent on a phase.
struct Clock {
    began: Instant,
    /// Seconds, by those who trained it before.
    before: f64,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}

impl Job<'_> {
    /// What `step` steps have left is finite.
    fn check_finite(&self, arenas: &[&Vec<f32>], step: u64) -> Result<()> {
        if arenas.iter().all(|arena| arena.iter().all(|x| x.is_finite())) {
            return Ok(());
        }
        let (method, step) = (self.method.to_string(), step.saturating_sub(1));
        Err(Error::Overflow { phase: self.phase, method, step, lr: models::lr(self.plan, step) as f32 })
    }

    /// The log's line of a step.
    fn line(&self, step: u64, numbers: Numbers) -> Line {
        let Numbers { loss, parts, grad_norm, lr } = numbers;
        Line {
            phase: self.phase.into(),
            method: self.method.into(),
            step,
            loss,
            parts: Parts(parts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()),
            grad_norm,
            lr,
        }
    }
}
