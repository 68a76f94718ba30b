//! How many tokens a chunk of linear attention takes best on a device.

use crate::bench::{Parity, work};
use crate::error::Result;
use crate::gpu::{Engine, Recording};
use crate::kernels::Tuning;
use crate::linear_attention::{LinearAttention, Options, Shape};

/// What is compared; the variant's own is among them.
pub const LENGTHS: [usize; 3] = [32, 64, 128];

/// What is timed, forward and backward: without the delta rule, and with it and decay.
pub const WHAT: [&str; 2] = ["linear", "gated_delta"];

/// Four sequences of a layer that two cores train.
const SHAPE: Shape = Shape { batch: 4, tokens: 512, heads: 4, groups: 4, keys: 64, values: 64 };

/// Samples of each, in turn; the median counts.
const SAMPLES: usize = 9;

/// Milliseconds of each of [`WHAT`], a length each, the variant's own first.
///
/// # Errors
/// Red kernels; device failures.
pub fn measure(engine: &Engine, tuning: &Tuning) -> Result<Vec<(usize, [f64; WHAT.len()])>> {
    Parity::new(engine, tuning).verify("chunk_product")?;
    let others = LENGTHS.into_iter().filter(|length| *length != tuning.chunk);
    let lengths: Vec<usize> = std::iter::once(tuning.chunk).chain(others).collect();
    let mut times: Vec<(usize, [f64; WHAT.len()])> =
        lengths.iter().map(|length| (*length, [0.0; WHAT.len()])).collect();
    for at in 0..WHAT.len() {
        let mut works = Vec::new();
        for length in &lengths {
            let options =
                Options { decay: at == 1, delta: at == 1, chunk: Some(*length), ..Options::default() };
            let layer = LinearAttention::new(SHAPE, options, engine, tuning)?;
            let mut both = Recording::default();
            layer.recordings().iter().for_each(|one| both.extend(one.clone()));
            let work = work::launch("chunk_product", both);
            let launches = work.launches(engine)?;
            works.push((layer, work, launches));
        }
        let mut samples = vec![Vec::new(); works.len()];
        for round in 0..SAMPLES {
            for turn in 0..works.len() {
                // Each takes its turn to come first.
                let i = (turn + round) % works.len();
                let (_, work, launches) = &works[i];
                samples[i].push(work.time(engine, *launches)?);
            }
        }
        for ((_, times), own) in times.iter_mut().zip(samples) {
            times[at] = super::sorted(own)[SAMPLES / 2];
        }
    }
    Ok(times)
}

/// The length whose times are least, each over the first's; the first stays unless another is clearly faster.
pub fn choose(times: &[(usize, [f64; WHAT.len()])]) -> Option<(usize, f64)> {
    let (own, base) = times.first()?;
    let ratio = |times: &[f64; WHAT.len()]| {
        let logs: f64 = times.iter().zip(base).map(|(a, b)| (a / b).ln()).sum();
        (logs / WHAT.len() as f64).exp()
    };
    let all = times.iter().map(|(length, times)| (*length, ratio(times)));
    let best = all.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(if best.1 <= 1.0 - super::MARGIN { best } else { (*own, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clearly_faster_length_is_chosen() {
        let timed = |a: f64, b: f64| [(64, [1.0, 4.0]), (32, [a, 4.0 * a]), (128, [b, 4.0 * b])];
        assert_eq!(choose(&timed(0.8, 0.9)).unwrap().0, 32);
        assert_eq!(choose(&timed(1.2, 0.97)), Some((64, 1.0)));
        assert_eq!(choose(&[]), None);
    }
}
