//! What is said and written of a run: lines, records and a table.

use super::{Experiment, Method, Trains};
use crate::error::Result;
use crate::job::Machine;
use crate::job::machine::{device, variant};
use crate::models::lm::MemoryPlan;
use crate::params::Coverage;
use crate::store::methods::{Judged, MethodFacts, Methods};
use crate::store::records::{PhaseInfo, RunInfo};
use crate::store::rundir::RunDir;
use crate::units::{grouped, megabytes};

/// Writes what is known so far: `methods.json`, `methods.csv` and `run.json`.
pub fn note(experiment: &Experiment, machine: Machine, dir: &RunDir, record: &Methods) -> Result<()> {
    dir.write_methods(record)?;
    dir.write("methods.csv", &csv(record))?;
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
    dir.write_info(&RunInfo {
        floe: env!("CARGO_PKG_VERSION").into(),
        device: device(machine),
        variant: variant(machine),
        seed: experiment.config.seed,
        identity: experiment.identity.record(),
        wall_s: phases.iter().map(|phase| phase.wall_s).sum(),
        phases,
        task: facts.into(),
    })
}

/// One line about model and data.
pub fn described(record: &Methods) -> String {
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

/// What is trained, before the first step.
pub fn said(method: &Method, coverage: &Coverage, experiment: &Experiment) -> String {
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

pub fn judged(record: &Methods, after: &Judged) -> String {
    let before = record.before.as_ref().and_then(|judged| judged.loss);
    match (before, after.loss) {
        (Some(before), Some(after)) => {
            format!("validation loss {:.4} → {:.4} nats a token", before.mean, after.mean)
        }
        _ => "nothing to validate on".into(),
    }
}

/// A row a method.
fn csv(record: &Methods) -> String {
    let header = [
        "method",
        "trains",
        "trained",
        "parameters",
        "loss_before",
        "loss_before_stderr",
        "loss",
        "loss_stderr",
        "counted",
        "steps",
        "kept_step",
        "tokens",
        "train_s",
        "planned_bytes",
        "held_bytes",
        "written",
    ];
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Memory takes every write.
    let _ = writer.write_record(header);
    let before = record.before.as_ref().and_then(|judged| judged.loss);
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    for own in &record.methods {
        let planned: u64 = own.planned.iter().map(|(_, bytes)| bytes).sum();
        let after = own.after.loss;
        let _ = writer.write_record([
            own.name.clone(),
            own.trains.clone(),
            own.coverage.as_ref().map_or(0, |coverage| coverage.trained).to_string(),
            record.model.parameters.to_string(),
            number(before.map(|loss| loss.mean)),
            number(before.and_then(|loss| loss.stderr)),
            number(after.map(|loss| loss.mean)),
            number(after.and_then(|loss| loss.stderr)),
            after.map_or(0, |loss| loss.tokens).to_string(),
            own.steps.to_string(),
            own.kept_step.to_string(),
            own.tokens.to_string(),
            own.train_s.to_string(),
            planned.to_string(),
            own.held.to_string(),
            own.written.clone(),
        ]);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The parts of a plan that matter.
pub fn parts(plan: &MemoryPlan) -> String {
    let large = plan.rows.iter().filter(|(_, bytes)| bytes * 100 > plan.bytes());
    large.map(|(label, bytes)| format!("{label} {}", megabytes(*bytes))).collect::<Vec<_>>().join(", ")
}
