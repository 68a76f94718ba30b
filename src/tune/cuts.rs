//! How products of matrices are best cut on a device that takes them in tiles.

use crate::bench::{Parity, work};
use crate::error::Result;
use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::kernels::layout::operand::textured;
use crate::kernels::tensor::matmul::{Cut, cases};

/// m, n and k of the products that are timed: a small model's projections at a few hundred tokens, and larger ones.
pub const SIZES: [[usize; 3]; 4] = [[512, 576, 576], [512, 1536, 576], [1024, 1024, 1024], [2048, 2048, 512]];

/// Samples of each; the median counts.
const SAMPLES: usize = 9;

/// Milliseconds of each of [`SIZES`], a cut each, the variant's own first; none where products are not cut.
///
/// # Errors
/// A red product; device failures.
pub fn measure(engine: &Engine, tuning: &Tuning) -> Result<Vec<(Cut, [f64; SIZES.len()])>> {
    if textured(tuning) {
        return Ok(Vec::new());
    }
    Parity::new(engine, tuning).verify("matmul")?;
    let others = Cut::all().into_iter().filter(|cut| *cut != tuning.cut);
    let cuts: Vec<Cut> = std::iter::once(tuning.cut).chain(others).collect();
    let tunings: Vec<Tuning> = cuts.iter().map(|cut| Tuning { cut: *cut, ..*tuning }).collect();
    let mut times: Vec<(Cut, [f64; SIZES.len()])> =
        cuts.iter().map(|cut| (*cut, [0.0; SIZES.len()])).collect();
    for (at, size) in SIZES.into_iter().enumerate() {
        for ((_, times), recording) in times.iter_mut().zip(cases::linear(size, &tunings)) {
            let work = work::launch("matmul", recording);
            let launches = work.launches(engine)?;
            let samples = (0..SAMPLES).map(|_| work.time(engine, launches)).collect::<Result<Vec<f64>>>()?;
            times[at] = super::sorted(samples)[SAMPLES / 2];
        }
    }
    Ok(times)
}

/// The cut whose times are least, each over the first's; the first stays unless another is clearly faster.
pub fn choose(times: &[(Cut, [f64; SIZES.len()])]) -> Option<(Cut, f64)> {
    let (own, base) = times.first()?;
    let ratio = |times: &[f64; SIZES.len()]| {
        let logs: f64 = times.iter().zip(base).map(|(a, b)| (a / b).ln()).sum();
        (logs / SIZES.len() as f64).exp()
    };
    let best = times.iter().map(|(cut, times)| (*cut, ratio(times))).min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(if best.1 <= 1.0 - super::MARGIN { best } else { (*own, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clearly_faster_cut_is_chosen() {
        let cuts = Cut::all();
        let timed =
            |factors: [f64; 3]| [0, 1, 2].map(|i| (cuts[i], [factors[i], 2.0 * factors[i], 3.0, 4.0]));
        assert_eq!(choose(&timed([1.0, 0.8, 0.9])).unwrap().0, cuts[1]);
        assert_eq!(choose(&timed([1.0, 0.99, 1.2])).unwrap(), (cuts[0], 1.0));
        assert_eq!(choose(&[]), None);
        assert!(cuts.iter().all(|cut| Cut::named(&cut.name()) == Some(*cut)));
    }
}
