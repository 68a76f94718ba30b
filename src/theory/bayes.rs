//! The least error that any learner reaches from n demonstrations.

use super::Setting;
use super::optima::mean_square;
use crate::config::Theta;
use crate::error::Result;
use crate::interrupt;
use crate::linalg::{apply, dot, trace};
use crate::random::splitmix::SplitMix64;

/// Sampled designs; the standard error is then below 1% of the excess error.
const DESIGNS: usize = 4096;

/// Error (mean squared, against the noisy y_q) of the best linear estimator from `shots` demonstrations, and
/// the standard error of that mean: σ² + E tr(Σ (XᵀX/σ² + I/κ)⁻¹) with κ = [`mean_square`], over sampled X.
///
/// Ridge with that prior is Bayes' rule for θ ~ N(0, I), so there it is the floor for every method; on the
/// sphere it is the floor for estimators linear in y. The same X serve every n, so the curve is smooth.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted).
pub fn bayes(setting: &Setting, law: Theta, shots: &[usize]) -> Result<Vec<(f64, f64)>> {
    let d = setting.dim;
    let most = shots.iter().copied().max().unwrap_or(0);
    let prior = mean_square(d, law);
    let mut rng = SplitMix64::new(0x0bae_5eed);
    let mut sums = vec![(0.0, 0.0); most + 1];
    for _ in 0..DESIGNS {
        let mut post = vec![0.0; d * d];
        for i in 0..d {
            post[i * d + i] = prior;
        }
        for (n, sum) in sums.iter_mut().enumerate() {
            interrupt::check(|| "the Bayes floor".into())?;
            if n > 0 {
                let g: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
                observe(&mut post, &apply(&setting.factor, &g), setting.noise, prior);
            }
            let excess = dot(&setting.cov, &post).max(0.0);
            sum.0 += excess;
            sum.1 += excess * excess;
        }
    }
    let count = DESIGNS as f64;
    let estimate = |n: &usize| match *n {
        0 => (setting.noise + prior * trace(&setting.cov, d), 0.0),
        n => {
            let mean = sums[n].0 / count;
            let variance = (sums[n].1 / count - mean * mean).max(0.0);
            (setting.noise + mean, (variance / (count - 1.0)).sqrt())
        }
    };
    Ok(shots.iter().map(estimate).collect())
}

/// Conditions the posterior covariance of θ [d, d] on one y = θ·x + ε.
fn observe(post: &mut [f64], x: &[f64], noise: f64, prior: f64) {
    let d = x.len();
    let gain = apply(post, x);
    let seen = dot(x, &gain);
    // Without noise d examples settle θ; what is left of `post` is then rounding and must not be divided by.
    if seen <= 1e-10 * prior * dot(x, x) && noise == 0.0 {
        return;
    }
    let scale = 1.0 / (seen + noise);
    for i in 0..d {
        for j in 0..d {
            post[i * d + j] -= scale * gain[i] * gain[j];
        }
    }
}
