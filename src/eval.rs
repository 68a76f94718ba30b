//! Zero-shot and few-shot test error, with standard errors, exact risks and reference predictors.

mod closed;

use crate::config::{Config, QueryKey};
use crate::error::Result;
use crate::gpu::{Buffer, Engine, Recording};
use crate::kernels::{Source, Tuning, prompt_eval, qk};
use crate::law::Law;
use crate::linalg;
use crate::model::{ParamTable, Plan};
use crate::results::{CsvText, number};
use crate::shape::Shape;
use crate::tasks::regression::Truth;
use crate::tasks::{Known, Problem, baselines};
use crate::theory::{self, Head, Setting};

/// A row of `eval.csv` or `baselines.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `pretrained`, a method, or a reference.
    pub model: String,
    pub task: String,
    pub shots: usize,
    /// Mean squared error over prompts and seeds, against the noisy y.
    pub mean: f64,
    /// Standard deviation of a prompt's squared error over the root of the number of prompts of all seeds; none of a
    /// single prompt.
    pub stderr: Option<f64>,
    /// Exact risk, where there is one.
    pub exact: Option<f64>,
}

/// The header of both files.
pub const HEADER: [&str; 7] = ["model", "task", "shots", "mean", "stderr", "exact", "fingerprint"];

/// Rows as CSV, each with the fingerprint of its experiment: in a column, because that is what every reader of CSV
/// keeps, and what stays when the file is copied or joined with others.
pub fn to_csv<'a>(rows: impl IntoIterator<Item = (&'a Row, &'a str)>) -> String {
    let mut table = CsvText::new(HEADER);
    for (row, fingerprint) in rows {
        let [shots, mean, stderr, exact] =
            [row.shots.to_string(), row.mean.to_string(), number(row.stderr), number(row.exact)];
        table.row([&row.model, &row.task, &shots, &mean, &stderr, &exact, fingerprint]);
    }
    table.text()
}

/// Most models that one launch takes.
const MOST: usize = 64;

/// Tests models of one experiment.
pub struct Evaluator<'a> {
    pub engine: &'a Engine,
    pub tuning: Tuning,
    pub config: &'a Config,
    pub table: &'a ParamTable,
    pub problem: &'a Problem,
}

impl Evaluator<'_> {
    /// Error of models at 0, 1, …, n shots on every test, all on the same prompts. A model is a name and its arena.
    pub fn models(&self, named: &[(String, Vec<f32>)]) -> Result<Vec<Row>> {
        let shape = self.shape();
        let most = self.engine.uniform_bytes() / (4 * shape.weights_stride()).max(1);
        let mut rows = Vec::new();
        for batch in named.chunks(most.clamp(1, MOST)) {
            rows.extend(self.together(batch)?);
        }
        Ok(rows)
    }

    fn shape(&self) -> Shape {
        let model = &self.config.model;
        Shape { layers: model.layers, heads: model.heads, dim: self.problem.dim }
    }

    /// As many models as one launch takes.
    fn together(&self, named: &[(String, Vec<f32>)]) -> Result<Vec<Row>> {
        let (eval, model, shape) = (&self.config.eval, &self.config.model, self.shape());
        let models = prompt_eval::models(&shape, named.len(), &self.tuning);
        let stride = self.table.len().next_multiple_of(4);
        let mut arena = vec![0.0; models.places() * stride];
        for (own, (_, params)) in arena.chunks_mut(stride).zip(named) {
            own[..params.len()].copy_from_slice(params);
        }
        let params_buffer = Buffer::holding("params", &arena);
        let mut recording = Recording::default();
        let weights = match model.qk {
            QueryKey::Merged => params_buffer,
            QueryKey::Separate => {
                let weights = Buffer::words("weights", models.places() * shape.weights_stride());
                let places = (models.count, stride);
                recording.extend(qk::record_fwd(&shape, places, &params_buffer, &weights, &self.tuning));
                weights
            }
        };
        let mut tests = Vec::new();
        for test in &self.problem.tests {
            let mut sums = Vec::new();
            for repeat in 0..eval.seeds {
                let source = Source::new(&test.law(repeat));
                let (shots, batch) = (eval.shots, eval.prompts);
                let evaluation = prompt_eval::Eval { source: &source, shape, shots, batch, models };
                let lanes = evaluation.lanes(&self.tuning);
                let out = Buffer::words("sums", evaluation.words(lanes));
                recording.extend(evaluation.record(&weights, &out, lanes, &self.tuning));
                sums.push((out, lanes));
            }
            tests.push((test.name, sums));
        }
        self.engine.submit(&recording, 1)?;
        let mut read = Vec::new();
        for (task, sums) in tests {
            let words: Vec<(Vec<f32>, usize)> = sums
                .iter()
                .map(|(out, lanes)| Ok((self.engine.read(out)?, *lanes)))
                .collect::<Result<_>>()?;
            read.push((task, words));
        }
        let mut rows = Vec::new();
        for (m, (name, params)) in named.iter().enumerate() {
            for (task, sums) in &read {
                let curve = self.curve(sums, m);
                let exact = self.exact(params, task);
                for (shots, (mean, stderr)) in curve.into_iter().enumerate() {
                    let (model, task) = (name.clone(), task.to_string());
                    let exact = exact.as_ref().map(|e| e[shots]);
                    rows.push(Row { model, task, shots, mean, stderr, exact });
                }
            }
        }
        Ok(rows)
    }

    /// Mean and standard error of a model at each shot count, over the seeds' partial sums and their lanes.
    fn curve(&self, sums: &[(Vec<f32>, usize)], model: usize) -> Vec<(f64, Option<f64>)> {
        let eval = &self.config.eval;
        let points = eval.shots + 1;
        let (mut first, mut second) = (vec![0.0; points], vec![0.0; points]);
        for (words, lanes) in sums {
            let own = words.chunks(*lanes).skip(model * 2 * points).take(2 * points);
            for (shot, lanes) in own.enumerate() {
                let total: f64 = lanes.iter().map(|&x| x as f64).sum();
                if shot < points { first[shot] += total } else { second[shot - points] += total }
            }
        }
        let count = (eval.prompts * eval.seeds) as f64;
        let point = |(sum, squares): (f64, f64)| {
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            (mean, (count > 1.0).then(|| (variance / (count - 1.0)).sqrt()))
        };
        first.into_iter().zip(second).map(point).collect()
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
/// same prompts for tables.
pub fn references(
    config: &Config,
    problem: &Problem,
    table: &ParamTable,
    plans: &[(String, Plan)],
) -> Vec<Row> {
    match &problem.known {
        Known::Regression(truth) => closed::closed_forms(config, problem, truth, table, plans),
        Known::Tables(data) => {
            let predictors = baselines::Predictors::fit(data, config.eval.shots);
            problem.tests.iter().flat_map(|test| predicted(config, data, &predictors, test)).collect()
        }
    }
}

fn predicted(
    config: &Config,
    data: &crate::tasks::tables::TableData,
    predictors: &baselines::Predictors,
    test: &crate::tasks::Test,
) -> Vec<Row> {
    let mut prompts = Vec::new();
    for repeat in 0..config.eval.seeds {
        let Law::Tables(law) = test.law(repeat) else { continue };
        prompts.extend((0..config.eval.prompts as u32).map(|p| law.rows_of(p, 0, config.eval.shots)));
    }
    let curves = predictors.errors(data, &prompts);
    curves
        .iter()
        .flat_map(|curve| {
            let points = curve.mean.iter().zip(&curve.stderr).enumerate();
            points.map(|(n, (&mean, &stderr))| reference(curve.name, test.name, n, mean, stderr, None))
        })
        .collect()
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
