//! That masks pay: training the value of the last layer alone against training everything, step beside step.

use super::{Parity, Turns, work};
use crate::error::Result;
use crate::gpu::Engine;
use crate::kernels::Tuning;
use serde::{Deserialize, Serialize};

/// Steps of one model with two masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// `masks: <model>`.
    pub name: String,
    /// Everything trained.
    pub all: Side,
    /// The value matrices of the last layer alone.
    pub value: Side,
    /// Time of `all` over that of `value`, pair by pair: median, and the middle half's ends.
    pub ratio: f64,
    /// The least ratio of the pairs.
    pub ratio_low: f64,
    /// The most.
    pub ratio_high: f64,
}

/// A step with one mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Median wall time of a step, milliseconds.
    pub ms: f64,
    /// Elements trained, and optimizer state in bytes.
    pub trained: usize,
    /// Bytes of moments.
    pub optimizer_bytes: usize,
}

/// Models of the zero-shot step: the paper's; one with a layer below the trained one, which needs no backward pass
/// then; one with a wider token. Few prompts for the larger ones: a ratio needs no more.
const MODELS: &[(&str, &[&str])] = &[
    ("d = 5, 1 layer, 1 head", &["model.layers=1"]),
    ("d = 5, 2 layers, 2 heads", &["model.layers=2", "model.heads=2", "finetune.batch=1000"]),
    ("d = 10, 1 layer, 1 head", &["task.dim=10", "finetune.batch=2000"]),
];

/// Times the pairs whose name `wanted` takes, one sample of each side in turn.
pub(super) fn run(
    engine: &Engine,
    tuning: &Tuning,
    parity: &mut Parity,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for (model, sets) in MODELS {
        let name = format!("masks: {model}");
        if wanted(&name) {
            pairs.push(pair(engine, tuning, parity, name, sets)?);
        }
    }
    Ok(pairs)
}

fn pair(engine: &Engine, tuning: &Tuning, parity: &mut Parity, name: String, sets: &[&str]) -> Result<Pair> {
    let mut experiment = work::paper(sets)?;
    let last = experiment.config.model.layers - 1;
    let value = format!("methods.zs-v.train=['layers.{last}.attn.v']");
    experiment = work::paper(&[sets, &[value.as_str()]].concat())?;
    experiment.plans.retain(|(method, _)| ["zs-all", "zs-v"].contains(&method.as_str()));
    let [all, value] = <[work::Work; 2]>::try_from(work::steps(&experiment, 1, tuning))
        .unwrap_or_else(|found| panic!("two methods of the paper, not {}", found.len()));
    all.stems.iter().chain(&value.stems).try_for_each(|stem| parity.verify(stem))?;

    let turns = Turns::take(engine, [&all, &value])?;
    let side = |work: &work::Work, ms: f64| Side {
        ms,
        trained: work.trained.unwrap_or(0),
        optimizer_bytes: work.optimizer_bytes.unwrap_or(0),
    };
    Ok(Pair {
        name,
        all: side(&all, turns.ms[0]),
        value: side(&value, turns.ms[1]),
        ratio: turns.ratio,
        ratio_low: turns.low,
        ratio_high: turns.high,
    })
}
