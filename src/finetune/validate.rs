//! Loss on what was kept back.

use super::Experiment;
use super::batches::in_order;
use crate::error::Result;
use crate::gpu::Engine;
use crate::interrupt;
use crate::models::learn::{Batch, Capacity, Learner};
use crate::store::methods::Loss;

/// Bytes that the tokens that count stand for.
fn bytes(experiment: &Experiment, batches: &[(Batch, Vec<usize>)]) -> usize {
    let of = |id: u32| experiment.tokenizer.bytes(id).map_or(0, |bytes| bytes.len());
    batches.iter().flat_map(|(batch, _)| &batch.counted).map(|own| of(own.target)).sum()
}

/// Nats a token, and their standard error over sequences; none where nothing was kept back.
///
/// # Errors
/// A device failure; [`Error::Interrupted`](crate::Error::Interrupted).
pub fn loss(
    experiment: &Experiment,
    learner: &mut Learner,
    room: Capacity,
    engine: &Engine,
) -> Result<Option<Loss>> {
    let all = &experiment.texts.validation;
    let batches = in_order(all, room, experiment.row(), experiment.config.eval.rows);
    // Nats and tokens of each sequence.
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for (batch, counts) in &batches {
        interrupt::check(|| "validation".into())?;
        let losses = learner.losses(engine, batch)?;
        let mut from = 0;
        for count in counts {
            let nats = losses[from..from + count].iter().map(|x| f64::from(*x)).sum();
            sums.push((nats, *count as f64));
            from += count;
        }
    }
    if sums.is_empty() {
        return Ok(None);
    }
    let (nats, tokens) = sums.iter().fold((0.0, 0.0), |(a, b), (nats, tokens)| (a + nats, b + tokens));
    let mean = nats / tokens;
    // Of a ratio of sums (Cochran 1977, 6.4).
    let count = sums.len() as f64;
    let squares: f64 = sums.iter().map(|(nats, tokens)| (nats - mean * tokens).powi(2)).sum();
    let stderr = (sums.len() > 1).then(|| (squares * count / (count - 1.0)).sqrt() / tokens);
    Ok(Some(Loss { mean, stderr, tokens: tokens as usize, bytes: bytes(experiment, &batches) }))
}
