//! The law that prompts are drawn from: plain data that tasks make, kernels sample and the reference draws again.

use super::own::{Own, OwnLaw};
use crate::random::rng;
use std::sync::Arc;

/// A distribution of prompts. Token i is (1, x_i, y_i); the query, last, has y = 0 and its true y is the target.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Linear regression with a hidden task.
    Regression(Regression),
    /// Rows of real tables.
    Tables(Tables),
    /// One that floe doesn't come with.
    Own(Own),
}

/// y = θ·x + ε with x ~ N(0, Σ) and ε ~ N(0, σ²).
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// Key of the random numbers.
    pub key: u32,
    /// Covariates, d.
    pub dim: usize,
    /// σ, the standard deviation.
    pub noise: f32,
    /// How θ is chosen.
    pub theta: ThetaLaw,
    /// Lower Cholesky factor of Σ, [d, d]; none for the identity.
    pub factor: Option<Vec<f32>>,
    /// Pairs come from a fixed set, drawn with replacement.
    pub pool: Option<Pool>,
}

/// How a prompt's task vector is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum ThetaLaw {
    /// Uniform on the unit sphere, anew for each prompt.
    Sphere,
    /// N(0, I), anew for each prompt.
    Gaussian,
    /// The same for all, `[d]`.
    Fixed(Vec<f32>),
}

/// A fixed set of pairs. Pair i is a function of (key, i), so the set takes no memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Key of the random numbers.
    pub key: u32,
    /// Pairs in the set.
    pub size: u32,
}

/// Rows of real tables; a prompt's rows come from one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Key of the random numbers.
    pub key: u32,
    /// Features, d.
    pub dim: usize,
    /// [R, d + 1], standardised, the target last.
    pub rows: Arc<Vec<f32>>,
    /// First row and number of rows of each group.
    pub groups: Vec<[u32; 2]>,
    /// Rows of a prompt may repeat.
    pub replacement: bool,
}

impl Law {
    /// A law of one's own.
    pub fn own(law: impl OwnLaw + 'static) -> Law {
        Law::Own(Own { key: 0, law: Arc::new(law) })
    }

    /// Covariates an example, d.
    pub fn dim(&self) -> usize {
        match self {
            Law::Regression(r) => r.dim,
            Law::Tables(t) => t.dim,
            Law::Own(o) => o.law.dim(),
        }
    }

    /// Holds that its data fit together for prompts of `shots` demonstrations: kernels index by them without a check.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self, shots: usize) -> Result<(), String> {
        match self {
            Law::Regression(law) => law.check(),
            Law::Tables(law) => law.check(shots),
            Law::Own(_) => Ok(()),
        }
    }

    /// All that its prompts depend on but the key, as bytes.
    pub fn print(&self) -> Vec<u8> {
        match self {
            Law::Own(own) => own.print(),
            other => format!("{:?}", other.with_key(0)).into_bytes(),
        }
    }

    /// The same law under another key.
    pub fn with_key(&self, key: u32) -> Law {
        let mut law = self.clone();
        match &mut law {
            Law::Regression(r) => r.key = key,
            Law::Tables(t) => t.key = key,
            Law::Own(o) => o.key = key,
        }
        law
    }
}

impl Regression {
    fn check(&self) -> Result<(), String> {
        let d = self.dim;
        match (&self.theta, &self.factor, self.pool) {
            _ if d == 0 => Err("there are no covariates; one at least is needed".into()),
            (ThetaLaw::Fixed(theta), ..) if theta.len() != d => {
                Err(format!("theta has {} elements for {d} covariates", theta.len()))
            }
            (_, Some(factor), _) if Some(factor.len()) != d.checked_mul(d) => {
                Err(format!("the covariance's factor has {} elements for {d} covariates", factor.len()))
            }
            (.., Some(Pool { size: 0, .. })) => Err("the set of pairs is empty".into()),
            _ => Ok(()),
        }
    }
}

impl Tables {
    fn check(&self, shots: usize) -> Result<(), String> {
        let (width, least) = (self.dim + 1, if self.replacement { 1 } else { shots + 1 });
        if self.dim == 0 || self.groups.is_empty() || !self.rows.len().is_multiple_of(width) {
            return Err(format!("{} values are no rows of {width} in groups", self.rows.len()));
        }
        let rows = (self.rows.len() / width) as u64;
        let wrong =
            |[start, own]: &&[u32; 2]| u64::from(*start) + u64::from(*own) > rows || (*own as usize) < least;
        match self.groups.iter().find(wrong) {
            Some([start, own]) => Err(format!(
                "a group of {own} rows from row {start} on: there are {rows} rows, and a prompt takes {least}"
            )),
            None => Ok(()),
        }
    }

    /// Rows of a prompt, the query's first.
    pub fn rows_of(&self, prompt: u32, step: u32, shots: usize) -> Vec<u32> {
        let word = rng::pcg4d([0, prompt, step, self.key])[0];
        let [start, rows] = self.groups[rng::below(word, self.groups.len() as u32) as usize];
        let places = rng::choose(rows, shots + 1, self.replacement, prompt, step, self.key);
        places.into_iter().map(|place| start + place).collect()
    }
}
