//! The training loop: save → stop → step → log, many steps a submission.

use crate::checkpoint::{self, Checkpoint, MOMENTS, Tensor};
use crate::config::{Loss, Model, Record};
use crate::error::{Error, Result, shown};
use crate::fingerprint::{Identity, Noted};
use crate::gpu::{Engine, Pace, ReadBack};
use crate::interrupt;
use crate::kernels::{Tuning, masked_update};
use crate::metrics::{Line, MetricsLog};
use crate::model::{Plan, Start, Stepper};
use crate::params::{Param, ParamTable};
use crate::profile::Profile;
use crate::shape::Shape;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
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

/// Where a phase stands: everything an uninterrupted run would have at that step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub params: Vec<f32>,
    /// [1 or 2, trained]; empty before the first step.
    pub moments: Vec<f32>,
    /// Steps taken. Random numbers are functions of it.
    pub step: u64,
    /// Seconds spent so far.
    pub wall_s: f64,
    /// Milliseconds a step since the last start, the first submission (which compiles) left out.
    pub ms_per_step: f64,
    /// The step whose loss or gradient was not finite, or that left a parameter so, if one was and the trainer kept
    /// going.
    pub diverged: Option<u64>,
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

impl State {
    /// Before the first step.
    pub fn fresh(params: Vec<f32>) -> Self {
        State { params, moments: Vec::new(), step: 0, wall_s: 0.0, ms_per_step: 0.0, diverged: None }
    }

    /// As a stepper takes it.
    pub fn start(&self) -> Start<'_> {
        Start { params: &self.params, moments: &self.moments, step: self.step }
    }
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
                        save_state(path, job, self.table, state, self.tuning.name)?;
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

/// The parameters of an arena by name.
pub fn tensors(table: &ParamTable, params: &[f32]) -> std::collections::BTreeMap<String, Tensor> {
    let tensor = |p: &Param| Tensor { shape: p.shape.clone(), data: params[p.place()].to_vec() };
    table.params.iter().map(|p| (p.name.clone(), tensor(p))).collect()
}

/// Names and shapes of the parameters.
pub fn shapes(table: &ParamTable) -> Vec<(String, Vec<usize>)> {
    table.params.iter().map(|p| (p.name.clone(), p.shape.to_vec())).collect()
}

/// An arena from parameters by name.
///
/// # Errors
/// Names or shapes are not the table's; the message says which.
pub fn arena(table: &ParamTable, checkpoint: &Checkpoint, path: &Path) -> Result<Vec<f32>> {
    checkpoint.expect_shapes(path, &shapes(table))?;
    Ok(table.params.iter().flat_map(|p| checkpoint.tensors[&p.name].data.iter().copied()).collect())
}

/// Writes what [`load_state`] reads back.
pub fn save_state(path: &Path, job: &Job, table: &ParamTable, state: &State, variant: &str) -> Result<()> {
    let mut checkpoint = Checkpoint { tensors: tensors(table, &state.params), ..Default::default() };
    checkpoint.tensors.insert(MOMENTS.into(), moments(&state.moments, job.plan.train.len()));
    let pairs = [
        ("phase", job.phase.to_string()),
        ("method", job.method.to_string()),
        ("step", state.step.to_string()),
        ("wall_s", state.wall_s.to_string()),
        ("variant", variant.to_string()),
    ];
    checkpoint.metadata = pairs.map(|(k, v)| (k.to_string(), v)).into();
    checkpoint.metadata.extend(job.identity.metadata());
    checkpoint::write(path, &checkpoint)
}

/// Moments as a tensor, [1 or 2, trained].
pub fn moments(moments: &[f32], trained: usize) -> Tensor {
    Tensor { shape: vec![moments.len() / trained.max(1), trained], data: moments.to_vec() }
}

/// Takes the moments out of a checkpoint and holds that there are as many as `plan` has.
///
/// # Errors
/// There are none, or another number.
pub fn take_moments(path: &Path, checkpoint: &mut Checkpoint, plan: &Plan) -> Result<Vec<f32>> {
    let wanted = masked_update::states(plan.optimizer.rule) * plan.train.len();
    match checkpoint.tensors.remove(MOMENTS) {
        None => Err(Error::file(
            path,
            format!("has no `{MOMENTS}`, without which no optimizer can go on; begin the phase again"),
        )),
        Some(found) if found.data.len() != wanted => {
            let found = found.data.len();
            let message = format!(
                "`{MOMENTS}` has {found} entries instead of {wanted}: it is of another optimizer or trained set"
            );
            Err(Error::file(path, message))
        }
        Some(found) => Ok(found.data),
    }
}

/// The variant that a saved state was trained with; none in states from before it was written.
///
/// # Errors
/// A file that is no checkpoint.
pub fn variant_of(path: &Path) -> Result<Option<String>> {
    Ok(checkpoint::read(path)?.metadata.remove("variant").map(|variant| shown(&variant)))
}

/// The step at which a saved state stands.
///
/// # Errors
/// A file that is no training state.
pub fn step_of(path: &Path) -> Result<u64> {
    let step = checkpoint::read(path)?.metadata.remove("step").and_then(|step| step.parse().ok());
    step.ok_or_else(|| Error::file(path, "is no training state"))
}

/// The state that [`Trainer::run`] saved of `job`.
///
/// # Errors
/// A file that is not such a state, or one of another phase, method, configuration, data or model.
pub fn load_state(path: &Path, job: &Job, table: &ParamTable) -> Result<State> {
    let mut checkpoint = checkpoint::read(path)?;
    let text = |name: &str| -> Result<&String> {
        let message = format!("is no training state: no `{name}`; delete it to start the phase again");
        checkpoint.metadata.get(name).ok_or_else(|| Error::file(path, message))
    };
    text("config")?;
    for (name, asked) in [("phase", job.phase), ("method", job.method)] {
        let saved = text(name)?;
        if saved != asked {
            let saved = shown(saved);
            let message = format!("the state is of {name} `{saved}`, not `{asked}`; leave out --resume");
            return Err(Error::config(path.display().to_string(), message));
        }
    }
    if let Some(how) = job.identity.differs(&Noted::of(path, &checkpoint.metadata)?) {
        let mend = "give the same, or leave out --resume to start the phase again";
        let message = format!("the state is of another experiment: {how}; {mend}");
        return Err(Error::config(path.display().to_string(), message));
    }
    let parse =
        |name: &str, text: &str| Error::file(path, format!("`{name}` is `{}`, no number", shown(text)));
    let step = text("step")?;
    let step: u64 = step.parse().map_err(|_| parse("step", step))?;
    if step > job.plan.steps {
        let message = format!("its step is {step}, beyond the {} of the phase", job.plan.steps);
        return Err(Error::file(path, message));
    }
    let wall = text("wall_s")?;
    let wall_s = wall.parse().map_err(|_| parse("wall_s", wall))?;
    let moments = take_moments(path, &mut checkpoint, job.plan)?;
    Ok(State { params: arena(table, &checkpoint, path)?, moments, step, wall_s, ..State::fresh(Vec::new()) })
}
