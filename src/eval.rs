//! Zero-shot and few-shot test error, with standard errors, exact risks and reference predictors.

mod closed;
mod drawn;
mod sampled;
pub mod text;

use crate::config::{Config, QueryKey};
use crate::error::Result;
use crate::gpu::Engine;
use crate::interrupt;
use crate::kernels::Tuning;
use crate::linalg;
use crate::models::prompt::Plan;
use crate::params::ParamTable;
use crate::prompt::law::Law;
use crate::store::scores::Row;
use crate::tasks::regression::Truth;
use crate::tasks::{Known, Problem, baselines};
use crate::theory::{self, Head, Setting};

/// Tests models of one experiment.
pub struct Evaluator<'a> {
    /// The device.
    pub engine: &'a Engine,
    /// How kernels split their work on it.
    pub tuning: Tuning,
    /// Sizes of the model and of the tests.
    pub config: &'a Config,
    /// Where parameters stand.
    pub table: &'a ParamTable,
    /// The tests.
    pub problem: &'a Problem,
}

impl Evaluator<'_> {
    /// Checks the evaluation of a model against the device's limits, running nothing.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) with the kernel and the limit.
    pub fn check(&self) -> Result<()> {
        sampled::launches(self).iter().try_for_each(|launch| self.engine.check(launch))
    }

    /// Error of models at 0, 1, …, n shots on every test, all on the same prompts. A model is a name and its arena.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted), as soon as a launch is done; a limit of the device.
    pub fn models(&self, named: &[(String, Vec<f32>)]) -> Result<Vec<Row>> {
        let arenas: Vec<&[f32]> = named.iter().map(|(_, params)| params.as_slice()).collect();
        let sums = sampled::sums(self, &arenas)?;
        let mut rows = Vec::new();
        for ((name, params), sums) in named.iter().zip(sums) {
            for (test, sums) in self.problem.tests.iter().zip(sums) {
                interrupt::check(|| "the exact risks".into())?;
                let exact = self.exact(params, test.name);
                for (shots, (mean, stderr)) in self.curve(&sums).into_iter().enumerate() {
                    let (model, task) = (name.clone(), test.name.to_string());
                    let exact = exact.as_ref().map(|e| e[shots]);
                    rows.push(Row { model, task, shots, mean, stderr, exact });
                }
            }
        }
        Ok(rows)
    }

    /// Mean and standard error at each shot count, of sums [2, shots + 1] over all prompts of all seeds.
    fn curve(&self, sums: &[f64]) -> Vec<(f64, Option<f64>)> {
        let eval = &self.config.eval;
        let (first, second) = sums.split_at(eval.shots + 1);
        let count = eval.prompts as f64 * eval.seeds as f64;
        let point = |(sum, squares): (&f64, &f64)| {
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            // Of errors that single precision can't hold nothing is known.
            let stderr = if squares.is_finite() { (variance / (count - 1.0)).sqrt() } else { f64::NAN };
            (mean, (count > 1.0).then_some(stderr))
        };
        first.iter().zip(second).map(point).collect()
    }

    /// Exact risk of a one-layer, one-head model on a regression test.
    fn exact(&self, params: &[f32], task: &str) -> Option<Vec<f64>> {
        let Known::Regression(truth) = &self.problem.known else { return None };
        let model = &self.config.model;
        if model.layers != 1 || model.heads != 1 {
            return None;
        }
        let width = self.problem.dim + 2;
        let wide: Vec<f64> = params.iter().map(|&p| p as f64).collect();
        let (v, rest) = wide.split_at(width * width);
        let m = match model.qk {
            QueryKey::Merged => rest.to_vec(),
            QueryKey::Separate => {
                let (q, k) = rest.split_at(width * width);
                linalg::product(&linalg::transpose(q, width), k, width)
            }
        };
        let head = Head { v: v[width * (width - 1)..].to_vec(), m };
        Some(risk(truth, self.problem.dim, &head, task, self.config.eval.shots))
    }
}

fn setting(truth: &Truth, dim: usize) -> Setting {
    Setting::new(dim, truth.noise, truth.covariance.clone()).expect("checked when the task was opened")
}

fn risk(truth: &Truth, dim: usize, head: &Head, task: &str, shots: usize) -> Vec<f64> {
    let (setting, shots) = (setting(truth, dim), (0..=shots).collect::<Vec<_>>());
    match task {
        "target" => theory::risk(&setting, head, &truth.target, &shots),
        "negated" => {
            let negated: Vec<f64> = truth.target.iter().map(|t| -t).collect();
            theory::risk(&setting, head, &negated, &shots)
        }
        _ => theory::risk_fresh(&setting, head, truth.theta, &shots),
    }
}

/// What models are compared with: closed-form optima and the Bayes floor for regression, reference predictors on the
/// same prompts for tables and for laws of one's own.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted).
pub fn references(
    config: &Config,
    problem: &Problem,
    table: &ParamTable,
    plans: &[(String, Plan)],
) -> Result<Vec<Row>> {
    match &problem.known {
        Known::Regression(truth) => closed::closed_forms(config, problem, truth, table, plans),
        Known::Tables(data) => {
            let predictors = baselines::Predictors::fit(data, config.eval.shots)?;
            let mut rows = Vec::new();
            for test in &problem.tests {
                rows.extend(predicted(config, data, &predictors, test)?);
            }
            Ok(rows)
        }
        Known::Samples => drawn::references(config, problem),
    }
}

fn predicted(
    config: &Config,
    data: &crate::tasks::tables::TableData,
    predictors: &baselines::Predictors,
    test: &crate::tasks::Test,
) -> Result<Vec<Row>> {
    let (eval, laws) = (&config.eval, (0..config.eval.seeds).map(|repeat| test.law(repeat)));
    // Drawn as they are needed: they may be many.
    let prompts = laws.flat_map(|law| {
        (0..eval.prompts as u32).filter_map(move |p| match &law {
            Law::Tables(law) => Some(law.rows_of(p, 0, eval.shots)),
            Law::Regression(_) | Law::Own(_) => None,
        })
    });
    Ok(predictions(&predictors.errors(data, prompts)?, test, eval.shots))
}

fn predictions(curves: &[baselines::Baseline], test: &crate::tasks::Test, shots: usize) -> Vec<Row> {
    let row = |curve: &baselines::Baseline, n: usize| {
        reference(curve.name, test.name, n, curve.mean[n], curve.stderr[n], None)
    };
    curves.iter().flat_map(|curve| (0..=shots).map(move |n| row(curve, n))).collect()
}

fn reference(
    model: &str,
    task: &str,
    shots: usize,
    mean: f64,
    stderr: Option<f64>,
    exact: Option<f64>,
) -> Row {
    Row { model: model.into(), task: task.into(), shots, mean, stderr, exact }
}
