//! A plotting area with its axes.

use super::axis::Axis;
use super::canvas::{At, Canvas};
use super::mark::Dash;
use super::palette::Ink;

/// Size of ticks and of the names of axes.
const FONT: f64 = 12.0;

/// Where values lie on a sheet.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Left, top, right and bottom in pixels.
    pub edges: [f64; 4],
    pub x: &'a Axis,
    pub y: &'a Axis,
}

impl Frame<'_> {
    /// The pixel of a value, bounded to the frame; not finite where the value is NaN.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        self.pixel(self.x.unit(x).clamp(0.0, 1.0), self.y.unit(y).clamp(0.0, 1.0))
    }

    fn pixel(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, right, bottom] = self.edges;
        (left + x * (right - left), bottom - y * (bottom - top))
    }

    /// Grid lines, tick labels and the names of the axes (y's above the frame, upright).
    pub fn grid(&self, canvas: &mut Canvas, x_name: &str, y_name: &str) {
        let [left, top, right, bottom] = self.edges;
        let heights: Vec<f64> = self.y.ticks.iter().map(|(value, _)| self.at(self.x.lo, *value).1).collect();
        let places: Vec<f64> = self.x.ticks.iter().map(|(value, _)| self.at(*value, self.y.lo).0).collect();
        let across: Vec<_> = heights.iter().map(|y| [(left, *y), (right, *y)]).collect();
        canvas.lines(&across, Ink::Grid, 1.0, Dash::Solid);
        let mut axis = vec![[(left, bottom), (right, bottom)]];
        axis.extend(places.iter().map(|x| [(*x, bottom), (*x, bottom + 4.0)]));
        canvas.lines(&axis, Ink::Axis, 1.0, Dash::Solid);
        for ((_, label), y) in self.y.ticks.iter().zip(heights) {
            canvas.text(label, (left - 8.0, y), FONT, At::Right, Ink::Muted);
        }
        for ((_, label), x) in self.x.ticks.iter().zip(places) {
            canvas.text(label, (x, bottom + 13.0), FONT, At::Middle, Ink::Muted);
        }
        let named = |name: &str, axis: &Axis| format!("{name}{}", if axis.log { " (log scale)" } else { "" });
        let middle = ((left + right) / 2.0, bottom + 30.0);
        canvas.text(&named(x_name, self.x), middle, FONT, At::Middle, Ink::Muted);
        canvas.text(&named(y_name, self.y), (4.0, top - 13.0), FONT, At::Left, Ink::Muted);
    }

    /// The title above the frame.
    pub fn title(&self, canvas: &mut Canvas, title: &str) {
        canvas.bold(title, (4.0, self.edges[1] - 32.0), 13.5, At::Left, Ink::Text);
    }

    /// The runs of finite points, cut where they leave the top of the frame.
    pub fn runs(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut runs = vec![Vec::new()];
        let mut last: Option<(f64, f64)> = None;
        for (x, y) in points {
            let here = (self.x.unit(*x), self.y.unit(*y).min(1e6));
            if !y.is_nan() {
                if let Some(before) = last
                    && (before.1 > 1.0) != (here.1 > 1.0)
                {
                    let part = (1.0 - before.1) / (here.1 - before.1);
                    push(&mut runs, self.pixel(before.0 + part * (here.0 - before.0), 1.0));
                }
                if here.1 <= 1.0 {
                    push(&mut runs, self.pixel(here.0, here.1.max(0.0)));
                }
            }
            let off = y.is_nan() || here.1 > 1.0;
            if off && runs.last().is_some_and(|r| !r.is_empty()) {
                runs.push(Vec::new());
            }
            last = (!y.is_nan()).then_some(here);
        }
        runs
    }
}

fn push(runs: &mut [Vec<(f64, f64)>], point: (f64, f64)) {
    if let Some(run) = runs.last_mut() {
        run.push(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_it_leaves_the_frame_and_where_it_has_no_value() {
        let (x, y) = (Axis::linear(0.0, 10.0, 5), Axis::linear(0.0, 1.0, 5));
        let frame = Frame { edges: [0.0, 0.0, 100.0, 100.0], x: &x, y: &y };
        let runs = frame.runs(&[(0.0, 0.0), (2.0, 0.5), (4.0, 1.5), (6.0, 0.5), (7.0, f64::NAN), (8.0, 1.0)]);
        let rounded = |run: &Vec<(f64, f64)>| run.iter().map(|(x, y)| (x.round(), y.round())).collect();
        let runs: Vec<Vec<(f64, f64)>> = runs.iter().filter(|run| !run.is_empty()).map(rounded).collect();
        assert_eq!(runs[0], [(0.0, 100.0), (20.0, 50.0), (30.0, 0.0)]);
        assert_eq!(runs[1], [(50.0, 0.0), (60.0, 50.0)]);
        assert_eq!(runs[2], [(80.0, 0.0)]);
        for (_, y) in frame.runs(&[(0.0, 0.5), (1.0, f64::INFINITY), (2.0, -3.0)]).concat() {
            assert!((0.0..=100.0).contains(&y), "{y}");
        }
    }

    #[test]
    fn ticks_are_drawn_where_values_lie_each_with_its_label() {
        let (x, y) = (Axis::counts(20), Axis::logarithmic(0.1, 10.0));
        let frame = Frame { edges: [40.0, 10.0, 240.0, 110.0], x: &x, y: &y };
        let body = Canvas::draw(|canvas| frame.grid(canvas, "steps", "loss"));
        assert!(body.contains("M40 60 240 60"), "1 is half way between 0.1 and 10: {body}");
        for (_, label) in x.ticks.iter().chain(&y.ticks) {
            assert!(body.contains(&format!(">{label}</text>")), "{label}");
        }
        assert!(body.contains(">steps</text>") && body.contains(">loss (log scale)</text>"));
    }
}
