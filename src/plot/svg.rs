//! Elements of SVG as text: attributes and text escaped, numbers in short decimals, none that is not finite.

use std::fmt::Write as _;

/// Coordinates beyond this are of no figure.
const FAR: f64 = 1e6;

/// Escapes text for XML and HTML, in elements and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// A finite number with at most two decimals, a hundredth of a pixel: `12`, `0.5`, `-3.07`.
pub(super) fn decimal(value: f64) -> String {
    let hundredths = (value.clamp(-FAR, FAR) * 100.0).round() as i64;
    let (whole, part) = (hundredths.abs() / 100, hundredths.abs() % 100);
    let sign = if hundredths < 0 { "-" } else { "" };
    match part {
        0 => format!("{sign}{whole}"),
        tens if tens % 10 == 0 => format!("{sign}{whole}.{}", tens / 10),
        part => format!("{sign}{whole}.{part:02}"),
    }
}

/// An element under construction. One that was given a number that is not finite is not written at all: half an
/// element at a wrong place would be read as a value.
#[derive(Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: String,
    inner: String,
    broken: bool,
}

impl Element {
    pub fn new(name: &'static str) -> Element {
        Element { name, attributes: String::new(), inner: String::new(), broken: false }
    }

    /// An attribute of text.
    pub fn set(mut self, name: &str, value: &str) -> Element {
        let _ = write!(self.attributes, " {name}=\"{}\"", escape(value));
        self
    }

    /// An attribute of a number.
    pub fn num(mut self, name: &str, value: f64) -> Element {
        self.broken |= !value.is_finite();
        self.set(name, &decimal(value))
    }

    /// Text in it.
    pub fn text(mut self, text: &str) -> Element {
        self.inner += &escape(text);
        self
    }

    /// Elements in it, as they are.
    pub fn inside(mut self, elements: &str) -> Element {
        self.inner += elements;
        self
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Element { name, attributes, inner, broken } = self;
        match () {
            _ if *broken => Ok(()),
            _ if inner.is_empty() => write!(f, "<{name}{attributes}/>"),
            _ => write!(f, "<{name}{attributes}>{inner}</{name}>"),
        }
    }
}

/// The data of a path. A point that is not finite breaks a line: what follows begins anew.
#[derive(Debug, Default)]
pub(super) struct Path {
    data: String,
    open: bool,
}

impl Path {
    /// A line through points.
    pub fn line(&mut self, points: &[(f64, f64)]) {
        self.open = false;
        for (x, y) in points {
            if !(x.is_finite() && y.is_finite()) {
                self.open = false;
                continue;
            }
            // Pairs that follow a move are lines.
            let mark = if self.open { " " } else { "M" };
            let _ = write!(self.data, "{mark}{} {}", decimal(*x), decimal(*y));
            self.open = true;
        }
    }

    /// A closed polygon; nothing where a corner is not finite.
    pub fn polygon(&mut self, corners: &[(f64, f64)]) {
        if corners.iter().all(|(x, y)| x.is_finite() && y.is_finite()) {
            self.line(corners);
            self.data.push('z');
            self.open = false;
        }
    }

    /// A rectangle from its corner.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        if [x, y, width, height].iter().all(|v| v.is_finite()) {
            let [x, y, w, h] = [x, y, width, height].map(decimal);
            let _ = write!(self.data, "M{x} {y}h{w}v{h}h-{w}z");
        }
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn data(&self) -> &str {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_text_is_escaped() {
        let cases = [
            (0.0, "0"),
            (-0.001, "0"),
            (12.0, "12"),
            (0.5, "0.5"),
            (-3.071, "-3.07"),
            (1.999, "2"),
            (1e300, "1000000"),
            (-0.25, "-0.25"),
            (7.05, "7.05"),
        ];
        for (value, text) in cases {
            assert_eq!(decimal(value), text);
        }
        let element = Element::new("text").num("x", 1.5).set("aria-label", "a\"<b>").text("x < y & z");
        assert_eq!(
            element.to_string(),
            "<text x=\"1.5\" aria-label=\"a&quot;&lt;b&gt;\">x &lt; y &amp; z</text>"
        );
        assert_eq!(Element::new("g").to_string(), "<g/>");
    }

    #[test]
    fn what_is_not_finite_is_not_written() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Element::new("circle").num("cx", value).num("cy", 1.0).to_string(), "");
            let mut path = Path::default();
            path.line(&[(0.0, 0.0), (1.0, 1.0), (2.0, value), (value, 3.0), (4.0, 4.0), (5.0, 5.5)]);
            assert_eq!(path.data(), "M0 0 1 1M4 4 5 5.5");
            path.polygon(&[(0.0, 0.0), (1.0, value)]);
            path.rect((value, 0.0), (1.0, 1.0));
            assert_eq!(path.data(), "M0 0 1 1M4 4 5 5.5");
        }
        let mut path = Path::default();
        path.polygon(&[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]);
        path.rect((1.0, 2.0), (3.0, 0.25));
        assert_eq!(path.data(), "M0 0 1 0 0 1zM1 2h3v0.25h-3z");
    }
}
