//! Where a phase stands, and the file that keeps it.

use super::Job;
use crate::error::{Error, Mend, Result, shown};
use crate::fingerprint::Noted;
use crate::models::{Phase, Start};
use crate::params::{Param, ParamTable};
use crate::store::checkpoint::{self, Checkpoint, MOMENTS, Reader, Tensor};
use std::path::Path;

/// Where a phase stands: everything an uninterrupted run would have at that step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The arena.
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

/// The parameters of an arena by name.
pub fn tensors(table: &ParamTable, params: &[f32]) -> std::collections::BTreeMap<String, Tensor> {
    let tensor = |p: &Param| Tensor { shape: p.shape.clone(), data: params[p.place()].to_vec() };
    table.params.iter().map(|p| (p.name.clone(), tensor(p))).collect()
}

/// Names and shapes of the parameters.
pub fn shapes(table: &ParamTable) -> Vec<(String, Vec<usize>)> {
    table.params.iter().map(|p| (p.name.clone(), p.shape.to_vec())).collect()
}

/// Writes what [`load`] reads back.
pub fn save(path: &Path, job: &Job, table: &ParamTable, state: &State, variant: &str) -> Result<()> {
    let mut checkpoint = Checkpoint { tensors: tensors(table, &state.params), ..Default::default() };
    checkpoint.tensors.insert(MOMENTS.into(), moments(&state.moments, job.plan.train().len()));
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

/// The moments in a file, of which there must be as many as `plan` has.
///
/// # Errors
/// There are none, or another number.
pub fn moments_of(reader: &Reader, plan: &dyn Phase) -> Result<Vec<f32>> {
    let wanted = plan.optimizer().rule.moments() * plan.train().len();
    let Some(entry) = reader.tensor(MOMENTS) else {
        let message =
            format!("has no `{MOMENTS}`, without which no optimizer can go on; begin the phase again");
        return Err(Error::file(reader.path(), message));
    };
    let found: usize = entry.shape.iter().product();
    if found != wanted {
        let message = format!(
            "`{MOMENTS}` has {found} entries instead of {wanted}: it is of another optimizer or trained set"
        );
        return Err(Error::file(reader.path(), message));
    }
    reader.data(entry)
}

/// The variant that a saved state was trained with; none in states from before it was written.
///
/// # Errors
/// A file that is no checkpoint.
pub fn variant_of(path: &Path) -> Result<Option<String>> {
    Ok(Reader::open_own(path)?.metadata().get("variant").map(|variant| shown(variant)))
}

/// The step at which a saved state stands.
///
/// # Errors
/// A file that is no training state.
pub fn step_of(path: &Path) -> Result<u64> {
    let reader = Reader::open_own(path)?;
    let step = reader.metadata().get("step").and_then(|step| step.parse().ok());
    step.ok_or_else(|| Error::file(path, "is no training state"))
}

/// The state that [`super::Trainer::run`] saved of `job`.
///
/// # Errors
/// A file that is not such a state, or one of another phase, method, configuration, data or model.
pub fn load(path: &Path, job: &Job, table: &ParamTable) -> Result<State> {
    let reader = Reader::open_own(path)?;
    let text = |name: &str| -> Result<&String> {
        let message = format!("is no training state: no `{name}`; delete it to start the phase again");
        reader.metadata().get(name).ok_or_else(|| Error::file(path, message))
    };
    text("config")?;
    for (name, asked) in [("phase", job.phase), ("method", job.method)] {
        let saved = text(name)?;
        if saved != asked {
            let saved = shown(saved);
            let message = format!("the state is of {name} `{saved}`, not `{asked}`");
            return Err(Error::config(path.display().to_string(), message).mend(Mend::Restart));
        }
    }
    if let Some(how) = job.identity.differs(&Noted::of(path, reader.metadata())?) {
        let message = format!("the state is of another experiment: {how}");
        return Err(Error::config(path.display().to_string(), message).mend(Mend::SameOrRestart));
    }
    let parse =
        |name: &str, text: &str| Error::file(path, format!("`{name}` is `{}`, no number", shown(text)));
    let step = text("step")?;
    let step: u64 = step.parse().map_err(|_| parse("step", step))?;
    if step > job.plan.steps() {
        let message = format!("its step is {step}, beyond the {} of the phase", job.plan.steps());
        return Err(Error::file(path, message));
    }
    let wall = text("wall_s")?;
    let wall_s = wall.parse().map_err(|_| parse("wall_s", wall))?;
    let moments = moments_of(&reader, job.plan)?;
    Ok(State { params: reader.arena(&shapes(table))?, moments, step, wall_s, ..State::fresh(Vec::new()) })
}
