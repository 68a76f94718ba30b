//! Strokes, shapes and text in CSS pixels. Whatever is put here is escaped, and what is not finite is left out.

use super::mark::{Dash, Marker};
use super::palette::Ink;
use super::svg::{Element, Path};

/// From the middle of a text to its base line, as a share of its size: digits are about 0.72 tall.
const BASE: f64 = 0.35;

/// Which side of a text lies at its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Left,
    Middle,
    Right,
}

/// A sheet under the pen.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    /// Paints, and returns the elements, without the enclosing `<svg>`.
    pub fn draw(paint: impl FnOnce(&mut Canvas)) -> String {
        let mut canvas = Canvas::default();
        paint(&mut canvas);
        canvas.body
    }

    fn put(&mut self, element: Element) {
        self.body += &element.to_string();
    }

    /// What `paint` draws as one thing, with a name that is shown where a pointer rests on it.
    pub fn named(&mut self, name: &str, paint: impl FnOnce(&mut Canvas)) {
        let elements = Canvas::draw(paint);
        if !elements.is_empty() {
            let title = Element::new("title").text(name).to_string();
            self.put(Element::new("g").inside(&title).inside(&elements));
        }
    }

    /// A line through points.
    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64, dash: Dash) {
        self.lines(&[points], ink, width, dash);
    }

    /// Lines of one kind. A single point makes none.
    pub fn lines<P: AsRef<[(f64, f64)]>>(&mut self, lines: &[P], ink: Ink, width: f64, dash: Dash) {
        let mut path = Path::default();
        lines.iter().map(AsRef::as_ref).filter(|line| line.len() > 1).for_each(|line| path.line(line));
        if !path.is_empty() {
            let element = Element::new("path").set("d", path.data());
            self.put(stroked(element.set("fill", "none"), ink, width, dash));
        }
    }

    /// A filled polygon.
    pub fn fill(&mut self, corners: &[(f64, f64)], ink: Ink, opacity: f64) {
        let mut path = Path::default();
        path.polygon(corners);
        if !path.is_empty() {
            let element = filled(Element::new("path").set("d", path.data()), ink);
            self.put(element.num("fill-opacity", opacity));
        }
    }

    /// Filled rectangles of one size, by their corners.
    pub fn rects(&mut self, corners: &[(f64, f64)], size: (f64, f64), ink: Ink) {
        let mut path = Path::default();
        corners.iter().for_each(|corner| path.rect(*corner, size));
        if !path.is_empty() {
            self.put(filled(Element::new("path").set("d", path.data()), ink));
        }
    }

    /// Text of `size` pixels centred vertically on its place.
    pub fn text(&mut self, text: &str, at: (f64, f64), size: f64, side: At, ink: Ink) {
        self.put(written(text, at, size, side, ink));
    }

    /// Bold text.
    pub fn bold(&mut self, text: &str, at: (f64, f64), size: f64, side: At, ink: Ink) {
        self.put(written(text, at, size, side, ink).set("font-weight", "bold"));
    }

    /// Markers of radius `r`, ringed in the page's colour so that overlapping ones stay apart.
    pub fn marks(&mut self, marker: Marker, places: &[(f64, f64)], r: f64, ink: Ink) {
        // Half of the ring lies within the shape, so that what is seen of the ink has the radius.
        let shapes: String = places.iter().map(|at| shape(marker, *at, r + 0.5).to_string()).collect();
        if !shapes.is_empty() {
            let group = Element::new("g").inside(&shapes);
            self.put(inked(group, Some(ink), Some(Ink::Paper)).num("stroke-width", 1.0));
        }
    }

    /// A marker without a ring.
    pub fn plain(&mut self, marker: Marker, at: (f64, f64), r: f64, ink: Ink) {
        self.put(filled(shape(marker, at, r), ink));
    }

    /// A marker drawn as an outline.
    pub fn outline(&mut self, marker: Marker, at: (f64, f64), r: f64, ink: Ink) {
        let element = shape(marker, at, r);
        self.put(inked(element, Some(Ink::Paper), Some(ink)).num("stroke-width", 1.6));
    }
}

/// Colours as attributes, and the classes by which a style sheet knows them.
fn inked(mut element: Element, fill: Option<Ink>, stroke: Option<Ink>) -> Element {
    for (name, ink) in [("fill", fill), ("stroke", stroke)] {
        if let Some(ink) = ink {
            element = element.set(name, &ink.light());
        }
    }
    let classes = fill.map(Ink::fill_class).into_iter().chain(stroke.map(Ink::stroke_class));
    element.set("class", &classes.collect::<Vec<_>>().join(" "))
}

fn filled(element: Element, ink: Ink) -> Element {
    inked(element, Some(ink), None)
}

fn stroked(element: Element, ink: Ink, width: f64, dash: Dash) -> Element {
    let element = inked(element, None, Some(ink)).num("stroke-width", width);
    match dash.pattern() {
        Some(pattern) => element.set("stroke-dasharray", pattern),
        None => element,
    }
}

fn written(text: &str, (x, y): (f64, f64), size: f64, side: At, ink: Ink) -> Element {
    let element = Element::new("text").num("x", x).num("y", y + BASE * size).num("font-size", size);
    let element = match side {
        At::Left => element,
        At::Middle => element.set("text-anchor", "middle"),
        At::Right => element.set("text-anchor", "end"),
    };
    filled(element, ink).text(text)
}

fn shape(marker: Marker, (x, y): (f64, f64), r: f64) -> Element {
    if marker == Marker::Circle {
        return Element::new("circle").num("cx", x).num("cy", y).num("r", r);
    }
    let mut path = Path::default();
    let corners: Vec<_> = marker.corners().iter().map(|(a, b)| (x + a * r, y + b * r)).collect();
    path.polygon(&corners);
    Element::new("path").set("d", path.data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_opacities_and_names_are_real() {
        let ends = [(0.0, 0.0), (10.0, 0.5)];
        let body = Canvas::draw(|canvas| {
            canvas.line(&ends, Ink::Text, 1.5, Dash::Short);
            canvas.fill(&[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], Ink::Series(0), 0.18);
            canvas.named("a < b", |canvas| canvas.marks(Marker::Circle, &ends, 2.0, Ink::Base));
        });
        for part in [
            "<path d=\"M0 0 10 0.5\" fill=\"none\"",
            "stroke=\"#1B232B\" class=\"s-text\" stroke-width=\"1.5\"",
            "stroke-dasharray=\"4 3.5\"",
            "fill=\"#D55E00\" class=\"f-c0\" fill-opacity=\"0.18\"",
            "<title>a &lt; b</title>",
            "<circle cx=\"10\" cy=\"0.5\" r=\"2.5\"/>",
        ] {
            assert!(body.contains(part), "`{part}` is not in {body}");
        }
    }

    #[test]
    fn what_has_no_place_is_not_drawn() {
        let body = Canvas::draw(|canvas| {
            canvas.line(&[(0.0, 0.0)], Ink::Text, 1.0, Dash::Solid);
            canvas.line(&[(0.0, f64::NAN), (1.0, f64::INFINITY)], Ink::Text, 1.0, Dash::Solid);
            canvas.text("nowhere", (f64::NAN, 0.0), 12.0, At::Left, Ink::Text);
            canvas.named("nothing", |canvas| {
                canvas.marks(Marker::Circle, &[(0.0, f64::NAN)], 2.0, Ink::Text);
                canvas.rects(&[(f64::NAN, 0.0)], (1.0, 1.0), Ink::Text);
            });
        });
        assert_eq!(body, "");
    }
}
