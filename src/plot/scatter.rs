//! The kind of figure with marks: one error against another, with the front of what nothing beats in both.

use super::axis::Axis;
use super::canvas::{At, Canvas};
use super::frame::Frame;
use super::labels::{FONT, Labels};
use super::mark::{Dash, Marker};
use super::numbers::number;
use super::palette::Ink;

/// Where only the front is named: the least distance in pixels of two named marks, and the most names.
const APART: f64 = 24.0;
const NAMED: usize = 10;

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Competes for the front.
    Mark,
    /// Drawn like a mark, but does not compete.
    Aside,
    /// What others are compared with; lines go through it if it is the only one.
    Base,
    /// A closed form, drawn as an outline.
    Theory,
}

/// An error and how far its bar reaches to either side; no bar where that is not finite.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    pub value: f64,
    pub bar: f64,
}

/// One mark.
#[derive(Clone, Debug)]
pub struct Spot {
    pub label: String,
    pub ink: Ink,
    pub marker: Marker,
    pub x: Measure,
    pub y: Measure,
    pub role: Role,
}

/// A figure of spots.
pub struct Scatter<'a> {
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
#[derive(Debug)]
pub struct Scattered {
    pub body: String,
    /// Indices of spots beyond the axes, which are drawn on the frame.
    pub beyond: Vec<usize>,
}

/// Indices of the marks that no other beats in both errors, by the first error.
pub fn front(spots: &[Spot]) -> Vec<usize> {
    let able = |s: &Spot| s.role == Role::Mark && s.x.value.is_finite() && s.y.value.is_finite();
    let able: Vec<usize> = (0..spots.len()).filter(|i| able(&spots[*i])).collect();
    let of = |i: usize| (spots[i].x.value, spots[i].y.value);
    let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    let mut front: Vec<usize> =
        able.iter().copied().filter(|i| !able.iter().any(|j| beats(of(*j), of(*i)))).collect();
    front.sort_by(|a, b| of(*a).0.total_cmp(&of(*b).0));
    front
}

/// How far labels keep from the front.
const CLEAR: f64 = 2.5;

impl Scatter<'_> {
    /// Draws it on axes fitted to the bulk of the spots.
    pub fn draw(&self) -> Scattered {
        let axis = |of: fn(&Spot) -> f64| {
            let all: Vec<Vec<f64>> = self.spots.iter().map(|s| vec![of(s)]).collect();
            let base: Vec<f64> = self.spots.iter().filter(|s| s.role == Role::Base).map(of).collect();
            widen(Axis::errors(&all, &base))
        };
        let (x, y) = (axis(|s| s.x.value), axis(|s| s.y.value));
        let (width, height) = self.size;
        let frame = Frame { edges: [46.0, 30.0, width - 14.0, height - 44.0], x: &x, y: &y };
        let body = Canvas::draw(|canvas| self.paint(canvas, &frame));
        let off = |s: &Spot| beyond(&x, s.x.value) || beyond(&y, s.y.value);
        let off = self.spots.iter().enumerate().filter(|(_, s)| s.role != Role::Theory && off(s));
        Scattered { body, beyond: off.map(|(i, _)| i).collect() }
    }

    fn paint(&self, canvas: &mut Canvas, frame: &Frame) {
        let [left, _, _, bottom] = frame.edges;
        frame.grid(canvas, self.names[0], self.names[1]);
        let mut labels = Labels::within(frame.edges);
        let front = front(self.spots);
        self.stairs(canvas, frame, &front, &mut labels);
        self.guides(canvas, frame);
        // Among many, what is on the front is on top.
        let top = |i: &usize| !self.all_labels && front.contains(i);
        let order = (0..self.spots.len()).filter(|i| !top(i)).chain((0..self.spots.len()).filter(top));
        for i in order {
            let (s, (x, y)) = (&self.spots[i], place(frame, &self.spots[i]));
            canvas.named(&s.label, |canvas| match s.role {
                Role::Theory => canvas.outline(Marker::Diamond, (x, y), 7.0, s.ink),
                _ => bars(canvas, frame, s, (x, y), self.radius_of(i, &front)),
            });
            let room = self.radius + 2.8;
            labels.take([x - room, y - room, x + room, y + room]);
        }
        canvas.text("better ↙", (left + 8.0, bottom - 11.0), 11.5, At::Left, Ink::Muted);
        labels.take([left, bottom - 20.0, left + 62.0, bottom]);
        for i in self.labelled(frame, &front) {
            label(canvas, frame, &self.spots[i], self.radius_of(i, &front), &mut labels);
        }
    }

    /// The front as steps: down from the top to the first spot, right to below the next, on to the right edge.
    fn stairs(&self, canvas: &mut Canvas, frame: &Frame, front: &[usize], labels: &mut Labels) {
        let [_, top, right, _] = frame.edges;
        let mut corners: Vec<(f64, f64)> = Vec::new();
        for at in front.iter().map(|i| place(frame, &self.spots[*i])) {
            let level = corners.last().map_or(top, |c| c.1);
            corners.extend([(at.0, level), at]);
        }
        let Some((_, level)) = corners.last().copied() else { return };
        corners.push((right, level));
        canvas.line(&corners, Ink::Front, 5.0, Dash::Solid);
        for pair in corners.windows(2) {
            let ((a, b), (c, d)) = (pair[0], pair[1]);
            labels.take([a.min(c) - CLEAR, b.min(d) - CLEAR, a.max(c) + CLEAR, b.max(d) + CLEAR]);
        }
    }

    /// Lines through what others are compared with, and those that join marks.
    fn guides(&self, canvas: &mut Canvas, frame: &Frame) {
        let [left, top, right, bottom] = frame.edges;
        let mut bases = self.spots.iter().filter(|s| s.role == Role::Base);
        // Lines through several would say nothing.
        if let (Some(base), None) = (bases.next(), bases.next()) {
            let (x, y) = place(frame, base);
            let lines = [[(left, y), (right, y)], [(x, top), (x, bottom)]];
            canvas.lines(&lines, Ink::Axis, 1.0, Dash::Short);
        }
        for chain in self.chains {
            let points: Vec<_> = chain.iter().map(|i| place(frame, &self.spots[*i])).collect();
            if let Some(first) = chain.first() {
                canvas.line(&points, self.spots[*first].ink, 1.0, Dash::Solid);
            }
        }
    }

    /// Which spots are named: all, or the base and, the ends first, what stands apart on the front.
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

fn bars(canvas: &mut Canvas, frame: &Frame, s: &Spot, (x, y): (f64, f64), r: f64) {
    let across = |v: f64| (frame.at(v, frame.y.lo).0, y);
    let along = |v: f64| (x, frame.at(frame.x.lo, v).1);
    let mut bars = Vec::new();
    if !beyond(frame.x, s.x.value) && s.x.bar.is_finite() {
        bars.push([across(s.x.value - s.x.bar), across(s.x.value + s.x.bar)]);
    }
    if !beyond(frame.y, s.y.value) && s.y.bar.is_finite() {
        bars.push([along(s.y.value - s.y.bar), along(s.y.value + s.y.bar)]);
    }
    canvas.lines(&bars, s.ink, 1.4, Dash::Solid);
    canvas.marks(s.marker, &[(x, y)], r, s.ink);
}

/// Puts the label where it covers least, with a leader when it had to go far.
fn label(canvas: &mut Canvas, frame: &Frame, s: &Spot, r: f64, labels: &mut Labels) {
    let at = place(frame, s);
    let arrow = if beyond(frame.y, s.y.value) {
        format!(" ↑ {}", number(s.y.value))
    } else if beyond(frame.x, s.x.value) {
        format!(" → {}", number(s.x.value))
    } else {
        String::new()
    };
    let text = format!("{}{arrow}", s.label);
    let placed = labels.place(&text, at);
    if let Some(near) = placed.leader {
        canvas.line(&[at, near], s.ink, 0.8, Dash::Solid);
        canvas.marks(s.marker, &[at], r, s.ink);
    }
    if s.role == Role::Base {
        canvas.bold(&text, placed.centre, FONT, At::Middle, Ink::Text);
    } else {
        canvas.text(&text, placed.centre, FONT, At::Middle, s.ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(label: &str, x: f64, y: f64, role: Role) -> Spot {
        let measure = |value: f64| Measure { value, bar: 0.01 };
        let (x, y) = (measure(x), measure(y));
        Spot { label: label.into(), ink: Ink::Series(0), marker: Marker::Circle, x, y, role }
    }

    fn draw(spots: &[Spot], all_labels: bool) -> Scattered {
        let names = ["zero-shot", "few-shot"];
        Scatter { size: (400.0, 372.0), names, spots, chains: &[], all_labels, radius: 4.0 }.draw()
    }

    #[test]
    fn the_front_leaves_out_beaten_exploded_and_reference_points() {
        let spots = vec![
            spot("", 0.1, 1.4, Role::Mark),
            spot("", 0.3, 0.4, Role::Mark),
            spot("", 0.35, 0.41, Role::Mark),
            spot("", 0.05, f64::NAN, Role::Mark),
            spot("", 0.02, 0.02, Role::Aside),
            spot("", 0.01, 0.01, Role::Base),
            spot("", 0.0, 0.0, Role::Theory),
        ];
        assert_eq!(front(&spots), vec![0, 1]);
    }

    #[test]
    fn every_mark_is_drawn_and_named_and_the_far_ones_are_told() {
        let mut spots: Vec<Spot> =
            (0..6).map(|i| spot(&format!("m{i}"), 0.1 + f64::from(i) * 0.1, 0.9, Role::Mark)).collect();
        spots.push(spot("base", 0.7, 0.5, Role::Base));
        spots.push(spot("huge", 0.5, 1e5, Role::Mark));
        spots.push(spot("lost", f64::NAN, f64::INFINITY, Role::Mark));
        let drawn = draw(&spots, true);
        assert_eq!(drawn.beyond, [7, 8]);
        for s in &spots {
            assert!(drawn.body.contains(&format!("<title>{}</title>", s.label)), "{}", s.label);
            let label = |end: &str| drawn.body.contains(&format!(">{}{end}", s.label));
            assert!(label("</text>") || label(" ↑"), "{}", s.label);
        }
        assert!(drawn.body.contains(">huge ↑ 1.0×10⁵</text>") && drawn.body.contains(">lost ↑ ∞</text>"));
        assert!(!drawn.body.contains("NaN") && drawn.body.matches("<circle").count() >= spots.len());
    }

    #[test]
    fn of_many_the_front_and_the_base_are_named() {
        let mut spots: Vec<Spot> = (0..200)
            .map(|i| f64::from(i) / 200.0)
            .map(|x| spot("common", 0.2 + x, 2.0 + (x * 40.0).sin(), Role::Mark))
            .collect();
        spots.push(spot("best", 0.1, 0.4, Role::Mark));
        spots.push(spot("base", 1.0, 1.0, Role::Base));
        let body = draw(&spots, false).body;
        let labels = |name: &str| body.matches(&format!(">{name}</text>")).count();
        assert_eq!((labels("best"), labels("base"), labels("common")), (1, 1, 0));
    }
}
