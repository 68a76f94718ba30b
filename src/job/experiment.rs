//! Experiments on prompt models.

use super::family::{self, Family, Named, Point};
use super::{Machine, methods};
use crate::config::{Config, OwnTask, Task};
use crate::error::{Error, Limit, Result};
use crate::eval::{self, Evaluator};
use crate::fingerprint::Identity;
use crate::kernels::prompt::own;
use crate::models::prompt::{Plan, Stepper, table};
use crate::models::{Phase, Start, Step};
use crate::params::ParamTable;
use crate::prompt::shape::Shape;
use crate::store::rundir::PRETRAINED;
use crate::store::scores::Row;
use crate::tasks::{self, Known, Problem};
use crate::train::{RING, Trainer};
use std::any::Any;
use std::collections::BTreeMap;

/// An experiment on prompt models, made ready: data read, names resolved, nothing run.
pub struct Experiment {
    /// What it was asked for.
    pub config: Config,
    /// Its data.
    pub problem: Problem,
    /// Where the model's parameters stand.
    pub table: ParamTable,
    /// `pretrained`, then the methods, with what each trains on.
    pub plans: Vec<(String, Plan)>,
    /// What its results say that they were made from.
    pub identity: Identity,
}

impl Experiment {
    /// Reads the data and resolves every method, so that a mistake shows before any work is done.
    ///
    /// # Errors
    /// What is wrong with the data, a pattern that selects nothing.
    pub fn open(config: Config) -> Result<Self> {
        let problem = tasks::open(&config)?;
        Experiment::with_problem(config, problem)
    }

    /// [`Experiment::open`] on a problem of one's own ([`Problem::new`]). Instead of the configuration's `task` stands that it
    /// is one.
    ///
    /// # Errors
    /// [`Error::Config`] for a law that can't be compiled or is too wide, a pattern that selects nothing.
    pub fn with_problem(mut config: Config, problem: Problem) -> Result<Self> {
        if matches!(problem.known, Known::Samples) {
            let about = problem.description.clone();
            config.task = Task::Own(OwnTask { dim: problem.dim, about });
        }
        let shots = config.pretrain.shots.max(config.finetune.shots).max(config.eval.shots);
        let laws = [&problem.pretrain, &problem.finetune].into_iter().cloned();
        for law in laws.chain(problem.tests.iter().map(|test| test.law(0))) {
            own::check(&law, shots)?;
        }
        config.validate_width("configuration", problem.dim + 2)?;
        let table = table(&config.model, problem.dim + 2);
        let mut plans = vec![(PRETRAINED.to_string(), methods::pretraining(&config, &table, &problem))];
        for method in &config.methods {
            plans.push((method.name.clone(), methods::finetuning(&config, method, &table, &problem)?));
        }
        let identity = Identity::new(config.to_toml()?, vec![problem.read.clone()]);
        Ok(Experiment { config, problem, table, plans, identity })
    }

    /// Parameters before the first step: by each one's initialiser and the seed.
    pub fn init(&self) -> Vec<f32> {
        self.table.init(self.config.seed)
    }

    /// Checks every phase, and the evaluation, against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit.
    pub fn check(&self, machine: Machine) -> Result<()> {
        family::check(self, machine)
    }

    /// The trainer of this experiment on a device.
    pub fn trainer<'a>(&'a self, machine: Machine<'a>) -> Trainer<'a> {
        family::trainer(self, machine)
    }

    /// Steps of some of its plans side by side.
    pub fn stepper(&self, members: &[(&Plan, Start)], ring: usize, machine: Machine) -> Stepper {
        Stepper::together(&self.config.model, &self.table, members, ring, &machine.tuning)
    }

    /// The evaluator of this experiment on a device.
    pub fn evaluator<'a>(&'a self, machine: Machine<'a>) -> Evaluator<'a> {
        Evaluator {
            engine: machine.engine,
            tuning: machine.tuning,
            config: &self.config,
            table: &self.table,
            problem: &self.problem,
        }
    }

    /// Checks the steps of plans side by side against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit.
    pub fn check_plans(&self, plans: &[&Plan], machine: Machine) -> Result<()> {
        self.check_weights(plans, machine)?;
        let start = Start { params: &[], moments: &[], step: 0 };
        let members: Vec<(&Plan, Start)> = plans.iter().map(|&plan| (plan, start)).collect();
        machine.engine.check(&self.stepper(&members, RING, machine).recording)
    }

    /// The weights alone may be too many, and building a step takes memory by them.
    fn check_weights(&self, plans: &[&Plan], machine: Machine) -> Result<()> {
        let Some(plan) = plans.first() else { return Ok(()) };
        let model = &self.config.model;
        let shape = Shape { layers: model.layers, heads: model.heads, dim: plan.law.dim() };
        let (need, have) = (4 * shape.weights_stride() * plans.len(), machine.engine.uniform_bytes());
        if need <= have {
            return Ok(());
        }
        Err(Error::Limit {
            kernel: "prompt_step".into(),
            limit: Limit::UniformBinding,
            need: need as u64,
            have: have as u64,
            device: machine.engine.adapter().name.clone(),
        })
    }
}

/// The plan that a phase of this family is.
fn plan(phase: &dyn Phase) -> &Plan {
    (phase as &dyn Any).downcast_ref().expect("a phase of a prompt model")
}

/// The experiment that another of this family is.
fn same_family(other: &dyn Family) -> Option<&Experiment> {
    (other as &dyn Any).downcast_ref()
}

impl Family for Experiment {
    fn config(&self) -> &Config {
        &self.config
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn table(&self) -> &ParamTable {
        &self.table
    }

    fn phases(&self) -> Vec<(&str, &dyn Phase)> {
        self.plans.iter().map(|(name, plan)| (name.as_str(), plan as &dyn Phase)).collect()
    }

    fn init(&self) -> Vec<f32> {
        Experiment::init(self)
    }

    fn description(&self) -> &str {
        &self.problem.description
    }

    fn facts(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.problem.facts
    }

    fn step(&self, members: &[(&dyn Phase, Start)], ring: usize, machine: Machine) -> Box<dyn Step> {
        let members: Vec<(&Plan, Start)> =
            members.iter().map(|(phase, start)| (plan(*phase), *start)).collect();
        Box::new(self.stepper(&members, ring, machine))
    }

    fn check_step(&self, phases: &[&dyn Phase], machine: Machine) -> Result<()> {
        self.check_plans(&phases.iter().map(|phase| plan(*phase)).collect::<Vec<_>>(), machine)
    }

    fn check_tests(&self, machine: Machine) -> Result<()> {
        self.evaluator(machine).check()
    }

    fn points(&self) -> Vec<Point> {
        let shots = 0..=self.config.eval.shots;
        let tests = self.problem.tests.iter();
        tests.flat_map(|test| shots.clone().map(|shots| (test.name.to_string(), shots))).collect()
    }

    fn test(&self, models: &[Named], machine: Machine) -> Result<Vec<Row>> {
        self.evaluator(machine).models(models)
    }

    fn references(&self) -> Result<Vec<Row>> {
        eval::references(&self.config, &self.problem, &self.table, &self.plans)
    }

    fn same_models(&self, other: &dyn Family) -> bool {
        same_family(other).is_some_and(|other| other.config.model == self.config.model)
    }

    fn tested_alike(&self, other: &dyn Family) -> bool {
        same_family(other).is_some_and(|other| {
            let of = |e: &Experiment| (e.config.model.clone(), e.config.eval.clone());
            of(other) == of(self) && other.problem.tests == self.problem.tests
        })
    }
}
