//! The gradient of a run's own loss, checked on this adapter before the first step.

use super::slopes::{self, Directions};
use super::{Experiment, Method};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::models::lm::train::{Batch, Learner};
use crate::params::Spans;
use crate::store::methods::Slope;
use log::info;
use std::time::Instant;

/// Most tokens of the batch that it is checked on.
const CHECKED: usize = 128;

/// A short check of the gradient on this adapter, of all that is trained together.
pub fn gradient(
    experiment: &Experiment,
    learner: &mut Learner,
    trained: &Spans,
    method: &Method,
    engine: &Engine,
) -> Result<Vec<Slope>> {
    let began = Instant::now();
    let mut batch = Batch::default();
    for sequence in &experiment.texts.train {
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
        if batch.ids.len() + 2 > CHECKED.min(experiment.room().rows) {
            break;
        }
    }
    batch.mean();
    if batch.counted.is_empty() || batch.ids.len() > experiment.room().rows {
        return Ok(Vec::new());
    }
    let group = [slopes::together(slopes::groups(learner, trained))];
    let directions = Directions { along: 1, random: 0 };
    let found = slopes::check(learner, trained, &batch, &group, directions, engine)?;
    match found.iter().find(|slope| !slope.agrees()) {
        Some(slope) => Err(Error::unfit(format!(
            "the gradient of `{}` is wrong on this adapter: {:.6e} where losses fall by {:.6e} (± {:.1e}); try another variant \
             or driver",
            method.name, slope.gradient, slope.slope, slope.allowed
        ))),
        None => {
            let words = found
                .iter()
                .map(|s| format!("{:.5e} by the gradient, {:.5e} by losses", s.gradient, s.slope));
            let words = words.collect::<Vec<_>>().join("; ");
            info!(
                "{}: the gradient is right on this adapter ({words}; {:.1} s)",
                method.name,
                began.elapsed().as_secs_f64()
            );
            Ok(found)
        }
    }
}
