//! The gradient of a run's own loss, checked on this adapter before the first step.

use super::batches::counts_of;
use super::slopes::{self, Directions};
use super::{Experiment, Method};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::models::learn::{Batch, Capacity, Learner};
use crate::params::Spans;
use crate::store::methods::Slope;
use crate::text::Sequence;
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
    let batch = chosen(&experiment.texts.train, experiment.room());
    let group = [slopes::together(slopes::groups(learner, trained))];
    // At random too: where a gradient is nothing, no direction along it tells.
    let directions = Directions { along: 1, random: 1 };
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

/// A batch within a learner's room: the first sequences as far as there is room, or, where no token that counts is near
/// enough to a sequence's beginning, the beginning of the first with all that there is room for counted.
fn chosen(all: &[Sequence], room: Capacity) -> Batch {
    let (most, mut batch) = (CHECKED.min(room.rows), Batch::default());
    for sequence in all {
        let ids = &sequence.ids[..sequence.ids.len().min(most - batch.ids.len())];
        if ids.len() < 2 {
            break;
        }
        let within = sequence.counted.iter().map(|range| range.start..range.end.min(ids.len()));
        let counted: Vec<_> = within.filter(|range| range.start < range.end).collect();
        let count: usize = counted.iter().map(|range| range.len()).sum();
        let fits = batch.counted.len() + count <= room.counted && counts_of(&batch) < room.sequences;
        if count > 0 && fits {
            batch.add(ids, &counted);
        }
    }
    if let (true, Some(first)) = (batch.counted.is_empty(), all.first()) {
        let ids = &first.ids[..first.ids.len().min(most)];
        batch.push(ids, ids.len() - room.counted.min(ids.len() - 1));
    }
    batch.mean();
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_fits_and_is_never_nothing() {
        let of = |length: usize, first: usize| Sequence {
            ids: (0..length as u32).collect(),
            counted: std::iter::once(first..length).collect(),
        };
        let fits = |all: &[Sequence], rows: usize, counted: usize| {
            let batch = chosen(all, Capacity { counted, ..Capacity::any(rows) });
            assert!((2..=rows.min(CHECKED)).contains(&batch.ids.len()), "{}", batch.ids.len());
            assert!((1..=counted).contains(&batch.counted.len()), "{}", batch.counted.len());
            (batch.ids.len(), batch.counted.len())
        };
        assert_eq!(fits(&[of(64, 1), of(64, 1), of(64, 1)], 1000, 1000), (128, 126));
        // A long prompt beside short ones that count more.
        assert_eq!(fits(&[of(10, 1), of(10, 1), of(40, 37)], 40, 9), (10, 9));
        // Answers beyond what is checked.
        assert_eq!(fits(&[of(300, 280)], 300, 20), (128, 20));
        assert_eq!(fits(&[of(2, 1)], 2, 1), (2, 1));
    }

    #[test]
    fn a_gradient_that_is_off_is_told() {
        let slope = |gradient| Slope { gradient, slope: 1.0, allowed: 1e-3, ..Slope::default() };
        assert!(slope(1.0005).agrees() && slope(0.9995).agrees());
        assert!([1.01, 0.5, 0.0, -1.0, f64::NAN, f64::INFINITY].iter().all(|x| !slope(*x).agrees()));
    }
}
