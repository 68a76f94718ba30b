//! All methods of an experiment, into a run directory.

use super::learn::Learning;
use super::slopes::{self, Directions};
use super::state::{self, At};
use super::{Experiment, Method, Trains, files, moved, plan, roof, sample, validate};
use crate::config::Keep;
use crate::error::{Error, Result};
use crate::job::Machine;
use crate::job::machine::{device, variant};
use crate::models::lm::adapter::module;
use crate::models::lm::train::{Batch, Learner, Training};
use crate::models::lm::{MemoryPlan, Weights};
use crate::params::{Coverage, Spans};
use crate::store::methods::{Judged, MethodFacts, Methods, Sample, Slope};
use crate::store::metrics::MetricsLog;
use crate::store::records::{PhaseInfo, RunInfo};
use crate::store::rundir::RunDir;
use crate::train::{Progress, Told};
use crate::units::{grouped, megabytes};
use log::info;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// Tokens of a sequence to validate on that a sample goes on behind, where nobody says.
const PROMPT: usize = 24;
/// Most tokens of the batch that a gradient is checked on before a run.
const CHECKED: usize = 128;

/// A run under way.
struct Run<'a> {
    experiment: &'a Experiment,
    machine: Machine<'a>,
    dir: &'a RunDir,
    prompts: Vec<Vec<u32>>,
    roof: f64,
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
pub fn run(experiment: &Experiment, machine: Machine, dir: &RunDir, progress: &mut dyn Progress) -> Result<()> {
    let plans = check(experiment, machine)?;
    let roof = roof::measure(machine.engine, &machine.tuning)?;
    let all = Run { experiment, machine, dir, prompts: prompts(experiment)?, roof };
    let mut record = Methods {
        model: experiment.model_facts(),
        data: experiment.data_facts(),
        ..dir.methods()
    };
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
        all.note(&record)?;
        for path in [dir.state(&method.name), best(dir, &method.name)] {
            let _ = std::fs::remove_file(path);
        }
    }
    all.note(&record)?;
    crate::report::language::write(dir.root())
}

/// Where the weights of the lowest validation loss are kept.
fn best(dir: &RunDir, method: &str) -> std::path::PathBuf {
    dir.state(&format!("{method}.best"))
}

/// One line about model and data.
fn described(record: &Methods) -> String {
    let (model, data) = (&record.model, &record.data);
    let mut line = format!(
        "{} of {} parameters on {} sequences of {} tokens ({} count), {} to validate on",
        model.name,
        grouped(model.parameters),
        grouped(data.train.sequences as u64),
        grouped(data.train.tokens as u64),
        grouped(data.train.counted as u64),
        data.validation.sequences
    );
    for (count, what) in [(data.dropped, "too long and left out"), (data.cut, "too long and cut")] {
        if count > 0 {
            line += &format!("; {count} {what}");
        }
    }
    line
}

/// What samples go on behind: what was asked for, or how sequences to validate on begin.
fn prompts(experiment: &Experiment) -> Result<Vec<Vec<u32>>> {
    let asked = &experiment.config.eval.samples;
    if experiment.config.eval.sample_tokens == 0 {
        return Ok(Vec::new());
    }
    if !asked.is_empty() {
        let start = experiment.model.start();
        let encode = |text: &String| {
            let ids = experiment.tokenizer.encode(text)?;
            let start = start.filter(|start| ids.first() != Some(start));
            Ok(start.into_iter().chain(ids).collect::<Vec<u32>>())
        };
        let all = asked.iter().map(encode).collect::<Result<Vec<_>>>()?;
        return match all.iter().position(Vec::is_empty) {
            Some(_) => Err(Error::config("eval.samples", "has an empty text in it; give words to go on behind")),
            None => Ok(all),
        };
    }
    let begin = |sequence: &crate::text::Sequence| {
        let counted = sequence.counted.first().map_or(1, |range| range.start);
        // A question as far as its answer, a text a little way.
        let length = if counted > 1 { counted } else { PROMPT.min(sequence.ids.len()) };
        sequence.ids[..length].to_vec()
    };
    let from = if experiment.texts.validation.is_empty() { &experiment.texts.train } else { &experiment.texts.validation };
    Ok(from.iter().take(2).map(begin).collect())
}

impl Run<'_> {
    /// Weights as they are published, with the beginning of an adapter where one is trained.
    fn weights(&self, method: &Method) -> Result<Rc<Weights>> {
        let (engine, tuning) = (self.machine.engine, &self.machine.tuning);
        let mut weights = Weights::load(&self.experiment.model, engine, tuning)?;
        if let Trains::Adapter { adapter, .. } = &method.trains {
            weights.adapt(adapter, engine.adapter().storage_bytes, tuning);
            let table = weights.adapter_table().expect("just put there");
            weights.begin(&table, self.experiment.config.seed, engine)?;
        }
        Ok(Rc::new(weights))
    }

    fn samples(&self, weights: &Rc<Weights>) -> Result<Vec<Sample>> {
        let words = (&self.experiment.model, &self.experiment.tokenizer);
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
        let table = crate::models::lm::train::trainable(&weights);
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
        if let Some(samples) = samples {
            let loss = validate::loss(experiment, &mut learner, experiment.room(), engine)?;
            record.before = Some(Judged { loss, samples });
            self.note(record)?;
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
        let check = self.check_gradient(&mut learner, &trained, method)?;
        let learning = Learning {
            experiment,
            method,
            trained: &trained,
            machine: self.machine,
            state: state_path,
            best: best(self.dir, &method.name),
            roof: self.roof,
        };
        let finished = |name: &str| record.methods.iter().any(|own| own.name == name);
        let mut log = MetricsLog::open(&self.dir.metrics(), |line| {
            finished(&line.method) || (line.method == method.name && line.step < at.step)
        })?;
        let learned = learning.run(&mut learner, at, &mut Told { log: &mut log, progress })?;
        let mut kept_step = method.steps;
        if let (Keep::Best, Some((_, step))) = (finetune.keep, learned.at.best)
            && step < method.steps
        {
            let from = (&learner, &trained);
            state::load(&learning.best, method, from, &experiment.identity, false, engine)?;
            kept_step = step;
        }
        let loss = validate::loss(experiment, &mut learner, experiment.room(), engine)?;
        let held = engine.ledger().peak();
        let weights = learner.weights().clone();
        drop(learner);
        let after = Judged { loss, samples: self.samples(&weights)? };
        let moved = match &method.trains {
            Trains::Mask { .. } => moved::of_mask(&experiment.model, &weights, (&table, &trained), engine)?,
            Trains::Adapter { adapter, .. } => moved::of_adapter(&experiment.model, &weights, adapter, engine)?,
        };
        let written = self.write(method, &weights, &trained)?;
        info!("{}: {}; {} held at most; written to {}", method.name, judged(record, &after), megabytes(held), self.dir.root().join(&written).display());
        Ok(MethodFacts {
            name: method.name.clone(),
            trains: method.words(),
            coverage: Some(coverage),
            steps: method.steps,
            kept_step,
            tokens: learned.at.tokens,
            train_s: learned.at.train_s,
            flops: learned.flops,
            roof: self.roof,
            planned: plan.rows,
            held,
            check,
            after,
            moved,
            written,
        })
    }

    /// A short check of the gradient on this adapter, of all that is trained together.
    fn check_gradient(&self, learner: &mut Learner, trained: &Spans, method: &Method) -> Result<Vec<Slope>> {
        let began = Instant::now();
        let mut batch = Batch::default();
        for sequence in &self.experiment.texts.train {
            let ids = &sequence.ids[..sequence.ids.len().min(CHECKED - batch.ids.len())];
            let counted: Vec<_> = sequence
                .counted
                .iter()
                .map(|range| range.start..range.end.min(ids.len()))
                .filter(|range| range.start < range.end)
                .collect();
            if !counted.is_empty() {
                batch.add(ids, &counted);
            }
            if batch.ids.len() + 2 > CHECKED.min(self.experiment.room().rows) {
                break;
            }
        }
        batch.mean();
        if batch.counted.is_empty() || batch.ids.len() > self.experiment.room().rows {
            return Ok(Vec::new());
        }
        let group = [slopes::together(slopes::groups(learner, trained))];
        let directions = Directions { along: 1, random: 0 };
        let found = slopes::check(learner, trained, &batch, &group, directions, self.machine.engine)?;
        match found.iter().find(|slope| !slope.agrees()) {
            Some(slope) => Err(Error::unfit(format!(
                "the gradient of `{}` is wrong on this adapter: {:.6e} where losses fall by {:.6e} (± {:.1e}); try another variant \
                 or driver",
                method.name, slope.gradient, slope.slope, slope.allowed
            ))),
            None => {
                let words = found.iter().map(|s| format!("{:.5e} by the gradient, {:.5e} by losses", s.gradient, s.slope));
                let words = words.collect::<Vec<_>>().join("; ");
                info!("{}: the gradient is right on this adapter ({words}; {:.1} s)", method.name, began.elapsed().as_secs_f64());
                Ok(found)
            }
        }
    }

    /// The model or the adapter, in a directory of the run.
    fn write(&self, method: &Method, weights: &Weights, trained: &Spans) -> Result<String> {
        let (experiment, engine) = (self.experiment, self.machine.engine);
        let base = &experiment.model;
        match &method.trains {
            Trains::Mask { .. } => {
                let written = format!("models/{}", method.name);
                let table = crate::models::lm::table::table(base.decoder());
                let path = self.dir.root().join(&written);
                self.replace(&path)?;
                files::model(&path, base, &experiment.tokenizer, experiment.config.record.dtype, &mut |name, sink| {
                    let place = table.get(name).expect("a name of the table").place();
                    match trained.within(place).is_empty() {
                        true => base.read(name, |piece| sink(piece)),
                        false => sink(&weights.read(engine, name)?),
                    }
                })?;
                Ok(written)
            }
            Trains::Adapter { lora, adapter } => {
                let written = format!("adapters/{}", method.name);
                let path = self.dir.root().join(&written);
                self.replace(&path)?;
                debug_assert!(adapter.weights.iter().all(|name| module(name) != name));
                files::adapter(&path, base, (lora, adapter), &mut |name, sink| sink(&weights.read(engine, name)?))?;
                Ok(written)
            }
        }
    }

    /// Makes room for what a run writes that was killed after it had written it and before it was noted.
    fn replace(&self, path: &Path) -> Result<()> {
        match path.exists() {
            true => std::fs::remove_dir_all(path).map_err(|e| Error::file(path, e)),
            false => Ok(()),
        }
    }

    fn note(&self, record: &Methods) -> Result<()> {
        self.dir.write_methods(record)?;
        let phase = |facts: &MethodFacts| PhaseInfo {
            phase: "finetune".into(),
            method: facts.name.clone(),
            steps: facts.steps,
            wall_s: facts.train_s,
            ms_per_step: 1e3 * facts.train_s / facts.steps.max(1) as f64,
            trained: facts.coverage.as_ref().map_or(0, |coverage| coverage.trained),
            parameters: facts.coverage.as_ref().map_or(0, |coverage| coverage.total),
            coverage: facts.coverage.clone(),
        };
        let phases: Vec<PhaseInfo> = record.methods.iter().map(phase).collect();
        let checks: serde_json::Map<String, serde_json::Value> = record
            .methods
            .iter()
            .map(|facts| (facts.name.clone(), serde_json::to_value(&facts.check).unwrap_or_default()))
            .collect();
        let facts = [
            ("description".to_string(), described(record).into()),
            ("gradient_checks".to_string(), serde_json::Value::Object(checks)),
        ];
        self.dir.write_info(&RunInfo {
            floe: env!("CARGO_PKG_VERSION").into(),
            device: device(self.machine),
            variant: variant(self.machine),
            seed: self.experiment.config.seed,
            identity: self.experiment.identity.record(),
            wall_s: phases.iter().map(|phase| phase.wall_s).sum(),
            phases,
            task: facts.into(),
        })
    }
}

/// What is trained, before the first step.
fn said(method: &Method, coverage: &Coverage, experiment: &Experiment) -> String {
    match &method.trains {
        Trains::Mask { .. } => coverage.to_string(),
        Trains::Adapter { adapter, .. } => {
            let all = experiment.model.decoder().parameters();
            let trained = coverage.trained;
            let share = 100.0 * trained as f64 / all as f64;
            let layers = coverage.groups.len();
            format!(
                "{}: trains {trained} elements of its own ({share:.2} % of the model's {all}), at {} weights in {layers} of {} layers",
                method.words(),
                adapter.weights.len(),
                experiment.model.decoder().layers
            )
        }
    }
}

fn judged(record: &Methods, after: &Judged) -> String {
    let before = record.before.as_ref().and_then(|judged| judged.loss);
    match (before, after.loss) {
        (Some(before), Some(after)) => format!("validation loss {:.4} → {:.4} nats a token", before.mean, after.mean),
        _ => "nothing to validate on".into(),
    }
}

/// The parts of a plan that matter.
fn parts(plan: &MemoryPlan) -> String {
    let large = plan.rows.iter().filter(|(_, bytes)| bytes * 100 > plan.bytes());
    large.map(|(label, bytes)| format!("{label} {}", megabytes(*bytes))).collect::<Vec<_>>().join(", ")
}
