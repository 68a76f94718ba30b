//! What zero-shot gains cost in context: zero-shot error on the target against few-shot error on tasks not seen.

use super::axis::{Axis, number};
use super::canvas::{At, Canvas, Dash, Frame};
use super::figure::{Figure, Key, Sample, text_width};
use super::load::{PRETRAINED, Point, RunData};
use super::palette::{AXIS, FRONT, MUTED, Marker, Style, TEXT};
use crate::error::Result;

const SIZE: (f64, f64) = (400.0, 372.0);
const EDGES: [f64; 4] = [46.0, 30.0, 386.0, 328.0];
const FONT: f64 = 12.0;

struct Spot<'a> {
    style: &'a Style,
    x: Point,
    y: Point,
    theory: bool,
}

/// The figure; none where there is no second task or nothing was evaluated.
pub(super) fn figure(data: &RunData, styles: &[Style]) -> Result<Option<Figure>> {
    let Some(unseen) = data.unseen() else { return Ok(None) };
    let shots = data.max_shots();
    let spots = spots(data, styles, &unseen, shots);
    if shots == 0 || spots.iter().all(|s| s.theory) {
        return Ok(None);
    }
    let column = |of: fn(&Spot) -> f64| spots.iter().map(|s| vec![of(s)]).collect::<Vec<_>>();
    let base = |of: fn(&Spot) -> f64| {
        spots.iter().filter(|s| !s.theory && s.style.model == PRETRAINED).map(of).collect::<Vec<_>>()
    };
    let axis = |of: fn(&Spot) -> f64| widen(Axis::errors(&column(of), &base(of)));
    let (x, y) = (axis(|s| s.x.value()), axis(|s| s.y.value()));
    let front = front(&spots);
    let body = Canvas::draw(SIZE, |canvas| {
        let frame = Frame { canvas, edges: EDGES, x: &x, y: &y };
        paint(&frame, &spots, &front, shots);
    })?;
    let off = spots.iter().filter(|s| !s.theory && (beyond(&x, s.x.value()) || beyond(&y, s.y.value())));
    let place = |s: &Spot| {
        let (zero, few) = (number(s.x.value()), number(s.y.value()));
        format!("{} lies beyond the axes: zero-shot {zero}, {shots}-shot {few}.", s.style.model)
    };
    Ok(Some(Figure {
        stem: "tradeoff".into(),
        label: format!("Zero-shot error on the target task against {shots}-shot error on tasks not seen"),
        size: SIZE,
        body,
        legend: legend(&spots),
        notes: off.map(place).collect(),
    }))
}

fn spots<'a>(data: &RunData, styles: &'a [Style], unseen: &str, shots: u32) -> Vec<Spot<'a>> {
    let point = |theory: bool, model: &str, task: &str, shots: u32| {
        let (rows, name) =
            if theory { (&data.baselines, format!("theory:{model}")) } else { (&data.eval, model.into()) };
        rows.iter().find(|s| s.model == name && s.task == task)?.at(shots)
    };
    let spot = |style: &'a Style, theory: bool| {
        let x = point(theory, &style.model, "target", 0)?;
        let y = point(theory, &style.model, unseen, shots)?;
        Some(Spot { style, x, y, theory })
    };
    [true, false].iter().flat_map(|t| styles.iter().filter_map(|s| spot(s, *t))).collect()
}

/// Room for labels above the largest value.
fn widen(axis: Axis) -> Axis {
    if axis.log {
        Axis::logarithmic(axis.lo / 1.25, axis.hi * 1.15)
    } else {
        Axis::linear(0.0, axis.hi * 1.05, 5)
    }
}

fn beyond(axis: &Axis, value: f64) -> bool {
    axis.above(value) || value.is_nan()
}

/// Indices of the methods that no other method beats in both errors, by zero-shot error.
fn front(spots: &[Spot]) -> Vec<usize> {
    let is_method = |s: &Spot| !s.theory && s.style.model != PRETRAINED;
    let finite = |s: &Spot| s.x.value().is_finite() && s.y.value().is_finite();
    let able: Vec<usize> = (0..spots.len()).filter(|i| is_method(&spots[*i]) && finite(&spots[*i])).collect();
    let of = |i: usize| (spots[i].x.value(), spots[i].y.value());
    let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    let mut front: Vec<usize> =
        able.iter().copied().filter(|i| !able.iter().any(|j| beats(of(*j), of(*i)))).collect();
    front.sort_by(|a, b| of(*a).0.total_cmp(&of(*b).0));
    front
}

fn paint(frame: &Frame, spots: &[Spot], front: &[usize], shots: u32) {
    let [left, top, right, bottom] = frame.edges;
    let y_name = format!("{shots}-shot error on tasks not seen");
    frame.grid("zero-shot error on the target task", &y_name);
    let place = |s: &Spot| {
        let edge = |axis: &Axis, v: f64| if beyond(axis, v) { axis.hi } else { v };
        frame.at(edge(frame.x, s.x.value()), edge(frame.y, s.y.value()))
    };
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for at in front.iter().map(|i| place(&spots[*i])) {
        let level = corners.last().map_or(top, |c| c.1);
        corners.extend([(at.0, level), at]);
    }
    if let Some(last) = corners.last().copied() {
        corners.push((right, last.1));
        frame.canvas.path(&corners, FRONT, 5.0, Dash::Solid);
    }
    if let Some(base) = spots.iter().find(|s| !s.theory && s.style.model == PRETRAINED) {
        let (x, y) = place(base);
        frame.canvas.path(&[(left, y), (right, y)], AXIS, 1.0, Dash::Short);
        frame.canvas.path(&[(x, top), (x, bottom)], AXIS, 1.0, Dash::Short);
    }
    let mut taken: Vec<[f64; 4]> = corners.windows(2).map(|w| around(w[0], w[1])).collect();
    for s in spots {
        let (x, y) = place(s);
        let r = if s.style.model == PRETRAINED { 6.0 } else { 5.2 };
        match s.theory {
            true => frame.canvas.outline(Marker::Diamond, (x, y), 7.0, s.style.ink),
            false => bars(frame, s, (x, y), r),
        }
        taken.push([x - 8.0, y - 8.0, x + 8.0, y + 8.0]);
    }
    frame.canvas.text("better ↙", (left + 8.0, bottom - 11.0), 11.5, At::Left, MUTED);
    taken.push([left, bottom - 20.0, left + 62.0, bottom]);
    for s in spots.iter().filter(|s| !s.theory) {
        label(frame, s, place(s), &mut taken);
    }
}

fn bars(frame: &Frame, s: &Spot, (x, y): (f64, f64), r: f64) {
    let across = |v: f64| frame.at(v, 0.0).0;
    let along = |v: f64| frame.at(frame.x.lo, v).1;
    if !beyond(frame.x, s.x.mean) && s.x.stderr.is_finite() {
        let (a, b) = (across(s.x.mean - 2.0 * s.x.stderr), across(s.x.mean + 2.0 * s.x.stderr));
        frame.canvas.path(&[(a, y), (b, y)], s.style.ink, 1.4, Dash::Solid);
    }
    if !beyond(frame.y, s.y.mean) && s.y.stderr.is_finite() {
        let (a, b) = (along(s.y.mean - 2.0 * s.y.stderr), along(s.y.mean + 2.0 * s.y.stderr));
        frame.canvas.path(&[(x, a), (x, b)], s.style.ink, 1.4, Dash::Solid);
    }
    frame.canvas.marker(s.style.marker, (x, y), r, s.style.ink);
}

/// Puts the label where it covers least, with a leader when it had to go far.
fn label(frame: &Frame, s: &Spot, (x, y): (f64, f64), taken: &mut Vec<[f64; 4]>) {
    let [left, top, right, bottom] = frame.edges;
    let arrow = if beyond(frame.y, s.y.value()) {
        format!(" ↑ {}", number(s.y.value()))
    } else if beyond(frame.x, s.x.value()) {
        format!(" → {}", number(s.x.value()))
    } else {
        String::new()
    };
    let text = format!("{}{arrow}", s.style.model);
    let (width, half) = (text_width(&text, FONT), FONT * 0.62);
    let mut best: Option<(f64, [f64; 4], f64)> = None;
    for reach in [11.0, 20.0, 32.0, 46.0, 62.0, 80.0] {
        for angle in [0.0, 180.0, 270.0, 90.0, 330.0, 30.0, 210.0, 150.0f64] {
            let (sin, cos) = angle.to_radians().sin_cos();
            let cx = x + cos * (reach + width / 2.0 * cos.abs());
            let cy = y + sin * (reach + 2.0);
            let inside_x = cx.clamp(left + width / 2.0 + 2.0, right - width / 2.0 - 2.0);
            let box_ = [inside_x - width / 2.0, cy - half, inside_x + width / 2.0, cy + half];
            let out = (top - box_[1]).max(0.0) + (box_[3] - bottom).max(0.0);
            let cover: f64 = taken.iter().map(|t| overlap(&box_, t)).sum();
            let cost = cover * 10.0 + out * 400.0 + reach + (inside_x - cx).abs();
            if best.as_ref().is_none_or(|b| cost < b.0) {
                best = Some((cost, box_, reach));
            }
        }
    }
    let Some((_, box_, reach)) = best else { return };
    let centre = ((box_[0] + box_[2]) / 2.0, (box_[1] + box_[3]) / 2.0);
    if reach > 20.0 {
        let near = (x.clamp(box_[0], box_[2]), y.clamp(box_[1], box_[3]));
        frame.canvas.path(&[(x, y), near], s.style.ink, 0.8, Dash::Solid);
        frame.canvas.marker(s.style.marker, (x, y), 5.2, s.style.ink);
    }
    let heavy = s.style.model == PRETRAINED;
    let write = if heavy { Canvas::bold } else { Canvas::text };
    write(frame.canvas, &text, centre, FONT, At::Middle, if heavy { TEXT } else { s.style.ink });
    taken.push(box_);
}

/// The box of a stretch of the front.
fn around(a: (f64, f64), b: (f64, f64)) -> [f64; 4] {
    [a.0.min(b.0) - 2.5, a.1.min(b.1) - 2.5, a.0.max(b.0) + 2.5, a.1.max(b.1) + 2.5]
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    width * height
}

fn legend(spots: &[Spot]) -> Vec<Key> {
    let mut keys = Vec::new();
    let front = "no method is better in both (Pareto front)";
    keys.push(Key { label: front.into(), ink: FRONT, sample: Sample::Bold(Dash::Solid) });
    if spots.iter().any(|s| s.theory) {
        let label = "closed-form optimum, in its model's colour".into();
        keys.push(Key { label, ink: TEXT, sample: Sample::Outline });
    }
    if spots.iter().any(|s| !s.theory && s.style.model == PRETRAINED) {
        let label = "through the pre-trained model".into();
        keys.push(Key { label, ink: AXIS, sample: Sample::Line(Dash::Short) });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::palette;

    #[test]
    fn the_front_leaves_out_beaten_exploded_and_reference_points() {
        let names = ["a", "b", "c", "d", PRETRAINED];
        let styles: Vec<Style> = names
            .iter()
            .map(|n| Style { model: n.to_string(), ink: palette::TEXT, marker: Marker::Circle })
            .collect();
        let point = |mean: f64| Point { shots: 0, mean, stderr: 0.0, exact: None };
        let spot = |i: usize, x: f64, y: f64, theory: bool| Spot {
            style: &styles[i],
            x: point(x),
            y: point(y),
            theory,
        };
        let spots = vec![
            spot(0, 0.1, 1.4, false),
            spot(1, 0.3, 0.4, false),
            spot(2, 0.35, 0.41, false),
            spot(3, 0.05, f64::NAN, false),
            spot(4, 0.01, 0.01, false),
            spot(1, 0.0, 0.0, true),
        ];
        assert_eq!(front(&spots), vec![0, 1]);
    }
}
