//! What zero-shot gains cost in context: zero-shot error on the target against few-shot error on tasks not seen.

use super::load::{PRETRAINED, Point, RunData};
use super::palette::Style;
use crate::plot::{Dash, Figure, Ink, Key, Measure, Role, Sample, Scatter, Spot, number};

const SIZE: (f64, f64) = (400.0, 372.0);

/// The figure; none where there is no second task or nothing was evaluated.
pub(super) fn figure(data: &RunData, styles: &[Style]) -> Option<Figure> {
    let unseen = data.unseen()?;
    let shots = data.max_shots();
    let spots = spots(data, styles, &unseen, shots);
    if shots == 0 || spots.iter().all(|s| s.role == Role::Theory) {
        return None;
    }
    let y_name = format!("{shots}-shot error on tasks not seen");
    let scatter = Scatter {
        size: SIZE,
        names: ["zero-shot error on the target task", &y_name],
        spots: &spots,
        chains: &[],
        all_labels: true,
        radius: 5.2,
    };
    let drawn = scatter.draw();
    let place = |s: &Spot| {
        let (zero, few) = (number(s.x.value), number(s.y.value));
        format!("{} lies beyond the axes: zero-shot {zero}, {shots}-shot {few}.", s.label)
    };
    Some(Figure {
        stem: "tradeoff".into(),
        label: format!("Zero-shot error on the target task against {shots}-shot error on tasks not seen"),
        size: SIZE,
        body: drawn.body,
        legend: legend(&spots, "no method is better in both (Pareto front)"),
        notes: drawn.beyond.iter().map(|i| place(&spots[*i])).collect(),
    })
}

fn spots(data: &RunData, styles: &[Style], unseen: &str, shots: u32) -> Vec<Spot> {
    let point = |theory: bool, model: &str, task: &str, shots: u32| {
        let (rows, name) =
            if theory { (&data.baselines, format!("theory:{model}")) } else { (&data.eval, model.into()) };
        rows.iter().find(|s| s.model == name && s.task == task)?.at(shots)
    };
    let spot = |style: &Style, theory: bool| {
        let x = measure(point(theory, &style.model, "target", 0)?);
        let y = measure(point(theory, &style.model, unseen, shots)?);
        let role = match (theory, style.model == PRETRAINED) {
            (true, _) => Role::Theory,
            (false, true) => Role::Base,
            (false, false) => Role::Mark,
        };
        Some(Spot { label: style.model.clone(), ink: style.ink, marker: style.marker, x, y, role })
    };
    [true, false].iter().flat_map(|t| styles.iter().filter_map(|s| spot(s, *t))).collect()
}

/// With a bar of two standard errors, where the error was measured.
fn measure(p: Point) -> Measure {
    Measure { value: p.value(), bar: if p.mean.is_nan() { f64::NAN } else { 2.0 * p.stderr } }
}

/// What the lines mean; `front` says what the front is.
pub(super) fn legend(spots: &[Spot], front: &str) -> Vec<Key> {
    let mut keys = vec![Key { label: front.into(), ink: Ink::Front, sample: Sample::Bold(Dash::Solid) }];
    if spots.iter().any(|s| s.role == Role::Theory) {
        let label = "closed-form optimum, in its model's colour".into();
        keys.push(Key { label, ink: Ink::Text, sample: Sample::Outline });
    }
    if spots.iter().filter(|s| s.role == Role::Base).count() == 1 {
        let label = "through the pre-trained model".into();
        keys.push(Key { label, ink: Ink::Axis, sample: Sample::Line(Dash::Short) });
    }
    keys
}
