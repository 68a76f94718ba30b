//! Many models at once: what the axes of a sweep cross to, trained and tested in batches that share their prompts.

mod batch;
mod members;
mod seeds;

pub use members::{Member, Members};
pub use seeds::summarise;

use crate::error::Result;
use crate::job::Machine;
use crate::job::family::{Named, task_facts};
use crate::job::machine::{device, variant};
use crate::report;
use crate::store::metrics::MetricsLog;
use crate::store::records::{AxisRecord, BatchRecord, MemberRecord, SweepInfo};
use crate::store::results::{self, Outcome};
use crate::store::rundir::RunDir;
use crate::store::scores::Row;
use crate::train::Progress;
use batch::Trained;
use log::info;
use std::collections::BTreeMap;
use std::time::Instant;

/// Runs a sweep that passes [`Members::check`] into a directory, or goes on with it.
///
/// A model whose loss or parameters are no longer finite is noted and has no checkpoint; the others go on.
///
/// # Errors
/// Whatever stops it. Batches that are finished stay, and `--resume` goes on behind them.
pub fn run(members: &Members, machine: Machine, dir: &RunDir, progress: &mut dyn Progress) -> Result<()> {
    let began = Instant::now();
    let batches = members.batches(machine)?;
    let (earlier, mut trained) = batch::finished(members, &batches, dir)?;
    info!(
        "{} models in {} batches: {}",
        members.list.len(),
        batches.len(),
        members.experiments[0].description()
    );
    let mut log = MetricsLog::open(&dir.metrics(), |line| {
        members.list.iter().zip(&trained).any(|(m, t)| m.model == line.method && t.is_some())
    })?;
    let (earlier, mut notes) = (earlier.wall_s, earlier.batches);
    for (number, batch) in batches.iter().enumerate() {
        if batch.iter().all(|&i| trained[i].is_some()) {
            continue;
        }
        let name = format!("{}/{} {} × {}", number + 1, batches.len(), members.loss(batch[0]), batch.len());
        let which = (number + 1, name.as_str(), batch.as_slice());
        let (note, ended) = batch::train(members, machine, which, (&mut log, progress), &mut trained)?;
        notes.retain(|old| old.number != note.number);
        notes.push(note);
        let write = |trained: &[Option<Trained>]| {
            write_info(members, machine, dir, trained, &notes, earlier + began.elapsed().as_secs_f64())
        };
        write(&trained)?;
        batch::keep(members, dir, ended, &mut trained)?;
        write(&trained)?;
    }
    let trained: Vec<Trained> = trained.into_iter().flatten().collect();
    let since = Instant::now();
    let rows = evaluate(members, machine, &trained)?;
    info!("evaluated {} models in {:.1} s", members.list.len(), since.elapsed().as_secs_f64());
    let keys: Vec<String> = members.axes.iter().map(|axis| axis.key.clone()).collect();
    let fingerprint = members.identity.short();
    dir.write("results.csv", &results::results_csv(&keys, &rows, &fingerprint))?;
    dir.write("summary.csv", &results::summary_csv(&keys, &summarise(&keys, &rows), &fingerprint))?;
    let all: Vec<Option<Trained>> = trained.into_iter().map(Some).collect();
    write_info(members, machine, dir, &all, &notes, earlier + began.elapsed().as_secs_f64())?;
    report::sweep::write(dir.root())
}

/// Test errors of all members, in their order; NaN of those that diverged.
fn evaluate(members: &Members, machine: Machine, trained: &[Trained]) -> Result<Vec<Outcome>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for group in members.tested_alike() {
        let experiment = &members.experiments[members.list[group[0]].experiment];
        let alive = group.iter().filter(|&&i| trained[i].diverged.is_none());
        let named: Vec<Named> =
            alive.map(|&i| (members.list[i].model.clone(), trained[i].params.clone())).collect();
        for row in experiment.test(&named, machine)? {
            rows.entry(row.model.clone()).or_default().push(row);
        }
        for &i in group.iter().filter(|&&i| trained[i].diverged.is_some()) {
            let model = &members.list[i].model;
            let lost = |(task, shots)| {
                let (mean, stderr) = (f64::NAN, None);
                Row { model: model.clone(), task, shots, mean, stderr, exact: None }
            };
            rows.insert(model.clone(), experiment.points().into_iter().map(lost).collect());
        }
    }
    let of = |member: &Member| {
        let (method, values) = (member.method.clone(), member.values.clone());
        let rows = rows.remove(&member.model).unwrap_or_default();
        rows.into_iter().map(move |row| Outcome {
            model: row.model,
            method: method.clone(),
            values: values.clone(),
            task: row.task,
            shots: row.shots,
            mean: row.mean,
            stderr: row.stderr,
            exact: row.exact,
        })
    };
    Ok(members.list.iter().flat_map(of).collect())
}

/// Writes `sweep.json`: the members finished so far.
fn write_info(
    members: &Members,
    machine: Machine,
    dir: &RunDir,
    trained: &[Option<Trained>],
    batches: &[BatchRecord],
    wall_s: f64,
) -> Result<()> {
    let list = members.list.iter().enumerate().zip(trained).filter_map(|((i, member), trained)| {
        let trained = trained.as_ref()?;
        let (phase, experiment) = (members.phase(i), &members.experiments[member.experiment]);
        let whole = trained.diverged.is_none();
        Some(MemberRecord {
            checkpoint: whole.then(|| format!("checkpoints/{}.safetensors", member.file)),
            diverged_at: trained.diverged,
            fingerprint: experiment.identity().short(),
            method: member.method.clone(),
            model: member.model.clone(),
            parameters: Some(experiment.table().len() as u64),
            steps: phase.steps(),
            trained: phase.train().len(),
            values: member.values.clone(),
        })
    });
    let axes = members.axes.iter().map(|a| AxisRecord { key: a.key.clone(), values: a.values.clone() });
    dir.write_sweep(&SweepInfo {
        floe: env!("CARGO_PKG_VERSION").into(),
        device: device(machine),
        variant: variant(machine),
        identity: members.identity.record(),
        wall_s,
        axes: axes.collect(),
        members: list.collect(),
        batches: batches.to_vec(),
        task: task_facts(&*members.experiments[0]),
    })
}
