//! What a method takes of a device's memory, before any of it is taken.

use super::{Experiment, Method, Trains};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::models::learn::{Training, plan};
use crate::models::lm::{MemoryPlan, Weights};
use crate::units::megabytes;

/// Weights, adapter, gradients, moments and activations, by label.
///
/// # Errors
/// A variant that can't be trained with; groups that share a vec4.
pub fn planned(
    experiment: &Experiment,
    method: &Method,
    most_bytes: u64,
    tuning: &Tuning,
) -> Result<MemoryPlan> {
    let mut weights = Weights::new(method.model.decoder(), most_bytes, tuning);
    if let Trains::Adapter { adapter, .. } = &method.trains {
        weights.adapt(adapter, most_bytes, tuning);
    }
    let groups = method.groups(&weights);
    let training = Training {
        groups: &groups,
        room: experiment.room(),
        recompute: experiment.config.finetune.recompute,
        dropout: method.dropout(),
    };
    plan(&weights, &training, tuning)
}

/// Holds that it is no more than there is.
///
/// # Errors
/// [`Error::OutOfMemory`] in words, with the keys that lower it.
pub fn fits(experiment: &Experiment, method: &Method, plan: &MemoryPlan, engine: &Engine) -> Result<()> {
    let asked = experiment.config.finetune.memory_gb;
    let (most, what) = match asked > 0.0 {
        true => ((asked * 1e9) as u64, "finetune.memory_gb allows"),
        false => match free(engine) {
            Some(bytes) => (bytes, "the device has free"),
            None => return Ok(()),
        },
    };
    let need = plan.bytes();
    if need <= most {
        return Ok(());
    }
    let config = &experiment.config;
    let mut keys = vec![
        format!("finetune.batch = {}", config.finetune.batch),
        format!("task.context = {}", config.task.context),
    ];
    if !config.finetune.recompute {
        keys.push("finetune.recompute = false".into());
    }
    if matches!(method.trains, Trains::Mask { .. }) {
        keys.push(format!("what methods.{} trains", method.name));
        keys.push("finetune.optimizer.rule (sgd keeps one moment)".into());
    }
    let largest = plan
        .rows
        .first()
        .map_or(String::new(), |(label, bytes)| format!(", {} of it {label}", megabytes(*bytes)));
    Err(Error::Usage(format!(
        "method `{}` takes {} of device memory{largest}; {what} {}; what lowers it: {}",
        method.name,
        megabytes(need),
        megabytes(most),
        keys.join(", ")
    )))
}

/// Bytes that are free, where that can be told: a software adapter has the host's memory.
fn free(engine: &Engine) -> Option<u64> {
    if !engine.adapter().is_software() {
        return None;
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
}
