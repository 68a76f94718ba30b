//! A scatter of one error against another, with the front of what nothing beats in both.

use super::axis::{Axis, number};
use super::canvas::{At, Canvas, Dash, Frame};
use super::figure::text_width;
use super::palette::{AXIS, FRONT, Ink, MUTED, Marker, TEXT};
use crate::error::Result;

const FONT: f64 = 12.0;
/// Where only the front is named: the least distance in pixels of two named marks, and the most names.
const APART: f64 = 24.0;
const NAMED: usize = 10;

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// Competes for the front.
    Mark,
    /// Drawn like a mark, but does not compete.
    Aside,
    /// The pre-trained model, with lines through it.
    Base,
    /// A closed form, drawn as an outline.
    Theory,
}

/// An error and how far its bar reaches to either side; no bar where that is not finite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub value: f64,
    pub bar: f64,
}

/// One mark.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub label: String,
    pub ink: Ink,
    pub marker: Marker,
    pub x: Measure,
    pub y: Measure,
    pub role: Role,
}

/// A figure of spots.
pub(super) struct Scatter<'a> {
    pub size: (f64, f64),
    pub names: [&'a str; 2],
    pub spots: &'a [Spot],
    /// Indices of marks to join.
    pub chains: &'a [Vec<usize>],
    /// Whether every mark is labelled, or only those on the front, which are larger then.
    pub all_labels: bool,
    /// Radius of a mark.
    pub radius: f64,
}

/// What was drawn.
pub(super) struct Drawn {
    pub body: String,
    /// Indices of spots beyond the axes, which are drawn on the frame.
    pub beyond: Vec<usize>,
}

/// Indices of the marks that no other beats in both errors, by the first error.
pub(super) fn front(spots: &[Spot]) -> Vec<usize> {
    let able = |s: &Spot| s.role == Role::Mark && s.x.value.is_finite() && s.y.value.is_finite();
    let able: Vec<usize> = (0..spots.len()).filter(|i| able(&spots[*i])).collect();
    let of = |i: usize| (spots[i].x.value, spots[i].y.value);
    let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    let mut front: Vec<usize> =
        able.iter().copied().filter(|i| !able.iter().any(|j| beats(of(*j), of(*i)))).collect();
    front.sort_by(|a, b| of(*a).0.total_cmp(&of(*b).0));
    front
}

impl Scatter<'_> {
    pub fn draw(&self) -> Result<Drawn> {
        let axis = |of: fn(&Spot) -> f64| {
            let all: Vec<Vec<f64>> = self.spots.iter().map(|s| vec![of(s)]).collect();
            let base: Vec<f64> = self.spots.iter().filter(|s| s.role == Role::Base).map(of).collect();
            widen(Axis::errors(&all, &base))
        };
        let (x, y) = (axis(|s| s.x.value), axis(|s| s.y.value));
        let (width, height) = self.size;
        let body = Canvas::draw(self.size, |canvas| {
            let edges = [46.0, 30.0, width - 14.0, height - 44.0];
            self.paint(&Frame { canvas, edges, x: &x, y: &y });
        })?;
        let off = |s: &Spot| beyond(&x, s.x.value) || beyond(&y, s.y.value);
        let off = self.spots.iter().enumerate().filter(|(_, s)| s.role != Role::Theory && off(s));
        Ok(Drawn { body, beyond: off.map(|(i, _)| i).collect() })
    }

    fn paint(&self, frame: &Frame) {
        let [left, top, right, bottom] = frame.edges;
        let spots = self.spots;
        frame.grid(self.names[0], self.names[1]);
        let front = front(spots);
        let mut corners: Vec<(f64, f64)> = Vec::new();
        for at in front.iter().map(|i| place(frame, &spots[*i])) {
            let level = corners.last().map_or(top, |c| c.1);
            corners.extend([(at.0, level), at]);
        }
        if let Some(last) = corners.last().copied() {
            corners.push((right, last.1));
            frame.canvas.path(&corners, FRONT, 5.0, Dash::Solid);
        }
        let mut bases = spots.iter().filter(|s| s.role == Role::Base);
        // Lines through several would say nothing.
        if let (Some(base), None) = (bases.next(), bases.next()) {
            let (x, y) = place(frame, base);
            frame.canvas.path(&[(left, y), (right, y)], AXIS, 1.0, Dash::Short);
            frame.canvas.path(&[(x, top), (x, bottom)], AXIS, 1.0, Dash::Short);
        }
        for chain in self.chains {
            let points: Vec<_> = chain.iter().map(|i| place(frame, &spots[*i])).collect();
            chain.iter().take(1).for_each(|i| frame.canvas.path(&points, spots[*i].ink, 1.0, Dash::Solid));
        }
        let mut taken: Vec<[f64; 4]> = corners.windows(2).map(|w| around(w[0], w[1])).collect();
        // Among many, what is on the front is on top.
        let top = |i: &usize| !self.all_labels && front.contains(i);
        let order = (0..spots.len()).filter(|i| !top(i)).chain((0..spots.len()).filter(top));
        for i in order {
            let (s, (x, y)) = (&spots[i], place(frame, &spots[i]));
            match s.role {
                Role::Theory => frame.canvas.outline(Marker::Diamond, (x, y), 7.0, s.ink),
                _ => bars(frame, s, (x, y), self.radius_of(i, &front)),
            }
            let room = self.radius + 2.8;
            taken.push([x - room, y - room, x + room, y + room]);
        }
        frame.canvas.text("better ↙", (left + 8.0, bottom - 11.0), 11.5, At::Left, MUTED);
        taken.push([left, bottom - 20.0, left + 62.0, bottom]);
        for i in self.labelled(frame, &front) {
            label(frame, &spots[i], self.radius_of(i, &front), &mut taken);
        }
    }

    /// Which spots are named: all, or the pre-trained model and, the ends first, what stands apart on the front.
    fn labelled(&self, frame: &Frame, front: &[usize]) -> Vec<usize> {
        let shown = (0..self.spots.len()).filter(|i| self.spots[*i].role != Role::Theory);
        if self.all_labels {
            return shown.collect();
        }
        let mut named: Vec<usize> = shown.filter(|i| self.spots[*i].role == Role::Base).collect();
        let bases = named.len();
        for i in front.iter().take(1).chain(front.iter().rev()).copied() {
            let (x, y) = place(frame, &self.spots[i]);
            let near = |other: &usize| {
                let (a, b) = place(frame, &self.spots[*other]);
                (a - x).hypot(b - y) < APART
            };
            if named.len() - bases < NAMED && !named[bases..].iter().any(near) {
                named.push(i);
            }
        }
        named
    }

    fn radius_of(&self, spot: usize, front: &[usize]) -> f64 {
        match self.spots[spot].role {
            Role::Base => self.radius + 0.8,
            _ if !self.all_labels && front.contains(&spot) => self.radius + 1.2,
            _ => self.radius,
        }
    }
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

fn place(frame: &Frame, s: &Spot) -> (f64, f64) {
    let edge = |axis: &Axis, v: f64| if beyond(axis, v) { axis.hi } else { v };
    frame.at(edge(frame.x, s.x.value), edge(frame.y, s.y.value))
}

fn bars(frame: &Frame, s: &Spot, (x, y): (f64, f64), r: f64) {
    let across = |v: f64| frame.at(v, 0.0).0;
    let along = |v: f64| frame.at(frame.x.lo, v).1;
    if !beyond(frame.x, s.x.value) && s.x.bar.is_finite() {
        let (a, b) = (across(s.x.value - s.x.bar), across(s.x.value + s.x.bar));
        frame.canvas.path(&[(a, y), (b, y)], s.ink, 1.4, Dash::Solid);
    }
    if !beyond(frame.y, s.y.value) && s.y.bar.is_finite() {
        let (a, b) = (along(s.y.value - s.y.bar), along(s.y.value + s.y.bar));
        frame.canvas.path(&[(x, a), (x, b)], s.ink, 1.4, Dash::Solid);
    }
    frame.canvas.marker(s.marker, (x, y), r, s.ink);
}

/// Puts the label where it covers least, with a leader when it had to go far.
fn label(frame: &Frame, s: &Spot, r: f64, taken: &mut Vec<[f64; 4]>) {
    let [left, top, right, bottom] = frame.edges;
    let (x, y) = place(frame, s);
    let arrow = if beyond(frame.y, s.y.value) {
        format!(" ↑ {}", number(s.y.value))
    } else if beyond(frame.x, s.x.value) {
        format!(" → {}", number(s.x.value))
    } else {
        String::new()
    };
    let text = format!("{}{arrow}", s.label);
    let (width, half) = (text_width(&text, FONT), FONT * 0.62);
    let mut best: Option<(f64, [f64; 4], f64)> = None;
    for reach in [11.0, 20.0, 32.0, 46.0, 62.0, 80.0] {
        for angle in [0.0, 180.0, 270.0, 90.0, 330.0, 30.0, 210.0, 150.0f64] {
            let (sin, cos) = angle.to_radians().sin_cos();
            let cx = x + cos * (reach + width / 2.0 * cos.abs());
            let cy = y + sin * (reach + 2.0);
            let inside_x =
                cx.clamp(left + width / 2.0 + 2.0, (right - width / 2.0 - 2.0).max(left + width / 2.0 + 2.0));
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
        frame.canvas.path(&[(x, y), near], s.ink, 0.8, Dash::Solid);
        frame.canvas.marker(s.marker, (x, y), r, s.ink);
    }
    let heavy = s.role == Role::Base;
    let write = if heavy { Canvas::bold } else { Canvas::text };
    write(frame.canvas, &text, centre, FONT, At::Middle, if heavy { TEXT } else { s.ink });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_leaves_out_beaten_exploded_and_reference_points() {
        let measure = |value: f64| Measure { value, bar: 0.0 };
        let spot = |x: f64, y: f64, role: Role| Spot {
            label: String::new(),
            ink: TEXT,
            marker: Marker::Circle,
            x: measure(x),
            y: measure(y),
            role,
        };
        let spots = vec![
            spot(0.1, 1.4, Role::Mark),
            spot(0.3, 0.4, Role::Mark),
            spot(0.35, 0.41, Role::Mark),
            spot(0.05, f64::NAN, Role::Mark),
            spot(0.02, 0.02, Role::Aside),
            spot(0.01, 0.01, Role::Base),
            spot(0.0, 0.0, Role::Theory),
        ];
        assert_eq!(front(&spots), vec![0, 1]);
    }
}
