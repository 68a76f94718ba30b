//! Training losses, a panel a model.

use super::load::{Curve, Loss, PRETRAINED, RunData};
use super::palette::Style;
use crate::plot::{Axis, Beyond, Dash, Figure, Ink, Key, Panel, Sample, Series, number};

const SIZE: (f64, f64) = (300.0, 215.0);

/// A loss of a curve, and the dash it is drawn in.
struct Part {
    name: &'static str,
    of: fn(&Loss) -> f64,
    dash: Dash,
}

/// The figures; all share one vertical axis, for all show squared errors.
pub(super) fn figures(data: &RunData, styles: &[Style]) -> Vec<Figure> {
    let finished = |c: &&Curve| !c.steps.is_empty();
    let curves: Vec<&Curve> = styles
        .iter()
        .filter_map(|s| data.curves.iter().find(|c| c.model == s.model))
        .filter(finished)
        .collect();
    let values: Vec<Vec<f64>> = curves
        .iter()
        .flat_map(|c| parts(c).into_iter().map(|part| c.steps.iter().map(part.of).collect()))
        .collect();
    // Fine-tuning starts at the pre-trained model's error, high above where it ends.
    let starts: Vec<f64> = curves
        .iter()
        .filter(|c| c.model != PRETRAINED)
        .flat_map(|c| parts(c).into_iter().map(|part| (part.of)(&c.steps[0])))
        .collect();
    let y = Axis::errors(&values, &starts);
    curves
        .into_iter()
        .filter_map(|c| styles.iter().find(|s| s.model == c.model).map(|s| panel(c, s, &y)))
        .collect()
}

/// Zero-shot solid and few-shot dashed where the run recorded them, otherwise the loss that was descended.
fn parts(curve: &Curve) -> Vec<Part> {
    let part = |name, of, dash| Part { name, of, dash };
    let mut found =
        vec![part("zero-shot loss", |l| l.zs, Dash::Solid), part("few-shot loss", |l| l.fs, Dash::Short)];
    found.retain(|part| curve.steps.iter().any(|l| !(part.of)(l).is_nan()));
    if found.is_empty() || curve.model == PRETRAINED {
        vec![part("loss", |l| l.total, Dash::Solid)]
    } else {
        found
    }
}

fn panel(curve: &Curve, style: &Style, y: &Axis) -> Figure {
    let x = Axis::counts(curve.steps.last().map_or(1, |l| l.step));
    let title = if curve.model == PRETRAINED {
        "Pre-training".into()
    } else {
        format!("Fine-tuning: {}", curve.model)
    };
    let (mut series, mut notes) = (Vec::new(), Vec::new());
    for Part { name, of, dash } in parts(curve).into_iter().rev() {
        let points: Vec<_> = curve.steps.iter().map(|l| (l.step as f64, of(l))).collect();
        let width = if dash == Dash::Solid { 1.8 } else { 1.6 };
        let line = Series::line(name, style.ink, &points, width, dash);
        series.push(Series { beyond: Beyond::First, ..line });
        let top = points.iter().filter(|p| y.above(p.1)).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((step, loss)) = top {
            notes.push(format!("Leaves the axis (▲): up to {} at step {step}.", number(*loss)));
        }
    }
    let body = Panel { size: SIZE, title: &title, names: ["step", "loss"], x: &x, y, series: &series }.draw();
    let label = format!("{title}: training loss against steps");
    let stem = format!("loss-{}", super::file_stem(&curve.model));
    Figure { stem, label, size: SIZE, body, legend: legend(), notes }
}

/// What the strokes mean.
pub(super) fn legend() -> Vec<Key> {
    let key = |label: &str, dash| Key { label: label.into(), ink: Ink::Text, sample: Sample::Line(dash) };
    vec![key("zero-shot loss (pre-training: its own loss)", Dash::Solid), key("few-shot loss", Dash::Short)]
}
