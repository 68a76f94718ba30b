//! Error against the number of demonstrations, a panel a task.

use super::load::{PRETRAINED, RunData, Series};
use super::palette::Style;
use crate::findings::demonstrations;
use crate::plot::{self, Axis, Beyond, DASHES, Dash, Dot, Figure, Ink, Key, Panel, Sample, Spread, number};

const SIZE: (f64, f64) = (400.0, 330.0);

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
pub(super) fn figures(data: &RunData, styles: &[Style]) -> Vec<Figure> {
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

fn panel(data: &RunData, styles: &[Style], task: &str, x: &Axis, y: &Axis) -> Figure {
    let title = task_name(task);
    let of = |model: &str| data.baselines.iter().find(|s| s.model == model && s.task == task);
    let mut series: Vec<plot::Series> = Vec::new();
    for (reference, dash) in references(data) {
        let points = of(&reference).map(|s| level(s, data.max_shots()));
        let line =
            |points: Vec<_>| plot::Series::line(&reference_name(&reference), Ink::Muted, &points, 1.5, dash);
        series.extend(points.map(line));
    }
    for style in styles {
        let name = format!("theory:{}", style.model);
        let line =
            |s: &Series| plot::Series::line(&reference_name(&name), style.ink, &exact(s), 1.2, Dash::Short);
        series.extend(of(&name).map(line));
    }
    let models = styles.iter().rev().filter_map(|style| Some((data.series(&style.model, task)?, style)));
    series.extend(models.map(|(s, style)| model(s, style)));
    let names = ["demonstrations in the prompt", "mean squared error"];
    let body = Panel { size: SIZE, title: &title, names, x, y, series: &series }.draw();
    let notes = styles.iter().filter_map(|s| note(data.series(&s.model, task)?, y)).collect();
    let shots = data.max_shots();
    let label = format!("{title}: mean squared error of every model with 0 to {shots} demonstrations");
    Figure { stem: format!("shots-{task}"), label, size: SIZE, body, legend: legend(data, styles), notes }
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

/// Band of ±2 standard errors, the exact risk (or the means joined) as a line, points on top.
fn model(s: &Series, style: &Style) -> plot::Series {
    let heavy = style.model == PRETRAINED;
    let theory = exact(s);
    let dot = |p: &super::Point| Dot { x: f64::from(p.shots), y: p.mean, spread: 2.0 * p.stderr };
    plot::Series {
        name: style.model.clone(),
        ink: style.ink,
        dots: s.points.iter().map(dot).collect(),
        along: (theory.len() > 1).then_some(theory),
        stroke: (if heavy { 2.4 } else { 1.6 }, Dash::Solid),
        marks: Some((style.marker, if heavy { 3.0 } else { 2.7 })),
        spread: Spread::Band,
        beyond: Beyond::First,
        shift: 0.0,
    }
}

/// Says what the frame could not hold.
fn note(s: &Series, y: &Axis) -> Option<String> {
    let top = s.points.iter().filter(|p| y.above(p.value())).max_by(|a, b| a.value().total_cmp(&b.value()));
    let broken = s.points.iter().filter(|p| p.value().is_nan()).count();
    match (top, broken) {
        (Some(p), _) => Some(format!(
            "{} leaves the axis (▲): up to {} with {}.",
            s.model,
            number(p.value()),
            demonstrations(p.shots)
        )),
        (None, 0) => None,
        (None, n) => Some(format!("{} is not a number at {n} of {} points.", s.model, s.points.len())),
    }
}

/// The legend that all panels share.
pub(super) fn legend(data: &RunData, styles: &[Style]) -> Vec<Key> {
    let evaluated = styles.iter().filter(|s| data.eval.iter().any(|e| e.model == s.model));
    let mut keys: Vec<Key> = evaluated.map(Style::key).collect();
    if data.eval.iter().flat_map(|s| &s.points).any(|p| p.exact.is_some()) {
        let label = "solid line: exact risk of the trained weights".into();
        keys.push(Key { label, ink: Ink::Text, sample: Sample::Line(Dash::Solid) });
    }
    if data.baselines.iter().any(|s| is_theory(&s.model)) {
        let label = "closed-form optimum, in its model's colour".into();
        keys.push(Key { label, ink: Ink::Text, sample: Sample::Line(Dash::Short) });
    }
    let reference = |(n, dash): (String, Dash)| Key {
        label: reference_name(&n),
        ink: Ink::Muted,
        sample: Sample::Line(dash),
    };
    keys.extend(references(data).into_iter().map(reference));
    keys
}
