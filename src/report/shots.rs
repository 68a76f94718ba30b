//! Error against the number of demonstrations, a panel a task.

use super::axis::{Axis, number};
use super::canvas::{Canvas, DASHES, Dash, Frame};
use super::figure::{Figure, Key, Sample};
use super::load::{PRETRAINED, RunData, Series};
use super::palette::{Ink, MUTED, Marker, Style, TEXT};
use crate::error::Result;

const SIZE: (f64, f64) = (400.0, 330.0);
const EDGES: [f64; 4] = [46.0, 50.0, 388.0, 288.0];

/// What a task is called in headings.
pub(super) fn task_name(task: &str) -> String {
    match task {
        "target" => "Target task (fine-tuned on)".into(),
        "negated" => "Negated target, −θ₀".into(),
        "fresh" => "Fresh tasks (not seen)".into(),
        "heldout" => "Held-out tasks (not seen)".into(),
        other => other.into(),
    }
}

/// What a reference row is called in legends.
pub(super) fn reference_name(model: &str) -> String {
    match model {
        "bayes" => "best possible (Bayes)".into(),
        "mean" => "mean of the context".into(),
        "pooled" => "pooled least squares".into(),
        "ridge" => "ridge on the context".into(),
        "ridge+prior" => "ridge towards the pooled weights".into(),
        other => match other.strip_prefix("theory:") {
            Some(model) => format!("theory: {model}"),
            None => other.into(),
        },
    }
}

/// The figures; all share one vertical axis.
pub(super) fn figures(data: &RunData, styles: &[Style]) -> Result<Vec<Figure>> {
    let values = |s: &Series| s.points.iter().map(|p| p.value()).collect::<Vec<f64>>();
    let shown = |s: &&Series| !is_theory(&s.model);
    let all: Vec<Vec<f64>> =
        data.eval.iter().chain(data.baselines.iter().filter(shown)).map(values).collect();
    let base = data.eval.iter().filter(|s| s.model == PRETRAINED).flat_map(values).collect::<Vec<f64>>();
    let y = Axis::errors(&all, &base);
    let x = Axis::counts(u64::from(data.max_shots()));
    data.tasks().iter().map(|task| panel(data, styles, task, &x, &y)).collect()
}

fn is_theory(model: &str) -> bool {
    model.starts_with("theory:")
}

/// References in the order of the file, each with its dash.
pub(super) fn references(data: &RunData) -> Vec<(String, Dash)> {
    let mut names: Vec<String> = Vec::new();
    for s in data.baselines.iter().filter(|s| !is_theory(&s.model)) {
        if !names.contains(&s.model) {
            names.push(s.model.clone());
        }
    }
    names.into_iter().enumerate().map(|(i, n)| (n, DASHES[i % DASHES.len()])).collect()
}

fn panel(data: &RunData, styles: &[Style], task: &str, x: &Axis, y: &Axis) -> Result<Figure> {
    let name = task_name(task);
    let body = Canvas::draw(SIZE, |canvas| {
        let frame = Frame { canvas, edges: EDGES, x, y };
        frame.title(&name);
        frame.grid("demonstrations in the prompt", "mean squared error");
        for (reference, dash) in references(data) {
            for s in data.baselines.iter().filter(|s| s.model == reference && s.task == task) {
                line(&frame, &level(s, data.max_shots()), MUTED, 1.5, dash);
            }
        }
        for style in styles {
            for s in data.baselines.iter().filter(|s| s.task == task) {
                if s.model.strip_prefix("theory:") == Some(style.model.as_str()) {
                    line(&frame, &exact(s), style.ink, 1.2, Dash::Short);
                }
            }
        }
        for style in styles.iter().rev() {
            if let Some(s) = data.series(&style.model, task) {
                model(&frame, s, style);
            }
        }
    })?;
    let notes = styles.iter().filter_map(|s| note(data.series(&s.model, task)?, y)).collect();
    let shots = data.max_shots();
    let label = format!("{name}: mean squared error of every model with 0 to {shots} demonstrations");
    Ok(Figure { stem: format!("shots-{task}"), label, size: SIZE, body, legend: legend(data, styles), notes })
}

/// A reference known at one shot count holds for all.
fn level(s: &Series, shots: u32) -> Vec<(f64, f64)> {
    match s.points.as_slice() {
        [only] => vec![(0.0, only.value()), (f64::from(shots), only.value())],
        points => points.iter().map(|p| (f64::from(p.shots), p.value())).collect(),
    }
}

fn exact(s: &Series) -> Vec<(f64, f64)> {
    s.points.iter().filter_map(|p| p.exact.map(|e| (f64::from(p.shots), e))).collect()
}

fn line(frame: &Frame, points: &[(f64, f64)], ink: Ink, width: f64, dash: Dash) {
    for run in frame.runs(points) {
        frame.canvas.path(&run, ink, width, dash);
    }
}

/// Band of ±2 standard errors, the exact risk (or the means joined) as a line, points on top.
fn model(frame: &Frame, s: &Series, style: &Style) {
    let heavy = style.model == PRETRAINED;
    let inside: Vec<_> = s.points.iter().filter(|p| p.mean.is_finite() && !frame.y.above(p.mean)).collect();
    for run in inside.chunk_by(|a, b| a.shots + 1 == b.shots).filter(|r| r.len() > 1) {
        let edge = |sign: f64| run.iter().map(move |p| (f64::from(p.shots), p.mean + sign * 2.0 * p.stderr));
        let corners: Vec<_> = edge(1.0).chain(edge(-1.0).rev()).map(|(x, y)| frame.at(x, y)).collect();
        if run.iter().any(|p| p.stderr > 0.0) && corners.iter().all(|c| c.0.is_finite() && c.1.is_finite()) {
            frame.canvas.fill(&corners, style.ink, 0.18);
        }
    }
    let theory = exact(s);
    let means: Vec<_> = s.points.iter().map(|p| (f64::from(p.shots), p.mean)).collect();
    let joined = if theory.len() > 1 { &theory } else { &means };
    line(frame, joined, style.ink, if heavy { 2.4 } else { 1.6 }, Dash::Solid);
    for p in &inside {
        let at = frame.at(f64::from(p.shots), p.mean);
        frame.canvas.marker(style.marker, at, if heavy { 3.0 } else { 2.7 }, style.ink);
    }
    if let Some(p) = s.points.iter().find(|p| frame.y.above(p.value())) {
        let (x, top) = frame.at(f64::from(p.shots), frame.y.hi);
        frame.canvas.marker(Marker::Triangle, (x, top + 3.0), 4.2, style.ink);
    }
}

/// Says what the frame could not hold.
fn note(s: &Series, y: &Axis) -> Option<String> {
    let top = s.points.iter().filter(|p| y.above(p.value())).max_by(|a, b| a.value().total_cmp(&b.value()));
    let broken = s.points.iter().filter(|p| p.value().is_nan()).count();
    let plural = |n: u32| if n == 1 { "1 demonstration".to_string() } else { format!("{n} demonstrations") };
    match (top, broken) {
        (Some(p), _) => Some(format!(
            "{} leaves the axis (▲): up to {} with {}.",
            s.model,
            number(p.value()),
            plural(p.shots)
        )),
        (None, 0) => None,
        (None, n) => Some(format!("{} is not a number at {n} of {} points.", s.model, s.points.len())),
    }
}

/// The legend that all panels share.
pub(super) fn legend(data: &RunData, styles: &[Style]) -> Vec<Key> {
    let evaluated = styles.iter().filter(|s| data.eval.iter().any(|e| e.model == s.model));
    let mut keys: Vec<Key> = evaluated
        .map(|s| Key { label: s.model.clone(), ink: s.ink, sample: Sample::Model(s.marker) })
        .collect();
    if data.eval.iter().flat_map(|s| &s.points).any(|p| p.exact.is_some()) {
        let label = "solid line: exact risk of the trained weights".into();
        keys.push(Key { label, ink: TEXT, sample: Sample::Line(Dash::Solid) });
    }
    if data.baselines.iter().any(|s| is_theory(&s.model)) {
        let label = "closed-form optimum, in its model's colour".into();
        keys.push(Key { label, ink: TEXT, sample: Sample::Line(Dash::Short) });
    }
    let reference =
        |(n, dash): (String, Dash)| Key { label: reference_name(&n), ink: MUTED, sample: Sample::Line(dash) };
    keys.extend(references(data).into_iter().map(reference));
    keys
}
