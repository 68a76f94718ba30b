//! Which models a sweep has: its cells crossed with their methods, each model once.

use crate::config::{Axis, Config, Loss, Method, Sweep};
use crate::error::Result;
use crate::fingerprint::Identity;
use crate::model::{Plan, Stepper};
use crate::report::PRETRAINED;
use crate::run::{Experiment, Machine};
use crate::train::{RING, State};
use std::collections::BTreeSet;

/// Most models that train together: enough to share the drawing of prompts, few enough that a finished batch is soon
/// saved.
const MOST: usize = 64;

/// One model of a sweep.
pub struct Member {
    /// The method and the values of the axes that it depends on: `zs-v/finetune.optimizer.lr=0.003/seed=1`.
    pub model: String,
    /// Name of its checkpoint, without the ending.
    pub file: String,
    /// `pretrained` or the method.
    pub method: String,
    /// One an axis, as TOML; none where every value gives this model.
    pub values: Vec<Option<String>>,
    /// The first experiment that has it.
    pub experiment: usize,
    pub plan: Plan,
    /// The pre-trained member that it starts from.
    pub start: Option<usize>,
}

/// A sweep made ready: data read, methods resolved, nothing run.
pub struct Members {
    pub axes: Vec<Axis>,
    /// One a cell.
    pub experiments: Vec<Experiment>,
    /// Pre-trained models first.
    pub list: Vec<Member>,
    /// Of the sweep as a whole.
    pub identity: Identity,
}

impl Members {
    /// Reads the data of every cell and finds the models that differ.
    ///
    /// # Errors
    /// What [`Experiment::open`] finds wrong.
    pub fn open(sweep: Sweep) -> Result<Members> {
        let (cells, values): (Vec<_>, Vec<_>) = sweep.cells.into_iter().map(|c| (c.config, c.values)).unzip();
        let experiments = cells.into_iter().map(Experiment::open).collect::<Result<Vec<_>>>()?;
        let mut found = Found { experiments: &experiments, list: Vec::new(), cells: Vec::new() };
        let starts: Vec<usize> = (0..experiments.len()).map(|cell| found.member(cell, 0, None)).collect();
        for (cell, start) in starts.into_iter().enumerate() {
            for method in 1..experiments[cell].plans.len() {
                found.member(cell, method, Some(start));
            }
        }
        let Found { mut list, cells, .. } = found;
        let mut files = BTreeSet::new();
        for (number, (member, cells)) in list.iter_mut().zip(&cells).enumerate() {
            member.values = common(&values, cells, sweep.axes.len());
            let chosen = sweep.axes.iter().zip(&member.values);
            let chosen = chosen.filter_map(|(axis, v)| Some(format!("/{}={}", axis.key, v.as_ref()?)));
            member.model = member.method.clone() + &chosen.collect::<String>();
            member.file = file(&member.model);
            if !files.insert(member.file.clone()) {
                member.file = format!("{number:04}-{}", member.method);
                files.insert(member.file.clone());
            }
        }
        let data = experiments.iter().map(|experiment| experiment.problem.read.clone()).collect();
        Ok(Members { identity: Identity::new(sweep.toml, data), axes: sweep.axes, experiments, list })
    }

    /// Members that train together: of one shape, phase, law and loss, in order.
    pub fn batches(&self, machine: Machine) -> Vec<Vec<usize>> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for (i, member) in self.list.iter().enumerate() {
            let experiment = &self.experiments[member.experiment];
            let most = machine.engine.uniform_bytes() / (4 * experiment.table.len().next_multiple_of(4));
            let fits = |batch: &&mut Vec<usize>| {
                let first = &self.list[batch[0]];
                let other = &self.experiments[first.experiment];
                batch.len() < most.clamp(1, MOST)
                    && first.start.is_some() == member.start.is_some()
                    && other.config.model == experiment.config.model
                    && first.plan.joins(&member.plan)
            };
            match batches.iter_mut().find(fits) {
                Some(batch) => batch.push(i),
                None => batches.push(vec![i]),
            }
        }
        batches
    }

    /// Checks every batch against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) with the kernel and the limit.
    pub fn check(&self, machine: Machine) -> Result<()> {
        for batch in self.batches(machine) {
            let experiment = &self.experiments[self.list[batch[0]].experiment];
            let state = State::fresh(vec![0.0; experiment.table.len()]);
            let together: Vec<_> = batch.iter().map(|&i| (&self.list[i].plan, state.start())).collect();
            let (model, table) = (&experiment.config.model, &experiment.table);
            let stepper = Stepper::together(model, table, &together, RING, &machine.tuning);
            machine.engine.check(&stepper.recording)?;
        }
        Ok(())
    }

    /// What a member descends, in a word.
    pub fn loss(&self, member: usize) -> &'static str {
        match (self.list[member].start, self.list[member].plan.loss) {
            (None, _) => "pretrain",
            (_, Loss::Zs) => "zs",
            (_, Loss::Fs) => "fs",
            (_, Loss::ZsFs) => "zs+fs",
        }
    }

    /// Members that are tested on the same prompts.
    pub fn tested_alike(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (i, member) in self.list.iter().enumerate() {
            let own = &self.experiments[member.experiment];
            let alike = |group: &&mut Vec<usize>| {
                let other = &self.experiments[self.list[group[0]].experiment];
                own.config.model == other.config.model && own.problem.tests == other.problem.tests
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.push(i),
                None => groups.push(vec![i]),
            }
        }
        groups
    }
}

/// Members found so far, and the cells that each is in.
struct Found<'a> {
    experiments: &'a [Experiment],
    list: Vec<Member>,
    cells: Vec<Vec<usize>>,
}

impl Found<'_> {
    /// The member that a cell's plan trains, which another cell may have as well.
    fn member(&mut self, cell: usize, method: usize, start: Option<usize>) -> usize {
        let own = &self.experiments[cell];
        let (name, plan) = &own.plans[method];
        let same = |member: &Member| {
            let other = &self.experiments[member.experiment];
            member.start == start
                && member.method == *name
                && asked(&own.config, name) == asked(&other.config, name)
        };
        let place = self.list.iter().position(same).unwrap_or(self.list.len());
        if place == self.list.len() {
            debug_assert_eq!(name == PRETRAINED, start.is_none());
            self.list.push(Member {
                model: String::new(),
                file: String::new(),
                method: name.clone(),
                values: Vec::new(),
                experiment: cell,
                plan: plan.clone(),
                start,
            });
            self.cells.push(Vec::new());
        }
        self.cells[place].push(cell);
        place
    }
}

/// All that a configuration asks of a model, as it is written: two cells have one model if they ask the same of it.
/// What comes of it may be the same for others too (patterns that select the same elements, shares that split a table
/// alike); those are settings of their own, each with its row.
fn asked(config: &Config, model: &str) -> impl PartialEq {
    let method = config.methods.iter().find(|method| method.name == model).cloned();
    let tuning = method.map(|method| {
        let whole = &config.finetune;
        let mut optimizer = method.optimizer.clone().unwrap_or_else(|| whole.optimizer.clone());
        optimizer.lr = method.lr.unwrap_or(optimizer.lr);
        let steps = method.steps.unwrap_or(whole.steps);
        let own = Method { steps: None, lr: None, optimizer: None, ..method };
        (own, optimizer, steps, whole.batch, whole.shots)
    });
    (config.seed, config.model.clone(), config.task.clone(), config.pretrain.clone(), tuning)
}

/// The value of each axis that all of some cells have.
fn common(values: &[Vec<String>], cells: &[usize], axes: usize) -> Vec<Option<String>> {
    let of = |axis: usize| {
        let first = &values[cells[0]][axis];
        cells.iter().all(|&cell| values[cell][axis] == *first).then(|| first.clone())
    };
    (0..axes).map(of).collect()
}

/// A model's name as a file's.
fn file(model: &str) -> String {
    let keep = |c: char| match c {
        '/' => ',',
        c if c.is_ascii_alphanumeric() || "-_.=+".contains(c) => c,
        _ => '_',
    };
    model.chars().map(keep).take(120).collect()
}
