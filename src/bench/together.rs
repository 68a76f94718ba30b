//! What a step of many models that share their prompts costs, against a step of one of them.

use super::{Parity, Turns, work};
use crate::error::Result;
use crate::gpu::Engine;
use crate::kernels::Tuning;
use serde::{Deserialize, Serialize};

/// Models that train side by side.
pub const MODELS: usize = 32;

/// A step of [`MODELS`] models and of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// `together: <what they train on>`.
    pub name: String,
    /// How many share their prompts.
    pub models: usize,
    /// Median wall time of a step of all models, and of one alone, milliseconds.
    pub ms: f64,
    /// Milliseconds of one model's step.
    pub one_ms: f64,
    /// Time of all over that of one, pair by pair: median, and the middle half's ends.
    pub ratio: f64,
    /// The least ratio of the pairs.
    pub ratio_low: f64,
    /// The most.
    pub ratio_high: f64,
}

/// Times the phases whose name `wanted` takes, one sample of each side in turn.
pub(super) fn run(
    engine: &Engine,
    tuning: &Tuning,
    parity: &mut Parity,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Shared>> {
    let mut out = Vec::new();
    for (phase, what) in [("pretrained", "pre-training"), ("zs-all", "zs"), ("zsfs-all", "zs+fs")] {
        let name = format!("together: {what}, {MODELS} models");
        if !wanted(&name) {
            continue;
        }
        let mut experiment = work::paper(&[])?;
        experiment.plans.retain(|(method, _)| method == phase);
        let [one, all] = [1, MODELS].map(|models| work::steps(&experiment, models, tuning).remove(0));
        one.stems.iter().chain(&all.stems).try_for_each(|stem| parity.verify(stem))?;
        let turns = Turns::take(engine, [&all, &one])?;
        let [ms, one_ms] = turns.ms;
        let (ratio, ratio_low, ratio_high) = (turns.ratio, turns.low, turns.high);
        out.push(Shared { name, models: MODELS, ms, one_ms, ratio, ratio_low, ratio_high });
    }
    Ok(out)
}
