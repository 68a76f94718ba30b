//! A run directory in memory, as `floe run` writes it.

use super::weights::{self, Weights};
use crate::bounded::{self, Lines};
use crate::config::Config;
use crate::error::{Error, Result, shown};
use crate::fingerprint::{Identity, Noted};
use crate::rows::Rows;
use crate::store::metrics::{LINE, Line};
use crate::store::records::{self, RunInfo};
pub use crate::store::rundir::PRETRAINED;
use crate::store::scores::{self, Row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything a report shows, and nothing else.
#[derive(Debug)]
pub struct RunData {
    /// Where it was read.
    pub dir: PathBuf,
    /// The experiment, as it was resolved.
    pub config: Config,
    /// What `run.json` says.
    pub run: RunInfo,
    /// Training losses, a model each.
    pub curves: Vec<Curve>,
    /// Test errors of models.
    pub eval: Vec<Series>,
    /// Those of reference predictors.
    pub baselines: Vec<Series>,
    /// Attention matrices by model; a model without a checkpoint is absent.
    pub weights: Vec<Weights>,
}

/// Training losses of one model by step. A step written twice (a resumed run) counts once, the later line.
#[derive(Debug)]
pub struct Curve {
    /// `pretrained` or a method.
    pub model: String,
    /// Ascending.
    pub steps: Vec<Loss>,
}

/// Losses at one step; NaN where the file has `null`.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// From 0.
    pub step: u64,
    /// What was descended.
    pub total: f64,
    /// Zero-shot part.
    pub zs: f64,
    /// Few-shot part, before its weight.
    pub fs: f64,
}

/// Errors of one model (or reference) on one task, by shots.
#[derive(Clone, Debug)]
pub struct Series {
    /// The model, or the reference predictor.
    pub model: String,
    /// What it was tested on.
    pub task: String,
    /// Ascending by shots.
    pub points: Vec<Point>,
}

/// Mean squared error at one shot count. `mean` is NaN where only the exact risk is known, `stderr` where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Demonstrations.
    pub shots: u32,
    /// Mean squared error.
    pub mean: f64,
    /// Standard error of the mean.
    pub stderr: f64,
    /// Exact risk, where there is one.
    pub exact: Option<f64>,
}

impl Loss {
    fn of(line: &Line) -> Loss {
        // A number too large for the file's kind is none.
        let wide = |v: f32| if v.is_finite() { f64::from(v) } else { f64::NAN };
        let part = |name| wide(line.parts.get(name).unwrap_or(f32::NAN));
        Loss { step: line.step, total: wide(line.loss), zs: part("zs_loss"), fs: part("fs_loss") }
    }
}

impl Point {
    fn of(row: &Row) -> Point {
        let (shots, stderr) = (row.shots as u32, row.stderr.unwrap_or(f64::NAN));
        Point { shots, mean: row.mean, stderr, exact: row.exact }
    }

    /// The measured mean, or the exact risk where nothing was measured.
    pub fn value(&self) -> f64 {
        if self.mean.is_nan() { self.exact.unwrap_or(f64::NAN) } else { self.mean }
    }
}

impl Series {
    /// The point at that many shots.
    pub fn at(&self, shots: u32) -> Option<Point> {
        self.points.iter().find(|p| p.shots == shots).copied()
    }
}

impl RunData {
    /// The evaluated series of a model on a task.
    pub fn series(&self, model: &str, task: &str) -> Option<&Series> {
        self.eval.iter().find(|s| s.model == model && s.task == task)
    }

    /// The pre-trained model, the methods in the order of the experiment file, then whatever else has results.
    pub fn models(&self) -> Vec<String> {
        let found = self.eval.iter().map(|s| &s.model).chain(self.curves.iter().map(|c| &c.model));
        let found: Vec<&String> = found.chain(self.weights.iter().map(|w| &w.model)).collect();
        let first = std::iter::once(PRETRAINED).chain(self.config.methods.iter().map(|m| m.name.as_str()));
        let mut models: Vec<String> =
            first.filter(|m| found.iter().any(|f| f == m)).map(str::to_string).collect();
        for name in found {
            if !models.contains(name) {
                models.push(name.clone());
            }
        }
        models
    }

    /// Evaluated tasks, the target first.
    pub fn tasks(&self) -> Vec<String> {
        ordered(self.eval.iter().map(|s| &s.task))
    }

    /// The task that stands for "not seen in fine-tuning": `fresh`, `heldout`, or the last that is not the target.
    pub fn unseen(&self) -> Option<String> {
        unseen(self.tasks())
    }

    /// The largest shot count evaluated.
    pub fn max_shots(&self) -> u32 {
        self.eval.iter().flat_map(|s| &s.points).map(|p| p.shots).max().unwrap_or(0)
    }
}

/// Each task once, the target first.
pub(super) fn ordered<'t>(found: impl Iterator<Item = &'t String>) -> Vec<String> {
    let mut tasks: Vec<String> = Vec::new();
    for task in found {
        if !tasks.contains(task) {
            tasks.push(task.clone());
        }
    }
    const ORDER: [&str; 4] = ["target", "negated", "fresh", "heldout"];
    tasks.sort_by_key(|t| ORDER.iter().position(|o| o == t).unwrap_or(ORDER.len()));
    tasks
}

/// The one of the tasks that stands for those not seen in fine-tuning.
pub(super) fn unseen(tasks: Vec<String>) -> Option<String> {
    let named = ["fresh", "heldout"].iter().find(|n| tasks.iter().any(|t| t == *n));
    named.map(|n| n.to_string()).or_else(|| tasks.into_iter().rfind(|t| t != "target" && t != "negated"))
}

/// Reads a run directory.
///
/// # Errors
/// A missing or malformed `config.toml`, `run.json`, `metrics.jsonl` or `eval.csv`, a malformed `baselines.csv`
/// or checkpoint; the message names the file and the line. `baselines.csv` and checkpoints may be absent.
pub fn read(dir: &Path) -> Result<RunData> {
    let config_path = dir.join("config.toml");
    let config_text = text(&config_path)?;
    let config = toml::from_str(&config_text)
        .map_err(|e| Error::file(&config_path, e.to_string().trim_end().replace('\n', " ")))?;
    let run_path = dir.join("run.json");
    let run: RunInfo = records::parse(&run_path, &text(&run_path)?)?;
    let noted = run.identity.noted();
    let identity = Identity::new(config_text, noted.data.clone().unwrap_or_default());
    agrees(&config_path, &identity, &noted, "run.json")?;
    let signed = |name: &str| {
        let path = dir.join(name);
        let Rows { rows, fingerprint, .. } = scores::read(&path, &text(&path)?)?;
        signed_by(&path, fingerprint.as_deref(), &run.identity.fingerprint, "run.json")?;
        Ok::<_, Error>(grouped(&rows))
    };
    let curves = curves(&dir.join("metrics.jsonl"))?;
    let eval = signed("eval.csv")?;
    let baselines = if dir.join("baselines.csv").exists() { signed("baselines.csv")? } else { Vec::new() };
    let mut data =
        RunData { dir: dir.to_path_buf(), config, run, curves, eval, baselines, weights: Vec::new() };
    let mut models = data.models();
    models.extend(data.config.methods.iter().map(|m| m.name.clone()));
    models.insert(0, PRETRAINED.to_string());
    for model in models {
        let path = dir.join("checkpoints").join(format!("{model}.safetensors"));
        if path.exists() && !data.weights.iter().any(|w| w.model == model) {
            data.weights.push(weights::read(&model, &path, &identity)?);
        }
    }
    Ok(data)
}

/// Holds that what a file was made from, by another that says so, is what it holds.
pub(super) fn agrees(path: &Path, identity: &Identity, noted: &Noted, by: &str) -> Result<()> {
    match identity.config_differs(noted, &[]) {
        None => Ok(()),
        Some(how) => {
            let message =
                format!("was altered after the run: {how}, and there is {by}; put it back as it was");
            Err(Error::config(path.display().to_string(), message))
        }
    }
}

/// Holds that a table carries the fingerprint of the run that it stands beside, where both have one.
pub(super) fn signed_by(path: &Path, sign: Option<&str>, run: &str, by: &str) -> Result<()> {
    match sign {
        Some(sign) if sign != run && !run.is_empty() => {
            let (sign, run) = (shown(sign), shown(run));
            let message = format!(
                "is of another experiment: its fingerprint is `{sign}`, that of {by} is `{run}`; put the right file back, or run again"
            );
            Err(Error::file(path, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn text(path: &Path) -> Result<String> {
    bounded::text(path, bounded::TABLE).map_err(|e| unreadable(path, e))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            let message = "not found; a report needs a directory that `floe run` or `floe sweep` has written";
            Error::file(path, message)
        }
        _ => Error::file(path, error),
    }
}

/// Most steps of a curve that are kept: many more than a figure has pixels.
const MOST: usize = 1 << 16;

/// Halves the steps of a curve. Of four steps in a row the lowest and the highest loss stay, so that no peak is lost.
fn thin(steps: &mut BTreeMap<u64, Loss>) {
    let all: Vec<Loss> = std::mem::take(steps).into_values().collect();
    for four in all.chunks(4) {
        let by = |a: &&Loss, b: &&Loss| a.total.total_cmp(&b.total);
        let (low, high) = (four.iter().min_by(by), four.iter().max_by(by));
        steps.extend(low.into_iter().chain(high).map(|loss| (loss.step, *loss)));
    }
    // A curve begins and ends where it did.
    steps.extend(all.first().into_iter().chain(all.last()).map(|loss| (loss.step, *loss)));
}

fn curves(path: &Path) -> Result<Vec<Curve>> {
    let mut order: Vec<String> = Vec::new();
    let mut by_model: BTreeMap<String, BTreeMap<u64, Loss>> = BTreeMap::new();
    let mut lines = Lines::open(path, LINE).map_err(|e| unreadable(path, e))?;
    let mut number = 0;
    while let Some(line) = lines.next_line().map_err(|e| unreadable(path, e))? {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(line).map_err(|e| {
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Error::file(path, format!("line {number}: {what}; delete the line or resume the run"))
        })?;
        let model = if line.phase == "pretrain" { PRETRAINED } else { &line.method }.to_string();
        if !order.contains(&model) {
            order.push(model.clone());
        }
        let steps = by_model.entry(model).or_default();
        steps.insert(line.step, Loss::of(&line));
        if steps.len() > MOST {
            thin(steps);
        }
    }
    let steps = |m: &String| by_model.get(m).map(|s| s.values().copied().collect()).unwrap_or_default();
    Ok(order.iter().map(|m| Curve { model: m.clone(), steps: steps(m) }).collect())
}

/// Rows by model and task, each by shots; of two at the same shots the later counts.
fn grouped(rows: &[Row]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let known = all.iter().position(|s| s.model == row.model && s.task == row.task);
        let at = known.unwrap_or_else(|| {
            all.push(Series { model: row.model.clone(), task: row.task.clone(), points: Vec::new() });
            all.len() - 1
        });
        let (points, point) = (&mut all[at].points, Point::of(row));
        match points.binary_search_by_key(&point.shots, |p| p.shots) {
            Ok(same) => points[same] = point,
            Err(place) => points.insert(place, point),
        }
    }
    all
}

#[cfg(test)]
mod tests;
