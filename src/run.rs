//! The whole job behind `floe run`: pre-train, fine-tune by every method, evaluate, report.

pub mod extend;
pub mod several;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::{self, Evaluator, Row};
use crate::fingerprint::Identity;
use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::methods;
use crate::metrics::MetricsLog;
use crate::model::{self, Plan};
use crate::params::{Coverage, Param, ParamTable};
use crate::profile::Profile;
use crate::report::{self, PRETRAINED};
use crate::rng::{self, Stream};
use crate::rundir::{self, Chosen, PhaseInfo, RunDir, RunInfo};
use crate::tasks::{self, Problem};
use crate::train::{self, Job, Progress, State, Trainer};
use log::info;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// A device and how kernels split their work on it.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    pub engine: &'a Engine,
    pub tuning: Tuning,
    /// Who chose the split, for the record.
    pub chosen: Chosen,
    /// Times every launch of training if given.
    pub profile: Option<&'a RefCell<Profile>>,
}

impl<'a> Machine<'a> {
    /// A device and a split that nobody chose, without timing.
    pub fn new(engine: &'a Engine, tuning: Tuning) -> Self {
        Machine { engine, tuning, chosen: Chosen::Default, profile: None }
    }
}

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
        let table = model::table(&config.model, problem.dim + 2);
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

/// Runs an experiment that passes [`Experiment::check`] into a directory, or goes on with it.
///
/// # Errors
/// Whatever stops it; what is finished stays, and `--resume` goes on from there.
pub fn run(
    experiment: &Experiment,
    machine: Machine,
    dir: &RunDir,
    progress: &mut dyn Progress,
) -> Result<()> {
    let began = Instant::now();
    let trainer = experiment.trainer(machine);
    info!("{}", experiment.problem.description);
    let note = |phases: &[PhaseInfo], wall_s| {
        dir.write_info(&run_info(experiment, machine, phases.to_vec(), wall_s))
    };
    let (known, mut phases) = (dir.phases(), Vec::new());
    // From the first step on it is known what is run, and which variant to resume with.
    note(&known, known.iter().map(|phase| phase.wall_s).sum())?;
    let mut models: Vec<(String, Vec<f32>)> = Vec::new();
    let mut earlier = 0.0;
    for (name, plan) in &experiment.plans {
        let path = dir.checkpoint(name);
        let start = models.first().map_or_else(|| experiment.init(), |(_, pretrained)| pretrained.clone());
        let identity = experiment.identity.from(&start);
        if path.exists() {
            models.push((name.clone(), rundir::load_finished(&path, &experiment.table, &identity, name)?));
            info!("{name}: finished before");
            let noted = known.iter().find(|phase| phase.method == *name).cloned();
            let unknown = || phase_info(name, plan, &State::fresh(Vec::new()), experiment.table.len());
            let info = noted.unwrap_or_else(unknown);
            earlier += info.wall_s;
            phases.push(info);
            // A process killed between the two leaves both.
            remove(&dir.state(name))?;
            continue;
        }
        let (state, before) = phase(experiment, &trainer, dir, (name, plan, &identity), start, progress)?;
        earlier += before;
        let info = phase_info(name, plan, &state, experiment.table.len());
        phases.push(info.clone());
        // Before the model, which is what tells that the phase is finished.
        note(&phases, earlier + began.elapsed().as_secs_f64())?;
        rundir::save_model(&path, &experiment.table, &state, &identity, &info)?;
        remove(&dir.state(name))?;
        models.push((name.clone(), state.params));
    }
    phases.push(evaluate(experiment, machine, dir, &models)?);
    note(&phases, earlier + began.elapsed().as_secs_f64())?;
    report::write(dir.root())
}

/// Says what a phase is to train, before its first step: a pattern may reach less than was meant.
pub fn announce(name: &str, plan: &Plan, table: &ParamTable) {
    info!("{name} {}", Coverage::of(table, &plan.train));
}

/// Runs one phase, from its saved state if there is one. Also returns the seconds spent on it before.
fn phase(
    experiment: &Experiment,
    trainer: &Trainer,
    dir: &RunDir,
    (name, plan, identity): (&str, &Plan, &Identity),
    start: Vec<f32>,
    progress: &mut dyn Progress,
) -> Result<(State, f64)> {
    let state_path = dir.state(name);
    let job =
        Job { phase: phase_of(name), method: name, plan, state_path: Some(state_path.clone()), identity };
    let state = if state_path.exists() {
        let state = train::load_state(&state_path, &job, &experiment.table)?;
        info!("{name}: going on at step {} of {}", state.step, plan.steps);
        state
    } else {
        announce(name, plan, &experiment.table);
        State::fresh(start)
    };
    // Lines of phases that are neither finished nor this one are left over from nothing.
    let done: Vec<&String> =
        experiment.plans.iter().map(|(n, _)| n).filter(|n| dir.checkpoint(n).exists()).collect();
    let mut log = MetricsLog::open(&dir.metrics(), |line| {
        done.contains(&&line.method) || (line.method == name && line.step < state.step)
    })?;
    let before = state.wall_s;
    Ok((trainer.run(&job, state, &mut log, progress)?, before))
}

fn evaluate(
    experiment: &Experiment,
    machine: Machine,
    dir: &RunDir,
    models: &[(String, Vec<f32>)],
) -> Result<PhaseInfo> {
    let began = Instant::now();
    let evaluator = experiment.evaluator(machine);
    let rows = evaluator.models(models)?;
    let fingerprint = experiment.identity.short();
    let table = |rows: &[Row]| eval::to_csv(rows.iter().map(|row| (row, fingerprint.as_str())));
    dir.write("eval.csv", &table(&rows))?;
    dir.write("baselines.csv", &table(&experiment.references()?))?;
    let wall_s = began.elapsed().as_secs_f64();
    info!("evaluated {} models in {wall_s:.1} s", models.len());
    Ok(PhaseInfo {
        phase: "eval".into(),
        method: String::new(),
        steps: 0,
        wall_s,
        ms_per_step: 0.0,
        trained: 0,
        parameters: experiment.table.len(),
    })
}

/// What is noted of an experiment's data.
pub fn task_facts(experiment: &Experiment) -> BTreeMap<String, serde_json::Value> {
    let mut task = experiment.problem.facts.clone();
    task.insert("description".into(), experiment.problem.description.clone().into());
    task
}

/// What is noted of how kernels split their work.
pub fn variant(machine: Machine) -> BTreeMap<&'static str, serde_json::Value> {
    let tuning = machine.tuning;
    [
        ("name", tuning.name.into()),
        ("chosen", serde_json::to_value(machine.chosen).expect("a word")),
        ("workgroup", tuning.workgroup.into()),
        ("lanes", tuning.lanes.into()),
        ("update", tuning.update.into()),
        ("subgroup", tuning.subgroup.into()),
        ("shared", tuning.shared.into()),
        ("group", tuning.group.into()),
        ("resident", tuning.resident.into()),
        ("compile", tuning.compile.into()),
        ("fused", tuning.fused.into()),
        ("moments", tuning.moments.into()),
    ]
    .into()
}

fn run_info(experiment: &Experiment, machine: Machine, phases: Vec<PhaseInfo>, wall_s: f64) -> RunInfo {
    RunInfo {
        floe: env!("CARGO_PKG_VERSION"),
        device: machine.engine.adapter().clone(),
        variant: variant(machine),
        seed: experiment.config.seed,
        identity: experiment.identity.record(),
        wall_s,
        phases,
        task: task_facts(experiment),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, e)),
        _ => Ok(()),
    }
}
