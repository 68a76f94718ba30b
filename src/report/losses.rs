//! Training losses, a panel a model.

use super::axis::{Axis, number};
use super::canvas::{Canvas, Dash, Frame};
use super::figure::{Figure, Key, Sample};
use super::load::{Curve, Loss, PRETRAINED, RunData};
use super::palette::{Marker, Style, TEXT};
use crate::error::Result;

const SIZE: (f64, f64) = (300.0, 215.0);
const EDGES: [f64; 4] = [42.0, 48.0, 290.0, 176.0];
/// More points than this are thinned, keeping every extreme.
const POINTS: usize = 300;

/// A loss of a curve with the dash it is drawn in.
type Part = (fn(&Loss) -> f64, Dash);

/// The figures; all share one vertical axis, for all show squared errors.
pub(super) fn figures(data: &RunData, styles: &[Style]) -> Result<Vec<Figure>> {
    let finished = |c: &&Curve| !c.steps.is_empty();
    let curves: Vec<&Curve> = styles
        .iter()
        .filter_map(|s| data.curves.iter().find(|c| c.model == s.model))
        .filter(finished)
        .collect();
    let values: Vec<Vec<f64>> = curves
        .iter()
        .flat_map(|c| parts(c).into_iter().map(|(of, _)| c.steps.iter().map(of).collect()))
        .collect();
    // Fine-tuning starts at the pre-trained model's error, high above where it ends.
    let starts: Vec<f64> = curves
        .iter()
        .filter(|c| c.model != PRETRAINED)
        .flat_map(|c| parts(c).into_iter().map(|(of, _)| of(&c.steps[0])))
        .collect();
    let y = Axis::errors(&values, &starts);
    curves
        .into_iter()
        .filter_map(|c| styles.iter().find(|s| s.model == c.model).map(|s| panel(c, s, &y)))
        .collect()
}

/// Zero-shot solid and few-shot dashed where the run recorded them, otherwise the loss that was descended.
fn parts(curve: &Curve) -> Vec<Part> {
    let has = |of: fn(&Loss) -> f64| curve.steps.iter().any(|s| !of(s).is_nan());
    let split: [Part; 2] = [(|l| l.zs, Dash::Solid), (|l| l.fs, Dash::Short)];
    let found: Vec<Part> = split.into_iter().filter(|(of, _)| has(*of)).collect();
    if found.is_empty() || curve.model == PRETRAINED { vec![(|l| l.total, Dash::Solid)] } else { found }
}

fn panel(curve: &Curve, style: &Style, y: &Axis) -> Result<Figure> {
    let x = Axis::counts(curve.steps.last().map_or(1, |l| l.step));
    let title = if curve.model == PRETRAINED {
        "Pre-training".into()
    } else {
        format!("Fine-tuning: {}", curve.model)
    };
    let mut notes = Vec::new();
    let body = Canvas::draw(SIZE, |canvas| {
        let frame = Frame { canvas, edges: EDGES, x: &x, y };
        frame.title(&title);
        frame.grid("step", "loss");
        for (of, dash) in parts(curve).into_iter().rev() {
            let points: Vec<_> = curve.steps.iter().map(|l| (l.step as f64, of(l))).collect();
            let width = if dash == Dash::Solid { 1.8 } else { 1.6 };
            for run in frame.runs(&thin(&points)) {
                canvas.path(&run, style.ink, width, dash);
            }
            let off: Vec<_> = points.iter().filter(|p| y.above(p.1)).collect();
            let top = off.iter().max_by(|a, b| a.1.total_cmp(&b.1));
            if let (Some(first), Some((step, loss))) = (off.first(), top) {
                let (px, top) = frame.at(first.0, y.hi);
                canvas.marker(Marker::Triangle, (px, top + 3.0), 4.0, style.ink);
                notes.push(format!("Leaves the axis (▲): up to {} at step {step}.", number(*loss)));
            }
        }
    })?;
    let label = format!("{title}: training loss against steps");
    let stem = format!("loss-{}", super::file_stem(&curve.model));
    Ok(Figure { stem, label, size: SIZE, body, legend: legend(), notes })
}

/// What the strokes mean.
pub(super) fn legend() -> Vec<Key> {
    let key = |label: &str, dash| Key { label: label.into(), ink: TEXT, sample: Sample::Line(dash) };
    vec![key("zero-shot loss (pre-training: its own loss)", Dash::Solid), key("few-shot loss", Dash::Short)]
}

/// Keeps the smallest and the largest of every bucket, so that spikes survive.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let bucket = points.len().div_ceil(POINTS / 2);
    let mut kept = Vec::new();
    for part in points.chunks(bucket) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut pair: Vec<(f64, f64)> =
            part.iter().min_by(by).into_iter().chain(part.iter().max_by(by)).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_spikes_and_order() {
        let mut points: Vec<(f64, f64)> = (0..5000).map(|i| (f64::from(i), 1.0)).collect();
        points[2345].1 = 99.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= POINTS + 2);
        assert!(thinned.contains(&(2345.0, 99.0)));
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
