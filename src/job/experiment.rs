//! An experiment made ready: what every job begins with.

use super::{Machine, methods};
use crate::config::Config;
use crate::error::Result;
use crate::eval::{self, Evaluator, Row};
use crate::fingerprint::Identity;
use crate::models::prompt::{Plan, table};
use crate::params::{Coverage, Param, ParamTable};
use crate::random::rng::{self, Stream};
use crate::report::PRETRAINED;
use crate::store::rundir::PhaseInfo;
use crate::tasks::{self, Problem};
use crate::train::{State, Trainer};
use log::info;
use std::collections::BTreeMap;

/// An experiment made ready: data read, names resolved, nothing run.
pub struct Experiment {
    pub config: Config,
    pub problem: Problem,
    pub table: ParamTable,
    /// `pretrained`, then the methods, with what each trains on.
    pub plans: Vec<(String, Plan)>,
    /// What its results say that they were made from.
    pub identity: Identity,
}

impl Experiment {
    /// Reads the data and resolves every method, so that a mistake shows before any work is done.
    pub fn open(config: Config) -> Result<Self> {
        let problem = tasks::open(&config)?;
        config.validate_width("configuration", problem.dim + 2)?;
        let table = table(&config.model, problem.dim + 2);
        let mut plans = vec![(PRETRAINED.to_string(), methods::pretraining(&config, &table, &problem))];
        for method in &config.methods {
            plans.push((method.name.clone(), methods::finetuning(&config, method, &table, &problem)?));
        }
        let identity = Identity::new(config.to_toml()?, vec![problem.read.clone()]);
        Ok(Experiment { config, problem, table, plans, identity })
    }

    /// Parameters before the first step: N(0, init_std²), by the seed.
    pub fn init(&self) -> Vec<f32> {
        let key = rng::key(self.config.seed, Stream::Init, 0);
        let normals = rng::normals(0, 0, 0, key, self.table.len());
        let start = |param: &Param| -> Vec<f32> {
            let own = &normals[param.place()];
            own.iter().map(|x| (x * param.init_std) as f32).collect()
        };
        self.table.params.iter().flat_map(start).collect()
    }

    /// Checks every phase, and the evaluation, against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit.
    pub fn check(&self, machine: Machine) -> Result<()> {
        let trainer = self.trainer(machine);
        self.plans.iter().try_for_each(|(_, plan)| trainer.check(&[plan]))?;
        self.evaluator(machine).check()
    }

    /// The trainer of this experiment on a device.
    pub fn trainer<'a>(&'a self, machine: Machine<'a>) -> Trainer<'a> {
        Trainer {
            engine: machine.engine,
            tuning: machine.tuning,
            model: &self.config.model,
            table: &self.table,
            record: &self.config.record,
            keep_going: false,
            profile: machine.profile,
        }
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

    /// What its models are compared with.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn references(&self) -> Result<Vec<Row>> {
        eval::references(&self.config, &self.problem, &self.table, &self.plans)
    }
}

/// `pretrain` for the pre-trained model, else `finetune`.
pub fn phase_of(model: &str) -> &'static str {
    if model == PRETRAINED { "pretrain" } else { "finetune" }
}

/// What is noted of a finished phase.
pub fn phase_info(model: &str, plan: &Plan, state: &State, parameters: usize) -> PhaseInfo {
    PhaseInfo {
        phase: phase_of(model).into(),
        method: model.into(),
        steps: plan.steps,
        wall_s: state.wall_s,
        ms_per_step: state.ms_per_step,
        trained: plan.train.len(),
        parameters,
    }
}

/// Says what a phase is to train, before its first step: a pattern may reach less than was meant.
pub fn announce(name: &str, plan: &Plan, table: &ParamTable) {
    info!("{name} {}", Coverage::of(table, &plan.train));
}

/// What is noted of an experiment's data.
pub fn task_facts(experiment: &Experiment) -> BTreeMap<String, serde_json::Value> {
    let mut task = experiment.problem.facts.clone();
    task.insert("description".into(), experiment.problem.description.clone().into());
    task
}
