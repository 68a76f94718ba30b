//! Which models a sweep has: its cells crossed with their methods, each model once.

use crate::config::{Axis, Config, Method, Sweep};
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::job::{Family, Machine, open};
use crate::models::Phase;
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
    /// Its phase among those of the experiment.
    pub phase: usize,
    /// The pre-trained member that it starts from.
    pub start: Option<usize>,
}

/// A sweep made ready: data read, methods resolved, nothing run.
pub struct Members {
    /// What is swept over, the slowest first.
    pub axes: Vec<Axis>,
    /// One a cell.
    pub experiments: Vec<Box<dyn Family>>,
    /// Pre-trained models first.
    pub list: Vec<Member>,
    /// Of the sweep as a whole.
    pub identity: Identity,
}

impl Members {
    /// Reads the data of every cell and finds the models that differ.
    ///
    /// # Errors
    /// What [`open`](open::open) finds wrong.
    pub fn open(sweep: Sweep) -> Result<Members> {
        let (cells, values): (Vec<_>, Vec<_>) = sweep.cells.into_iter().map(|c| (c.config, c.values)).unzip();
        let experiments = open::cells(cells)?;
        let mut found = Found { experiments: &experiments, list: Vec::new(), cells: Vec::new() };
        let starts: Vec<usize> = (0..experiments.len()).map(|cell| found.member(cell, 0, None)).collect();
        for (cell, start) in starts.into_iter().enumerate() {
            for method in 1..experiments[cell].phases().len() {
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
            member.file = distinct(&member.model, number, &member.method, &mut files);
        }
        let data = experiments.iter().flat_map(|experiment| experiment.identity().data.clone()).collect();
        Ok(Members { identity: Identity::new(sweep.toml, data), axes: sweep.axes, experiments, list })
    }

    /// Members that train together: of one shape, phase, law and loss, in order; as many as the device takes at once.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit, where a single model is beyond it.
    pub fn batches(&self, machine: Machine) -> Result<Vec<Vec<usize>>> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for (i, member) in self.list.iter().enumerate() {
            let experiment = &self.experiments[member.experiment];
            let joins = |batch: &&mut Vec<usize>| {
                let first = &self.list[batch[0]];
                batch.len() < MOST
                    && first.start.is_some() == member.start.is_some()
                    && self.experiments[first.experiment].same_models(&**experiment)
                    && self.phase(batch[0]).joins(self.phase(i))
            };
            match batches.iter_mut().find(joins) {
                Some(batch) => batch.push(i),
                None => batches.push(vec![i]),
            }
        }
        let mut fitting = Vec::new();
        for batch in batches {
            self.halve(batch, machine, &mut fitting)?;
        }
        Ok(fitting)
    }

    /// Puts a batch on the list if the device takes it, else its halves.
    fn halve(&self, batch: Vec<usize>, machine: Machine, fitting: &mut Vec<Vec<usize>>) -> Result<()> {
        match self.check_batch(&batch, machine) {
            Err(Error::Limit { .. }) if batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len().div_ceil(2));
                self.halve(first.to_vec(), machine, fitting)?;
                self.halve(second.to_vec(), machine, fitting)
            }
            Err(other) => Err(other),
            Ok(()) => {
                fitting.push(batch);
                Ok(())
            }
        }
    }

    /// Checks every batch and every test against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with the kernel and the limit.
    pub fn check(&self, machine: Machine) -> Result<()> {
        self.batches(machine)?;
        let of = |group: &Vec<usize>| &self.experiments[self.list[group[0]].experiment];
        self.tested_alike().iter().try_for_each(|group| of(group).check_tests(machine))
    }

    /// Checks a batch against the device's limits, running nothing.
    fn check_batch(&self, batch: &[usize], machine: Machine) -> Result<()> {
        let experiment = &self.experiments[self.list[batch[0]].experiment];
        let phases: Vec<&dyn Phase> = batch.iter().map(|&i| self.phase(i)).collect();
        experiment.check_step(&phases, machine)
    }

    /// What a member trains.
    pub fn phase(&self, member: usize) -> &dyn Phase {
        let member = &self.list[member];
        self.experiments[member.experiment].phases()[member.phase].1
    }

    /// What a member descends, in a word.
    pub fn loss(&self, member: usize) -> &'static str {
        match self.list[member].start {
            None => "pretrain",
            Some(_) => self.phase(member).descends(),
        }
    }

    /// Members that are tested on the same prompts.
    pub fn tested_alike(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (i, member) in self.list.iter().enumerate() {
            let own = &self.experiments[member.experiment];
            let alike = |group: &&mut Vec<usize>| {
                own.tested_alike(&*self.experiments[self.list[group[0]].experiment])
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
    experiments: &'a [Box<dyn Family>],
    list: Vec<Member>,
    cells: Vec<Vec<usize>>,
}

impl Found<'_> {
    /// The member that a cell's plan trains, which another cell may have as well.
    fn member(&mut self, cell: usize, method: usize, start: Option<usize>) -> usize {
        let own = &self.experiments[cell];
        let name = own.phases()[method].0;
        let same = |member: &Member| {
            let other = &self.experiments[member.experiment];
            member.start == start
                && member.method == name
                && asked(own.config(), name) == asked(other.config(), name)
        };
        let place = self.list.iter().position(same).unwrap_or(self.list.len());
        if place == self.list.len() {
            self.list.push(Member {
                model: String::new(),
                file: String::new(),
                method: name.to_string(),
                values: Vec::new(),
                experiment: cell,
                phase: method,
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

/// A model's name as a file's that no other has, on file systems too that take `A` for `a`.
fn distinct(model: &str, number: usize, method: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (0..).map(|more| format!("{number:04}-{}{method}", "-".repeat(more)));
    let mut names = std::iter::once(file(model)).chain(numbered);
    names.find(|name| taken.insert(name.to_ascii_lowercase())).expect("a free name")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_members_are_distinct_whatever_the_file_system() {
        let mut taken = BTreeSet::new();
        let long = format!("zs/task.path=\"{}", "x".repeat(150));
        let models = [
            ("zs/seed=0", "zs"),
            ("0002-zs", "0002-zs"),
            ("zs/seed?0", "zs"),
            ("zs/task.path=\"A\"", "zs"),
            ("zs/task.path=\"a\"", "zs"),
            (&long, "zs"),
            (&format!("{long}y"), "zs"),
        ];
        let names: Vec<String> = models
            .iter()
            .enumerate()
            .map(|(i, (model, method))| distinct(model, i, method, &mut taken))
            .collect();
        assert_eq!(names[..3], ["zs,seed=0", "0002-zs", "zs,seed_0"]);
        assert_eq!(names[3..5], ["zs,task.path=_A_", "0004-zs"]);
        assert_eq!((names[5].len(), names[6].as_str()), (120, "0006-zs"));
        assert_eq!(distinct("zs/seed=0", 2, "zs", &mut taken), "0002--zs", "its number is a method's name");
        assert_eq!(taken.len(), 8);
    }
}
