//! Reference predictors on table prompts: what no attention at all reaches from the same rows.
//!
//! All see (1, x) and predict the standardised target, like the model, so errors compare directly:
//! - `mean`: the mean of the demonstrations' targets (0, the pre-training mean, with none);
//! - `pooled`: least squares on all pre-training rows, blind to the context;
//! - `ridge`: argmin_w Σ (y_i − w·x_i)² + λ|w|² over the demonstrations (0 with none);
//! - `ridge+prior`: the same with λ|w − w_pooled|² (`pooled` with none).
//!
//! λ is chosen for every number of demonstrations and both ridges apart, from [`LAMBDAS`], as the least mean
//! error over prompts drawn from the pre-training tasks with a fixed seed. No other task has a say in it. The
//! pooled weights have seen those tasks, which makes λ of `ridge+prior` a little large where they are few.

use super::tables::{Group, TableData};
use crate::error::Result;
use crate::interrupt;
use crate::linalg::{cholesky, dot, solve};
use crate::random::splitmix::SplitMix64;

/// The grid of ridge strengths: half decades from 10⁻⁴ to 10³.
pub const LAMBDAS: [f64; 15] =
    [1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0, 316.0, 1000.0];

/// Pre-training prompts over which λ is chosen.
const CHOICE_PROMPTS: usize = 2000;

/// Test error of one predictor at n = 0, 1, …, `shots` demonstrations.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// `mean`, `pooled`, `ridge` or `ridge+prior`.
    pub name: &'static str,
    /// Mean squared error of the standardised target [shots + 1].
    pub mean: Vec<f64>,
    /// Standard error of that mean [shots + 1].
    pub stderr: Vec<Option<f64>>,
}

/// [`Predictors::fit`] and [`Predictors::errors`] in one, for prompts of a single kind.
///
/// # Panics
/// As [`Predictors::errors`].
///
/// # Errors
/// As [`Predictors::errors`].
pub fn errors(data: &TableData, prompts: &[Vec<u32>], shots: usize) -> Result<Vec<Baseline>> {
    Predictors::fit(data, shots)?.errors(data, prompts.iter().cloned())
}

/// What the predictors learn from the pre-training tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictors {
    shots: usize,
    /// Pooled weights [d + 1], the constant's first.
    pooled: Vec<f64>,
    /// λ of `ridge` for n = 1, …, shots.
    ridge: Vec<f64>,
    /// λ of `ridge+prior` likewise.
    prior: Vec<f64>,
}

impl Predictors {
    /// Fits the pooled weights and chooses every λ for up to `shots` demonstrations.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub fn fit(data: &TableData, shots: usize) -> Result<Self> {
        let pooled = pool(data);
        let prompts = choice_prompts(&data.pretrain, shots);
        let mut totals = vec![[[0.0; 2]; LAMBDAS.len()]; shots];
        let mut context = Context::new(data.dim + 1);
        for prompt in &prompts {
            interrupt::check(|| "the reference predictors".into())?;
            let query = context.start(data, prompt[0]);
            for (n, id) in prompt[1..].iter().enumerate() {
                context.add(data, *id, &pooled);
                for (total, lambda) in totals[n].iter_mut().zip(LAMBDAS) {
                    context.factor(lambda);
                    total[0] += (context.ridge(&query.x) - query.y).powi(2);
                    total[1] += (context.prior(&query.x, &pooled) - query.y).powi(2);
                }
            }
        }
        let best = |which: usize| {
            let least = |total: &[[f64; 2]; LAMBDAS.len()]| {
                let order = |a: &usize, b: &usize| total[*a][which].total_cmp(&total[*b][which]);
                LAMBDAS[(0..LAMBDAS.len()).min_by(order).unwrap_or(0)]
            };
            totals.iter().map(least).collect()
        };
        Ok(Predictors { shots, ridge: best(0), prior: best(1), pooled })
    }

    /// The errors of all four on `prompts`: lists of row ids, the query first, then the demonstrations in
    /// order, of which the first n are used at n.
    ///
    /// # Panics
    /// If a prompt has fewer demonstrations than the shots fitted for, or an id is no row of `data`.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub fn errors(&self, data: &TableData, prompts: impl Iterator<Item = Vec<u32>>) -> Result<Vec<Baseline>> {
        let mut sums = vec![[[0.0; 2]; 4]; self.shots + 1];
        let mut context = Context::new(data.dim + 1);
        let mut count = 0u64;
        for prompt in prompts {
            interrupt::check(|| "the reference predictors".into())?;
            count += 1;
            assert!(prompt.len() > self.shots, "a prompt has {} rows for {} shots", prompt.len(), self.shots);
            let query = context.start(data, prompt[0]);
            let pooled = dot(&self.pooled, &query.x);
            let mut record = |n: usize, predictions: [f64; 4]| {
                for (sum, prediction) in sums[n].iter_mut().zip(predictions) {
                    let error = (prediction - query.y).powi(2);
                    sum[0] += error;
                    sum[1] += error * error;
                }
            };
            record(0, [0.0, pooled, 0.0, pooled]);
            let mut total = 0.0;
            for (n, id) in (1..=self.shots).zip(&prompt[1..]) {
                total += context.add(data, *id, &self.pooled);
                context.factor(self.ridge[n - 1]);
                let ridge = context.ridge(&query.x);
                context.factor(self.prior[n - 1]);
                record(n, [total / n as f64, pooled, ridge, context.prior(&query.x, &self.pooled)]);
            }
        }
        Ok(summary(&sums, count as f64))
    }
}

/// Sums of errors and of their squares, [shots + 1][4][2], to means and standard errors.
fn summary(sums: &[[[f64; 2]; 4]], count: f64) -> Vec<Baseline> {
    let baseline = |(which, name): (usize, &'static str)| {
        let mean = |s: &[[f64; 2]; 4]| s[which][0] / count;
        let stderr = |s: &[[f64; 2]; 4]| {
            let variance = (s[which][1] / count - mean(s).powi(2)).max(0.0);
            (count > 1.0).then(|| (variance / (count - 1.0)).sqrt())
        };
        Baseline { name, mean: sums.iter().map(mean).collect(), stderr: sums.iter().map(stderr).collect() }
    };
    ["mean", "pooled", "ridge", "ridge+prior"].into_iter().enumerate().map(baseline).collect()
}

/// Least squares of the target on (1, x) over the pre-training rows. Columns that depend on each other are
/// told apart by a ridge of 10⁻⁹ of the mean square.
fn pool(data: &TableData) -> Vec<f64> {
    let mut all = Context::new(data.dim + 1);
    let none = vec![0.0; data.dim + 1];
    for group in &data.pretrain {
        for id in group.start..group.start + group.len {
            all.add(data, id, &none);
        }
    }
    let rows: u32 = data.pretrain.iter().map(|g| g.len).sum();
    all.factor(1e-9 * f64::from(rows));
    all.weights(|c| &c.xy).to_vec()
}

/// Prompts of one query and `shots` demonstrations, tasks uniform, rows without replacement where they reach.
fn choice_prompts(groups: &[Group], shots: usize) -> Vec<Vec<u32>> {
    let mut rng = SplitMix64::new(0x0ba5_e11e);
    let mut rows: Vec<u32> = Vec::new();
    let mut prompt = |_| {
        let group = &groups[rng.below(groups.len())];
        if (group.len as usize) <= shots {
            return (0..=shots).map(|_| group.start + rng.below(group.len as usize) as u32).collect();
        }
        rows.clear();
        rows.extend(group.start..group.start + group.len);
        rng.draw_first(&mut rows, shots + 1);
        rows[..=shots].to_vec()
    };
    (0..CHOICE_PROMPTS).map(&mut prompt).collect()
}

struct Query {
    x: Vec<f64>,
    y: f64,
}

/// The normal equations of a growing context, K = d + 1 weights.
struct Context {
    width: usize,
    /// Σ x xᵀ [K, K], the lower triangle.
    gram: Vec<f64>,
    /// Σ y x [K].
    xy: Vec<f64>,
    /// Σ (y − w_pooled·x) x [K].
    rest: Vec<f64>,
    /// Cholesky factor of gram + λ I [K, K].
    factor: Vec<f64>,
    /// The row at hand (1, x), and the weights solved for [K].
    x: Vec<f64>,
    w: Vec<f64>,
}

impl Context {
    fn new(width: usize) -> Self {
        let (square, line) = (vec![0.0; width * width], vec![0.0; width]);
        let (xy, rest, x, w) = (line.clone(), line.clone(), line.clone(), line);
        Context { width, gram: square.clone(), xy, rest, factor: square, x, w }
    }

    /// Empties the context and reads the query.
    fn start(&mut self, data: &TableData, id: u32) -> Query {
        self.gram.fill(0.0);
        self.xy.fill(0.0);
        self.rest.fill(0.0);
        let y = self.read(data, id);
        Query { x: self.x.clone(), y }
    }

    fn read(&mut self, data: &TableData, id: u32) -> f64 {
        let (x, y) = data.row(id);
        self.x[0] = 1.0;
        for (to, from) in self.x[1..].iter_mut().zip(x) {
            *to = f64::from(*from);
        }
        f64::from(y)
    }

    /// Adds one demonstration and returns its target.
    fn add(&mut self, data: &TableData, id: u32, pooled: &[f64]) -> f64 {
        let y = self.read(data, id);
        let rest = y - dot(pooled, &self.x);
        for i in 0..self.width {
            let x = self.x[i];
            self.xy[i] += y * x;
            self.rest[i] += rest * x;
            for j in 0..=i {
                self.gram[i * self.width + j] += x * self.x[j];
            }
        }
        y
    }

    /// Factors gram + λ I; λ grows by tens where rounding has left that singular.
    fn factor(&mut self, lambda: f64) {
        let mut lambda = lambda;
        loop {
            self.factor.copy_from_slice(&self.gram);
            for i in 0..self.width {
                self.factor[i * self.width + i] += lambda;
            }
            if cholesky(&mut self.factor, self.width).is_ok() || !lambda.is_finite() {
                return;
            }
            lambda *= 10.0;
        }
    }

    /// Solves for one of the right-hand sides with the factor at hand.
    fn weights(&mut self, right: impl Fn(&Self) -> &Vec<f64>) -> &[f64] {
        let mut w = std::mem::take(&mut self.w);
        w.copy_from_slice(right(self));
        solve(&self.factor, self.width, &mut w);
        self.w = w;
        &self.w
    }

    fn ridge(&mut self, x: &[f64]) -> f64 {
        dot(self.weights(|c| &c.xy), x)
    }

    fn prior(&mut self, x: &[f64], pooled: &[f64]) -> f64 {
        dot(pooled, x) + dot(self.weights(|c| &c.rest), x)
    }
}
