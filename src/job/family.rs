//! An experiment as jobs see it, whichever family of models it is of.

use super::Machine;
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::Identity;
use crate::models::{Phase, Start, Step};
use crate::params::{Coverage, ParamTable};
use crate::store::records::{Facts, PhaseInfo};
use crate::store::rundir::PRETRAINED;
use crate::store::scores::Row;
use crate::train::{Cadence, State, Trainer};
use log::info;
use std::any::Any;
use std::collections::BTreeMap;

/// A test and a number of shots.
pub type Point = (String, usize);

/// A model to be tested: its name and its arena.
pub type Named = (String, Vec<f32>);

/// An experiment made ready: data read, names resolved, nothing run. What runs, extends, sweeps and tests it asks no more
/// than this; a family answers in one place.
pub trait Family: Any {
    /// What it was asked for.
    fn config(&self) -> &Config;

    /// What its results say that they were made from.
    fn identity(&self) -> &Identity;

    /// Where the model's parameters stand.
    fn table(&self) -> &ParamTable;

    /// `pretrained`, then the methods, with what each trains.
    fn phases(&self) -> Vec<(&str, &dyn Phase)>;

    /// Parameters before the first step.
    fn init(&self) -> Vec<f32>;

    /// About the data, one line; more for the record.
    fn description(&self) -> &str;
    /// More about the data, for the record.
    fn facts(&self) -> &BTreeMap<String, serde_json::Value>;

    /// Steps of phases that [join](Phase::joins) side by side, with room for the numbers of `ring` steps.
    fn step(&self, members: &[(&dyn Phase, Start)], ring: usize, machine: Machine) -> Box<dyn Step>;

    /// Checks what such steps take against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) with the kernel and the limit.
    fn check_step(&self, phases: &[&dyn Phase], machine: Machine) -> Result<()>;

    /// The same of the tests.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) with the kernel and the limit.
    fn check_tests(&self, machine: Machine) -> Result<()>;

    /// What models are tested on, in the order of the rows.
    fn points(&self) -> Vec<Point>;

    /// A row a model and [point](Family::points), all models on the same prompts.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted); a limit of the device, or its failure.
    fn test(&self, models: &[Named], machine: Machine) -> Result<Vec<Row>>;

    /// What its models are compared with.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    fn references(&self) -> Result<Vec<Row>>;

    /// Whether models of the two have the same parameters and computations.
    fn same_models(&self, other: &dyn Family) -> bool;

    /// Whether models of the two are tested on the same prompts in the same way.
    fn tested_alike(&self, other: &dyn Family) -> bool;
}

/// Checks every phase, and the tests, against the device's limits, running nothing.
///
/// # Errors
/// [`Error::Limit`](crate::Error::Limit) with the kernel and the limit.
pub fn check(family: &dyn Family, machine: Machine) -> Result<()> {
    family.phases().iter().try_for_each(|(_, phase)| family.check_step(&[*phase], machine))?;
    family.check_tests(machine)
}

/// The trainer of an experiment on a device.
pub fn trainer<'a>(family: &'a dyn Family, machine: Machine<'a>) -> Trainer<'a> {
    let record = &family.config().record;
    Trainer {
        engine: machine.engine,
        variant: machine.tuning.name,
        table: family.table(),
        cadence: Cadence { every: record.every, checkpoint_every: record.checkpoint_every },
        keep_going: false,
        profile: machine.profile,
    }
}

/// `pretrain` for the pre-trained model, else `finetune`.
pub fn phase_of(model: &str) -> &'static str {
    if model == PRETRAINED { "pretrain" } else { "finetune" }
}

/// What is noted of a finished phase.
pub fn phase_info(model: &str, plan: &dyn Phase, state: &State, table: &ParamTable) -> PhaseInfo {
    PhaseInfo {
        phase: phase_of(model).into(),
        method: model.into(),
        steps: plan.steps(),
        wall_s: state.wall_s,
        ms_per_step: state.ms_per_step,
        trained: plan.train().len(),
        parameters: table.len(),
        coverage: Some(Coverage::of(table, plan.train())),
    }
}

/// Says what a phase is to train, before its first step: a pattern may reach less than was meant.
pub fn announce(name: &str, plan: &dyn Phase, table: &ParamTable) {
    info!("{name} {}", Coverage::of(table, plan.train()));
}

/// What is noted of an experiment's data.
pub fn task_facts(family: &dyn Family) -> Facts {
    let mut task = family.facts().clone();
    task.insert("description".into(), family.description().into());
    task
}
