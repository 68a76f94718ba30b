//! Linear regression with a hidden task vector: y = θ·x + ε, x ~ N(0, Σ), ε ~ N(0, σ²).

use super::{Known, Problem, covariance, tests};
use crate::config::{Regression, Theta};
use crate::error::Result;
use crate::fingerprint::Data;
use crate::prompt::law::{self, Law, Pool, ThetaLaw};
use crate::random::rng::{self, Stream, key};

/// The law of the data in full.
#[derive(Clone, Debug)]
pub struct Truth {
    /// σ².
    pub noise: f64,
    /// Σ, [d, d].
    pub covariance: Vec<f64>,
    /// Law of a fresh θ.
    pub theta: Theta,
    /// θ0, the task fine-tuned on.
    pub target: Vec<f64>,
}

/// Pre-trains on a fresh θ per prompt, fine-tunes on a fixed set of pairs of one θ0, tests on θ0 (`target`), −θ0
/// (`negated`) and fresh θ (`fresh`).
pub fn open(task: &Regression, seed: u64) -> Result<Problem> {
    let d = task.dim;
    let covariance::Opened { matrix: covariance, factor, files } = covariance::open(&task.covariance, d)?;
    let target = theta0(task.theta, d, seed);
    let base = |stream, theta, pool| {
        Law::Regression(law::Regression {
            key: key(seed, stream, 0),
            dim: d,
            noise: task.noise.sqrt() as f32,
            theta,
            factor: factor.clone(),
            pool,
        })
    };
    let fixed = |sign: f64| ThetaLaw::Fixed(target.iter().map(|&t| (sign * t) as f32).collect());
    let fresh = match task.theta {
        Theta::Sphere => ThetaLaw::Sphere,
        Theta::Gaussian => ThetaLaw::Gaussian,
    };
    let pool = Pool { key: key(seed, Stream::Pool, 0), size: task.pool as u32 };
    let laws = vec![
        ("target", base(Stream::Eval, fixed(1.0), None)),
        ("negated", base(Stream::Eval, fixed(-1.0), None)),
        ("fresh", base(Stream::Eval, fresh.clone(), None)),
    ];
    let law = match task.theta {
        Theta::Sphere => "uniform on the unit sphere",
        Theta::Gaussian => "N(0, I)",
    };
    Ok(Problem {
        dim: d,
        pretrain: base(Stream::Pretrain, fresh, None),
        finetune: base(Stream::Finetune, fixed(1.0), Some(pool)),
        tests: tests(seed, laws),
        description: format!(
            "linear regression with {d} covariates, noise variance {}, theta {law}; fine-tuning on {} pairs of one theta",
            task.noise, task.pool
        ),
        facts: [("theta0".to_string(), serde_json::json!(target))].into(),
        read: Data { files, ..Data::default() },
        known: Known::Regression(Truth { noise: task.noise, covariance, theta: task.theta, target }),
    })
}

/// θ0, rounded to what the device sees.
fn theta0(law: Theta, d: usize, seed: u64) -> Vec<f64> {
    let g = rng::normals(0, 0, 0, key(seed, Stream::Theta, 0), d);
    let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if law == Theta::Sphere { 1.0 / norm } else { 1.0 };
    g.iter().map(|x| (x * scale) as f32 as f64).collect()
}
