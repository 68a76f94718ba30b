//! Linear regression with a hidden task vector: y = θ·x + ε, x ~ N(0, Σ), ε ~ N(0, σ²).

use super::{Known, Problem, tests};
use crate::config::{Covariance, Regression, Theta};
use crate::error::{Error, Result};
use crate::fingerprint::{Data, FileRead};
use crate::law::{self, Law, Pool, ThetaLaw};
use crate::linalg;
use crate::rng::{self, Stream, key};
use std::path::Path;

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
    let covariance = covariance(&task.covariance, d)?;
    let factor = match task.covariance {
        Covariance::Identity => None,
        _ => Some(factor(&covariance, d, &task.covariance)?),
    };
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
        read: Data { files: covariance_file(&task.covariance)?, ..Data::default() },
        known: Known::Regression(Truth { noise: task.noise, covariance, theta: task.theta, target }),
    })
}

/// The file that the covariance comes from, if it does.
fn covariance_file(covariance: &Covariance) -> Result<Vec<FileRead>> {
    let Covariance::File(path) = covariance else { return Ok(Vec::new()) };
    let bytes =
        std::fs::read(path).map_err(|e| Error::file(path, format!("can't read the covariance: {e}")))?;
    Ok(vec![FileRead::of(path, &bytes)])
}

/// θ0, rounded to what the device sees.
fn theta0(law: Theta, d: usize, seed: u64) -> Vec<f64> {
    let g = rng::normals(0, 0, 0, key(seed, Stream::Theta, 0), d);
    let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if law == Theta::Sphere { 1.0 / norm } else { 1.0 };
    g.iter().map(|x| (x * scale) as f32 as f64).collect()
}

fn covariance(covariance: &Covariance, d: usize) -> Result<Vec<f64>> {
    let diagonal = |values: &[f64]| {
        let mut matrix = vec![0.0; d * d];
        for (i, &value) in values.iter().enumerate() {
            matrix[i * d + i] = value;
        }
        matrix
    };
    match covariance {
        Covariance::Identity => Ok(diagonal(&vec![1.0; d])),
        Covariance::Diagonal(values) => Ok(diagonal(values)),
        Covariance::File(path) => read_matrix(path, d),
    }
}

/// A d×d matrix of numbers from a CSV file without a header.
fn read_matrix(path: &Path, d: usize) -> Result<Vec<f64>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|e| Error::file(path, format!("can't read the covariance: {e}")))?;
    let mut matrix = Vec::new();
    let mut rows = 0;
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| Error::file(path, format!("can't read the covariance: {e}")))?;
        rows += 1;
        if record.len() != d {
            let message =
                format!("row {} has {} values; `task.dim` = {d} needs {d} rows of {d}", i + 1, record.len());
            return Err(Error::file(path, message));
        }
        for (j, field) in record.iter().enumerate() {
            let value: f64 =
                field.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| Error::Cell {
                    path: path.to_path_buf(),
                    line: i as u64 + 1,
                    column: (j + 1).to_string(),
                    message: format!("`{field}` is no number"),
                })?;
            matrix.push(value);
        }
    }
    if rows != d {
        return Err(Error::file(path, format!("{rows} rows; `task.dim` = {d} needs {d} rows of {d}")));
    }
    for i in 0..d {
        for j in 0..i {
            let (a, b) = (matrix[i * d + j], matrix[j * d + i]);
            if (a - b).abs() > 1e-9 * (a.abs() + b.abs()) {
                let message =
                    format!("is not symmetric: row {}, column {} is {a}, its mirror {b}", i + 1, j + 1);
                return Err(Error::file(path, message));
            }
        }
    }
    Ok(matrix)
}

/// Lower Cholesky factor of Σ, [d, d].
fn factor(covariance: &[f64], d: usize, from: &Covariance) -> Result<Vec<f32>> {
    let mut l = covariance.to_vec();
    linalg::cholesky(&mut l, d).map_err(|row| match from {
        Covariance::File(path) => {
            Error::file(path, format!("is no covariance: not positive definite at row {}", row + 1))
        }
        _ => Error::config("task.covariance", format!("entry {} is not positive", row + 1)),
    })?;
    Ok((0..d * d).map(|i| if i % d <= i / d { l[i] as f32 } else { 0.0 }).collect())
}
