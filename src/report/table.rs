//! The table of numbers: every model and reference on every task at none, half and all of the shots.

use super::load::{PRETRAINED, Point, RunData, Series};
use super::shots::{reference_name, task_name};
use crate::plot::number;
use minijinja::{Value, context};

/// Columns grouped by task and rows of cells; `swatch` draws a model's marker.
pub(super) fn table(data: &RunData, swatch: &dyn Fn(&str) -> Value) -> Value {
    let tasks = data.tasks();
    let shots = shown(data);
    let heads: Vec<Value> =
        tasks.iter().map(|t| context! { name => task_name(t), span => shots.len() }).collect();
    let columns: Vec<(&str, u32)> =
        tasks.iter().flat_map(|t| shots.iter().map(move |s| (t.as_str(), *s))).collect();
    let models = data.models();
    let models: Vec<&String> = models.iter().filter(|m| data.eval.iter().any(|s| s.model == **m)).collect();
    let best: Vec<Option<f64>> = columns.iter().map(|(t, s)| lowest(data, &models, t, *s)).collect();
    let mut rows: Vec<Value> = Vec::new();
    for model in &models {
        let cells = columns.iter().zip(&best).map(|((t, s), best)| {
            let point = data.series(model, t).and_then(|series| series.at(*s));
            cell(point, best.is_some() && point.map(|p| p.value()) == *best && *model != PRETRAINED)
        });
        let cells: Vec<Value> = cells.collect();
        rows.push(
            context! { name => model.as_str(), swatch => swatch(model), cells => cells, reference => false },
        );
    }
    let mut references: Vec<&str> = Vec::new();
    for s in &data.baselines {
        if !references.contains(&s.model.as_str()) {
            references.push(&s.model);
        }
    }
    for name in references {
        let of = |task: &str, shots: u32| {
            let series: &Series = data.baselines.iter().find(|s| s.model == name && s.task == task)?;
            series.at(shots)
        };
        let cells: Vec<Value> = columns.iter().map(|(t, s)| cell(of(t, *s), false)).collect();
        rows.push(context! { name => reference_name(name), swatch => "", cells => cells, reference => true });
    }
    context! { tasks => heads, shots => shots, rows => rows }
}

/// 0, the middle, and the most shots.
fn shown(data: &RunData) -> Vec<u32> {
    let max = data.max_shots();
    let mut shots = vec![0, max / 2, max];
    shots.dedup();
    shots
}

/// The lowest error of a method in a column, where more than one method was run.
fn lowest(data: &RunData, models: &[&String], task: &str, shots: u32) -> Option<f64> {
    let methods = models.iter().filter(|m| **m != PRETRAINED);
    let values: Vec<f64> = methods
        .filter_map(|m| Some(data.series(m, task)?.at(shots)?.value()))
        .filter(|v| v.is_finite())
        .collect();
    if values.len() > 1 { values.into_iter().min_by(f64::total_cmp) } else { None }
}

fn cell(point: Option<Point>, best: bool) -> Value {
    let Some(p) = point else { return context! { mean => "", stderr => "", exact => "", best => false } };
    let measured = !p.mean.is_nan() || p.exact.is_none();
    let stderr =
        if measured && p.stderr > 0.0 { format!("± {}", fixed(p.stderr, p.mean)) } else { String::new() };
    let mean = if measured { fixed(p.mean, p.mean) } else { String::new() };
    // A closed form's own row would say the same twice.
    let exact = p.exact.filter(|e| !stderr.is_empty() || *e != p.mean);
    let exact = exact.map(|e| fixed(e, e)).unwrap_or_default();
    context! { mean => mean, stderr => stderr, exact => exact, best => best }
}

/// As many decimals as suit the size of the error `beside`; [`number`] for what is huge or tiny.
pub(super) fn fixed(value: f64, beside: f64) -> String {
    match beside.abs() {
        _ if !value.is_finite() || value >= 100.0 || (value > 0.0 && value < 5e-5) => number(value),
        b if b < 10.0 => format!("{value:.4}"),
        b if b < 100.0 => format!("{value:.2}"),
        _ => number(value),
    }
}
