//! Sources of prompts. A task is a file here, a kind of [`Task`] and an arm in [`open`].

pub mod baselines;
mod covariance;
mod input;
mod own;
pub mod regression;
pub mod tables;

use crate::config::{Config, Task};
use crate::error::{Error, Result, shown};
use crate::fingerprint::Data;
use crate::prompt::law::Law;
use crate::random::rng::{Stream, key};
use std::collections::BTreeMap;

/// What an experiment trains and tests on.
#[derive(Debug)]
pub struct Problem {
    /// Covariates an example, d.
    pub dim: usize,
    /// Prompts to pre-train on.
    pub pretrain: Law,
    /// Prompts to fine-tune on.
    pub finetune: Law,
    /// What models are tested on, in the order of `eval.csv`.
    pub tests: Vec<Test>,
    /// About the data, one line.
    pub description: String,
    /// More about the data, for `run.json`.
    pub facts: BTreeMap<String, serde_json::Value>,
    /// What is known of the data beyond samples of it.
    pub known: Known,
    /// What was read of it.
    pub read: Data,
}

/// A group of tasks that models are tested on.
#[derive(Debug, PartialEq)]
pub struct Test {
    /// As `eval.csv` has it.
    pub name: &'static str,
    law: Law,
    seed: u64,
    index: u64,
}

/// What closed forms and reference predictors need.
#[derive(Debug)]
pub enum Known {
    /// The law itself.
    Regression(regression::Truth),
    /// The rows.
    Tables(Box<tables::TableData>),
    /// Nothing but samples: the laws are a program's own.
    Samples,
}

impl Test {
    /// The law of its prompts under evaluation seed `repeat`: the same prompts for every model.
    pub fn law(&self, repeat: usize) -> Law {
        self.law.with_key(key(self.seed, Stream::Eval, 64 * self.index + repeat as u64))
    }
}

/// The problem of an experiment.
///
/// # Errors
/// A program's own task, which is not known here; a data file that is missing, malformed or too small for the shots.
pub fn open(config: &Config) -> Result<Problem> {
    match &config.task {
        Task::Regression(task) => regression::open(task, config.seed),
        Task::Tables(task) => {
            let shots = config.pretrain.shots.max(config.finetune.shots).max(config.eval.shots);
            tables::open(task, config.seed, shots + 1)
        }
        Task::Own(task) => {
            let message =
                format!("`{}` is a program's own, and not known here; run that program", shown(&task.about));
            Err(Error::config("task", message))
        }
    }
}

/// Tests in order, with the keys their order gives.
fn tests(seed: u64, laws: Vec<(&'static str, Law)>) -> Vec<Test> {
    let numbered = laws.into_iter().enumerate();
    numbered.map(|(index, (name, law))| Test { name, law, seed, index: index as u64 }).collect()
}
