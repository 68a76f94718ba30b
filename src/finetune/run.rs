//! All methods of an experiment, into a run directory.

use super::learn::Learning;
use super::note::{described, judged, note, parts, said};
use super::state::{self, At};
use super::{Experiment, Method, Trains, moved, plan, prove, roof, sample, validate, write};
use crate::config::Keep;
use crate::error::Result;
use crate::job::Machine;
use crate::models::learn::{Learner, Training, trainable};
use crate::models::lm::{MemoryPlan, Weights};
use crate::params::Coverage;
use crate::store::methods::{Judged, Loss, MethodFacts, Methods, Sample};
use crate::store::metrics::MetricsLog;
use crate::store::rundir::RunDir;
use crate::train::{Progress, Told};
use crate::units::megabytes;
use log::info;
use std::cell::Cell;
use std::rc::Rc;

/// A run under way.
struct Run<'a> {
    experiment: &'a Experiment,
    machine: Machine<'a>,
    dir: &'a RunDir,
    prompts: Vec<Vec<u32>>,
    /// The best that was measured: others may be at work on the machine.
    roof: Cell<f64>,
}

/// Checks that every method fits the device, running nothing, and says what each takes.
///
/// # Errors
/// A variant that can't be trained with; more memory than there is.
pub fn check(experiment: &Experiment, machine: Machine) -> Result<Vec<MemoryPlan>> {
    let most = machine.engine.adapter().storage_bytes;
    let plan = |method: &Method| {
        let plan = plan::planned(experiment, method, most, &machine.tuning)?;
        plan::fits(experiment, method, &plan, machine.engine)?;
        Ok(plan)
    };
    experiment.methods.iter().map(plan).collect()
}

/// Runs an experiment into a directory, or goes on with it.
///
/// # Errors
/// Whatever stops it; what is finished stays, and can be gone on with.
pub fn run(
    experiment: &Experiment,
    machine: Machine,
    dir: &RunDir,
    progress: &mut dyn Progress,
) -> Result<()> {
    let plans = check(experiment, machine)?;
    let all = Run { experiment, machine, dir, prompts: sample::prompts(experiment)?, roof: Cell::new(0.0) };
    let mut record =
        Methods { model: experiment.model_facts(), data: experiment.data_facts(), ..dir.methods() };
    info!("{}", described(&record));
    for (method, plan) in experiment.methods.iter().zip(plans) {
        let known = record.methods.iter().find(|own| own.name == method.name);
        if let Some(known) = known.filter(|own| dir.root().join(&own.written).exists()) {
            info!("{}: finished before, in {}", method.name, known.written);
            continue;
        }
        record.methods.retain(|own| own.name != method.name);
        let facts = all.method(method, plan, &mut record, progress)?;
        record.methods.push(facts);
        note(experiment, machine, dir, &record)?;
        for path in [dir.state(&method.name), best(dir, &method.name)] {
            let _ = std::fs::remove_file(path);
        }
    }
    note(experiment, machine, dir, &record)?;
    crate::report::language::write(dir.root())
}

/// Where the weights of the lowest validation loss are kept.
fn best(dir: &RunDir, method: &str) -> std::path::PathBuf {
    dir.state(&format!("{method}.best"))
}

/// The validation loss of what a method begins from, where it is known.
fn known_start(experiment: &Experiment, method: &Method, record: &Methods) -> Option<Loss> {
    let before = record.before.as_ref().filter(|_| Rc::ptr_eq(&method.model, &experiment.model))?;
    before.loss
}

impl Run<'_> {
    /// Weights as they are published, with the beginning of an adapter where one is trained.
    fn weights(&self, method: &Method) -> Result<Rc<Weights>> {
        let (engine, tuning) = (self.machine.engine, &self.machine.tuning);
        let mut weights = Weights::load(&method.model, engine, tuning)?;
        if let Trains::Adapter { adapter, .. } = &method.trains {
            weights.adapt(adapter, engine.adapter().storage_bytes, tuning);
            let table = weights.adapter_table().expect("just put there");
            weights.begin(&table, self.experiment.config.seed, engine)?;
        }
        Ok(Rc::new(weights))
    }

    /// FLOP/s of the adapter at best.
    fn measured(&self) -> Result<f64> {
        self.roof.set(roof::measure(self.machine.engine, &self.machine.tuning)?.max(self.roof.get()));
        Ok(self.roof.get())
    }

    fn samples(&self, weights: &Rc<Weights>) -> Result<Vec<Sample>> {
        let sampler = sample::sampler(self.experiment);
        let words = (&*self.experiment.model, &self.experiment.tokenizer, &sampler);
        let tokens = self.experiment.config.eval.sample_tokens;
        let most = self.experiment.model.decoder().context;
        let longest = self.prompts.iter().map(Vec::len).max().unwrap_or(0);
        let tokens = tokens.min(most.saturating_sub(longest));
        sample::go_on(&self.prompts, tokens, words, weights, self.machine.engine, &self.machine.tuning)
    }

    /// Trains one method, judges what came of it, and writes it.
    fn method(
        &self,
        method: &Method,
        plan: MemoryPlan,
        record: &mut Methods,
        progress: &mut dyn Progress,
    ) -> Result<MethodFacts> {
        let (experiment, engine, tuning) = (self.experiment, self.machine.engine, &self.machine.tuning);
        let weights = self.weights(method)?;
        let (groups, trained) = (method.groups(&weights), method.trained(&weights));
        let table = trainable(&weights);
        let coverage = Coverage::of(&table, &trained);
        info!("{}: {}", method.name, said(method, &coverage, experiment));
        info!("{}: {} planned: {}", method.name, megabytes(plan.bytes()), parts(&plan));
        let samples = match &record.before {
            None => Some(self.samples(&weights)?),
            Some(_) => None,
        };
        let finetune = &experiment.config.finetune;
        let training = Training {
            groups: &groups,
            room: experiment.room(),
            recompute: finetune.recompute,
            dropout: method.dropout(),
        };
        let mut learner = Learner::new(weights, &training, engine, tuning)?;
        if record.baselines.is_empty() {
            record.baselines = experiment.baselines();
        }
        if let Some(samples) = samples {
            let loss = validate::loss(experiment, &mut learner, experiment.room(), engine)?;
            record.before = Some(Judged { loss, samples });
            note(experiment, self.machine, self.dir, record)?;
        }
        let state_path = self.dir.state(&method.name);
        let resumed = state_path.exists();
        let at = match resumed {
            true => {
                let from = (&learner, &trained);
                let at = state::load(&state_path, method, from, &experiment.identity, true, engine)?;
                info!("{}: going on at step {} of {}", method.name, at.step, method.steps);
                at
            }
            false => At::default(),
        };
        let check = prove::gradient(experiment, &mut learner, &trained, method, engine)?;
        let say = |learner: &Learner| self.samples(learner.weights());
        let learning = Learning {
            say: &say,
            experiment,
            method,
            trained: &trained,
            machine: self.machine,
            state: state_path,
            best: best(self.dir, &method.name),
            roof: self.measured()?,
            start: known_start(experiment, method, record),
        };
        let finished = |name: &str| record.methods.iter().any(|own| own.name == name);
        let log = MetricsLog::open(&self.dir.metrics(), |line| {
            finished(&line.method) || (line.method == method.name && line.step < at.step)
        })?;
        let mut log = log.with_events(&self.dir.root().join("tensorboard"))?;
        let learned = learning.run(&mut learner, at, &mut Told { log: &mut log, progress })?;
        let (mut kept_step, mut loss) = (method.steps, learned.end);
        if let (Keep::Best, Some((_, step))) = (finetune.keep, learned.at.best)
            && step < method.steps
        {
            let from = (&learner, &trained);
            state::load(&learning.best, method, from, &experiment.identity, false, engine)?;
            kept_step = step;
            loss = validate::loss(experiment, &mut learner, experiment.room(), engine)?;
        }
        let held = engine.ledger().peak();
        let weights = learner.weights().clone();
        drop(learner);
        let after = Judged { loss, samples: self.samples(&weights)? };
        let moved = match &method.trains {
            Trains::Mask { .. } => moved::of_mask(&method.model, &weights, (&table, &trained), engine)?,
            Trains::Adapter { adapter, .. } => moved::of_adapter(&method.model, &weights, adapter, engine)?,
        };
        let written = write::write(experiment, method, (&weights, &trained), self.dir, engine)?;
        info!(
            "{}: {}; {} held at most; written to {}",
            method.name,
            judged(record, &after),
            megabytes(held),
            self.dir.root().join(&written).display()
        );
        Ok(MethodFacts {
            name: method.name.clone(),
            trains: method.words(),
            coverage: Some(coverage),
            steps: method.steps,
            kept_step,
            tokens: learned.at.tokens,
            train_s: learned.at.train_s,
            flops: learned.flops,
            roof: self.measured()?,
            planned: plan.rows,
            held,
            check,
            on_the_way: learned.said,
            after,
            moved,
            written,
        })
    }
}
