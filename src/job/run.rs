//! The whole job behind `floe run`: pre-train, fine-tune by every method, evaluate, report.

pub mod extend;
pub mod several;

use super::Machine;
use super::family::{self, Family, announce, phase_info, phase_of, task_facts};
use super::machine::{device, variant};
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::models::Phase;
use crate::report;
use crate::store::metrics::MetricsLog;
use crate::store::records::{PhaseInfo, RunInfo};
use crate::store::rundir::RunDir;
use crate::store::scores::{Row, to_csv};
use crate::train::{Job, Progress, RING, State, Told, finished, state};
use log::info;
use std::path::Path;
use std::time::Instant;

/// Runs an experiment that passes [`family::check`] into a directory, or goes on with it.
///
/// # Errors
/// Whatever stops it; what is finished stays, and `--resume` goes on from there.
pub fn run(
    experiment: &dyn Family,
    machine: Machine,
    dir: &RunDir,
    progress: &mut dyn Progress,
) -> Result<()> {
    let began = Instant::now();
    info!("{}", experiment.description());
    let note = |phases: &[PhaseInfo], wall_s| {
        dir.write_info(&run_info(experiment, machine, phases.to_vec(), wall_s))
    };
    let (known, mut phases) = (dir.phases(), Vec::new());
    // From the first step on it is known what is run, and which variant to resume with.
    note(&known, known.iter().map(|phase| phase.wall_s).sum())?;
    let mut models: Vec<(String, Vec<f32>)> = Vec::new();
    let mut earlier = 0.0;
    for (name, plan) in experiment.phases() {
        let path = dir.checkpoint(name);
        let start = models.first().map_or_else(|| experiment.init(), |(_, pretrained)| pretrained.clone());
        let identity = experiment.identity().from(&start);
        if path.exists() {
            models.push((name.to_string(), finished::load(&path, experiment.table(), &identity, name)?));
            info!("{name}: finished before");
            let noted = known.iter().find(|phase| phase.method == name).cloned();
            let unknown = || phase_info(name, plan, &State::fresh(Vec::new()), experiment.table());
            let info = noted.unwrap_or_else(unknown);
            earlier += info.wall_s;
            phases.push(info);
            // A process killed between the two leaves both.
            remove(&dir.state(name))?;
            continue;
        }
        let (state, before) = phase(experiment, machine, dir, (name, plan, &identity), start, progress)?;
        earlier += before;
        let info = phase_info(name, plan, &state, experiment.table());
        phases.push(info.clone());
        // Before the model, which is what tells that the phase is finished.
        note(&phases, earlier + began.elapsed().as_secs_f64())?;
        finished::save(&path, experiment.table(), &state, &identity, &info)?;
        remove(&dir.state(name))?;
        models.push((name.to_string(), state.params));
    }
    phases.push(evaluate(experiment, machine, dir, &models)?);
    note(&phases, earlier + began.elapsed().as_secs_f64())?;
    report::write(dir.root())
}

/// Runs one phase, from its saved state if there is one. Also returns the seconds spent on it before.
fn phase(
    experiment: &dyn Family,
    machine: Machine,
    dir: &RunDir,
    (name, plan, identity): (&str, &dyn Phase, &Identity),
    start: Vec<f32>,
    progress: &mut dyn Progress,
) -> Result<(State, f64)> {
    let state_path = dir.state(name);
    let job =
        Job { phase: phase_of(name), method: name, plan, state_path: Some(state_path.clone()), identity };
    let state = if state_path.exists() {
        let state = state::load(&state_path, &job, experiment.table())?;
        info!("{name}: going on at step {} of {}", state.step, plan.steps());
        state
    } else {
        announce(name, plan, experiment.table());
        State::fresh(start)
    };
    // Lines of phases that are neither finished nor this one are left over from nothing.
    let done: Vec<&str> =
        experiment.phases().iter().map(|(n, _)| *n).filter(|n| dir.checkpoint(n).exists()).collect();
    let mut log = MetricsLog::open(&dir.metrics(), |line| {
        done.contains(&line.method.as_str()) || (line.method == name && line.step < state.step)
    })?;
    let before = state.wall_s;
    let step = experiment.step(&[(plan, state.start())], RING, machine);
    let told = Told { log: &mut log, progress };
    let trained = family::trainer(experiment, machine).run(&*step, &job, state, told)?;
    Ok((trained, before))
}

fn evaluate(
    experiment: &dyn Family,
    machine: Machine,
    dir: &RunDir,
    models: &[(String, Vec<f32>)],
) -> Result<PhaseInfo> {
    let began = Instant::now();
    let rows = experiment.test(models, machine)?;
    let fingerprint = experiment.identity().short();
    let table = |rows: &[Row]| to_csv(rows.iter().map(|row| (row, fingerprint.as_str())));
    dir.write("eval.csv", &table(&rows))?;
    dir.write("baselines.csv", &table(&experiment.references()?))?;
    let wall_s = began.elapsed().as_secs_f64();
    info!("evaluated {} models in {wall_s:.1} s", models.len());
    Ok(PhaseInfo { phase: "eval".into(), wall_s, parameters: experiment.table().len(), ..Default::default() })
}

fn run_info(experiment: &dyn Family, machine: Machine, phases: Vec<PhaseInfo>, wall_s: f64) -> RunInfo {
    RunInfo {
        floe: env!("CARGO_PKG_VERSION").into(),
        device: device(machine),
        variant: variant(machine),
        seed: experiment.config().seed,
        identity: experiment.identity().record(),
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
