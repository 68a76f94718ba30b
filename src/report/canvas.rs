//! Drawing in CSS pixels on plotters' SVG backend, and turning the result into a themed figure.

use super::axis::Axis;
use super::palette::{AXIS, GRID, Ink, MUTED, Marker, PAPER, TEXT};
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::cell::RefCell;

/// The backend rounds to whole units; drawing four times as large keeps lines smooth.
const SCALE: f64 = 4.0;

/// Strokes the backend cannot write: marked by an opacity no other element has, replaced afterwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dash {
    Solid,
    Long,
    Short,
    Dots,
    Mixed,
}

impl Dash {
    fn opacity(self) -> f64 {
        match self {
            Dash::Solid => 1.0,
            Dash::Long => 0.991,
            Dash::Short => 0.992,
            Dash::Dots => 0.993,
            Dash::Mixed => 0.994,
        }
    }

    /// The pattern of `stroke-dasharray`, lengths times `scale`.
    pub fn pattern(self, scale: f64) -> Option<String> {
        let lengths: &[f64] = match self {
            Dash::Solid => return None,
            Dash::Long => &[8.0, 4.5],
            Dash::Short => &[4.0, 3.5],
            Dash::Dots => &[0.8, 3.8],
            Dash::Mixed => &[8.0, 4.0, 1.0, 4.0],
        };
        Some(lengths.iter().map(|l| (l * scale).to_string()).collect::<Vec<_>>().join(" "))
    }
}

pub(super) const DASHES: [Dash; 4] = [Dash::Long, Dash::Dots, Dash::Mixed, Dash::Short];

#[derive(Clone, Copy)]
pub(super) enum At {
    Left,
    Middle,
    Right,
}

/// A sheet of `width` × `height` CSS pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failed: RefCell<Option<String>>,
}

fn scaled((x, y): (f64, f64)) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn color(ink: Ink) -> RGBColor {
    RGBColor((ink.light >> 16) as u8, (ink.light >> 8) as u8, ink.light as u8)
}

impl<'a> Canvas<'a> {
    /// Draws with `paint` and returns the elements, without the enclosing `<svg>`.
    pub fn draw(size: (f64, f64), paint: impl FnOnce(&Canvas)) -> Result<String> {
        let mut svg = String::new();
        let (width, height) = scaled(size);
        {
            let area = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
            let canvas = Canvas { area, failed: RefCell::new(None) };
            paint(&canvas);
            if let Err(e) = canvas.area.present() {
                canvas.failed.borrow_mut().get_or_insert(e.to_string());
            }
            if let Some(message) = canvas.failed.into_inner() {
                return Err(Error::file("figures", message));
            }
        }
        let inner = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        let mut inner = inner.map(|(inner, _)| inner.trim().to_string()).unwrap_or_default();
        for dash in DASHES {
            if let Some(pattern) = dash.pattern(SCALE) {
                let mark = format!("opacity=\"{}\"", dash.opacity());
                inner = inner.replace(&mark, &format!("stroke-dasharray=\"{pattern}\""));
            }
        }
        for noise in [" opacity=\"1\"", " font-family=\"sans-serif\"", " stroke=\"none\""] {
            inner = inner.replace(noise, "");
        }
        Ok(format!("<g transform=\"scale({})\">{inner}</g>", 1.0 / SCALE))
    }

    fn put<E>(&self, element: &E)
    where
        for<'b> &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        E: plotters::element::Drawable<SVGBackend<'a>>,
    {
        if let Err(e) = self.area.draw(element) {
            self.failed.borrow_mut().get_or_insert(e.to_string());
        }
    }

    /// A line through the points.
    pub fn path(&self, points: &[(f64, f64)], ink: Ink, width: f64, dash: Dash) {
        if points.len() > 1 {
            let style = color(ink).mix(dash.opacity()).stroke_width((width * SCALE).round() as u32);
            let points: Vec<_> = points.iter().copied().map(scaled).collect();
            self.put(&PathElement::new(points, style));
        }
    }

    /// A filled polygon.
    pub fn fill(&self, points: &[(f64, f64)], ink: Ink, opacity: f64) {
        let points: Vec<_> = points.iter().copied().map(scaled).collect();
        self.put(&Polygon::new(points, color(ink).mix(opacity)));
    }

    /// A filled rectangle.
    pub fn rect(&self, (x, y): (f64, f64), (width, height): (f64, f64), ink: Ink) {
        let corners = [scaled((x, y)), scaled((x + width, y + height))];
        self.put(&Rectangle::new(corners, color(ink).filled()));
    }

    /// Text of `size` pixels centred vertically on y.
    pub fn text(&self, text: &str, (x, y): (f64, f64), size: f64, at: At, ink: Ink) {
        self.write(text, (x, y), size, at, ink, FontStyle::Normal);
    }

    /// Bold text.
    pub fn bold(&self, text: &str, (x, y): (f64, f64), size: f64, at: At, ink: Ink) {
        self.write(text, (x, y), size, at, ink, FontStyle::Bold);
    }

    fn write(&self, text: &str, at: (f64, f64), size: f64, side: At, ink: Ink, weight: FontStyle) {
        let side = match side {
            At::Left => HPos::Left,
            At::Middle => HPos::Center,
            At::Right => HPos::Right,
        };
        // The backend divides a font's size by 1.24.
        let font = ("sans-serif", size * SCALE * 1.24, weight).into_font().color(&color(ink));
        self.put(&Text::new(text.to_string(), scaled(at), font.pos(Pos::new(side, VPos::Center))));
    }

    /// A marker of radius `r`, ringed in the page's colour so that overlapping ones stay apart.
    pub fn marker(&self, marker: Marker, (x, y): (f64, f64), r: f64, ink: Ink) {
        self.shape(marker, (x, y), r + 1.0, PAPER);
        self.shape(marker, (x, y), r, ink);
    }

    /// A marker drawn as an outline.
    pub fn outline(&self, marker: Marker, (x, y): (f64, f64), r: f64, ink: Ink) {
        self.shape(marker, (x, y), r + 0.8, ink);
        self.shape(marker, (x, y), r - 0.8, PAPER);
    }

    fn shape(&self, marker: Marker, (x, y): (f64, f64), r: f64, ink: Ink) {
        let around = |corners: &[(f64, f64)]| {
            self.fill(&corners.iter().map(|(a, b)| (x + a * r, y + b * r)).collect::<Vec<_>>(), ink, 1.0);
        };
        match marker {
            Marker::Circle => {
                let radius = (r * SCALE).round() as u32;
                self.put(&Circle::new(scaled((x, y)), radius, color(ink).filled()));
            }
            Marker::Square => around(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Marker::Triangle => around(&[(0.0, -1.25), (1.12, 0.8), (-1.12, 0.8)]),
            Marker::Diamond => around(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        }
    }
}

/// A plotting area with its axes.
pub(super) struct Frame<'a, 'b> {
    pub canvas: &'a Canvas<'b>,
    /// Left, top, right and bottom in pixels.
    pub edges: [f64; 4],
    pub x: &'a Axis,
    pub y: &'a Axis,
}

impl Frame<'_, '_> {
    /// The pixel of a value, bounded to the frame.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        self.pixel(self.x.unit(x).clamp(0.0, 1.0), self.y.unit(y).clamp(0.0, 1.0))
    }

    fn pixel(&self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, right, bottom] = self.edges;
        (left + x * (right - left), bottom - y * (bottom - top))
    }

    /// Grid lines, tick labels and the names of the axes (y's above the frame, upright).
    pub fn grid(&self, x_name: &str, y_name: &str) {
        let [left, top, right, bottom] = self.edges;
        for (value, label) in &self.y.ticks {
            let (_, y) = self.at(self.x.lo, *value);
            self.canvas.path(&[(left, y), (right, y)], GRID, 1.0, Dash::Solid);
            self.canvas.text(label, (left - 6.0, y), 12.0, At::Right, MUTED);
        }
        for (value, label) in &self.x.ticks {
            let (x, _) = self.at(*value, self.y.lo);
            self.canvas.path(&[(x, bottom), (x, bottom + 4.0)], AXIS, 1.0, Dash::Solid);
            self.canvas.text(label, (x, bottom + 13.0), 12.0, At::Middle, MUTED);
        }
        self.canvas.path(&[(left, bottom), (right, bottom)], AXIS, 1.0, Dash::Solid);
        self.canvas.text(x_name, ((left + right) / 2.0, bottom + 30.0), 12.0, At::Middle, MUTED);
        let scale = if self.y.log { " (log scale)" } else { "" };
        self.canvas.text(&format!("{y_name}{scale}"), (4.0, top - 13.0), 12.0, At::Left, MUTED);
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

    /// The title above the frame.
    pub fn title(&self, title: &str) {
        self.canvas.bold(title, (4.0, self.edges[1] - 32.0), 13.5, At::Left, TEXT);
    }
}

fn push(runs: &mut [Vec<(f64, f64)>], point: (f64, f64)) {
    if let Some(run) = runs.last_mut() {
        run.push(point);
    }
}
