//! A finished figure: inline in the page, or a file of its own with its legend.

use super::canvas::{At, Canvas};
use super::labels::{text_width, wrap};
use super::mark::{Dash, Marker};
use super::palette::{self, Ink};
use super::svg::{Element, decimal};

/// Sizes of the text below a figure of its own.
const LEGEND: f64 = 12.0;
const NOTES: f64 = 11.5;
/// A sample's box.
const SAMPLE: (f64, f64) = (24.0, 14.0);

/// A figure's elements in CSS pixels.
#[derive(Debug)]
pub struct Figure {
    /// File name, without `.svg`.
    pub stem: String,
    /// What it shows, for those who cannot see it.
    pub label: String,
    pub size: (f64, f64),
    /// Elements of SVG.
    pub body: String,
    pub legend: Vec<Key>,
    /// What the reader must know, such as values off the axis.
    pub notes: Vec<String>,
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub struct Key {
    pub label: String,
    pub ink: Ink,
    pub sample: Sample,
}

/// What a legend shows of a series.
#[derive(Clone, Copy, Debug)]
pub enum Sample {
    /// A marker on a line.
    Marked(Marker),
    /// An outlined marker.
    Outline,
    Line(Dash),
    /// A broad line.
    Bold(Dash),
}

impl Figure {
    /// The `<svg>` for a page, where the legend and the style sheet are already.
    pub fn inline(&self) -> String {
        svg("fig", self.size).set("role", "img").set("aria-label", &self.label).inside(&self.body).to_string()
    }

    /// A whole SVG document with background, legend, notes and the style sheet of the inks that it uses.
    pub fn standalone(&self) -> String {
        let mut tall = self.size.1;
        let below = Canvas::draw(|canvas| tall = self.below(canvas));
        let size = (self.size.0, tall.max(self.size.1));
        let paper = Canvas::draw(|canvas| canvas.rects(&[(0.0, 0.0)], size, Ink::Paper));
        let body = paper + &self.body + &below;
        // Quotes may stand in text; there is neither `<` nor `&` in a style sheet of ours.
        let css = palette::css(|class| body.contains(class));
        let title = Element::new("title").set("id", "t").text(&self.label).to_string();
        let element = svg("fig", size).set("xmlns", "http://www.w3.org/2000/svg");
        let element = element.num("width", size.0).num("height", size.1);
        let element = element.set("role", "img").set("aria-labelledby", "t").inside(&title);
        let style = Element::new("style").inside(&css).to_string();
        format!("{}\n", element.inside(&style).inside(&body))
    }

    /// Draws legend and notes, and returns where they end.
    fn below(&self, canvas: &mut Canvas) -> f64 {
        let (mut x, mut y) = (12.0, self.size.1 + 14.0);
        for key in &self.legend {
            let need = 30.0 + text_width(&key.label, LEGEND);
            if x > 12.0 && x + need > self.size.0 {
                (x, y) = (12.0, y + 19.0);
            }
            key.paint(canvas, (x, y - SAMPLE.1 / 2.0));
            canvas.text(&key.label, (x + 28.0, y), LEGEND, At::Left, Ink::Text);
            x += need + 14.0;
        }
        y += if self.legend.is_empty() { 0.0 } else { 20.0 };
        for line in self.notes.iter().flat_map(|note| wrap(note, NOTES, self.size.0 - 24.0)) {
            canvas.text(&line, (12.0, y), NOTES, At::Left, Ink::Muted);
            y += 16.0;
        }
        y
    }
}

fn svg(class: &str, (width, height): (f64, f64)) -> Element {
    let [width, height] = [width, height].map(decimal);
    Element::new("svg").set("class", class).set("viewBox", &format!("0 0 {width} {height}"))
}

impl Key {
    /// A sample as an `<svg>` for a page.
    pub fn inline(&self) -> String {
        let body = Canvas::draw(|canvas| self.paint(canvas, (0.0, 0.0)));
        let element = svg("fig key", SAMPLE);
        element.set("aria-hidden", "true").inside(&body).to_string()
    }

    /// Draws the sample in its box from a corner.
    fn paint(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        let middle = (x + SAMPLE.0 / 2.0, y + SAMPLE.1 / 2.0);
        let ends = [(x + 1.0, middle.1), (x + SAMPLE.0 - 1.0, middle.1)];
        match self.sample {
            Sample::Line(dash) => canvas.line(&ends, self.ink, 1.6, dash),
            Sample::Bold(dash) => canvas.line(&ends, self.ink, 2.4, dash),
            Sample::Outline => canvas.outline(Marker::Diamond, middle, 3.9, self.ink),
            Sample::Marked(marker) => {
                canvas.line(&ends, self.ink, 1.8, Dash::Solid);
                canvas.plain(marker, middle, 4.0, self.ink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_figure_carries_title_legend_notes_and_both_themes() {
        let key = Key { label: "a <b>".into(), ink: Ink::Text, sample: Sample::Line(Dash::Short) };
        let figure = Figure {
            stem: "x".into(),
            label: "errors & shots".into(),
            size: (200.0, 100.0),
            body: String::new(),
            legend: vec![key],
            notes: vec!["one two three four five six seven eight nine ten eleven".into()],
        };
        let svg = figure.standalone();
        assert!(svg.contains("<title id=\"t\">errors &amp; shots</title>"));
        assert!(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"));
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("eleven"));
        let height: f64 = svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(height > 140.0, "legend and notes need room below the figure: {height}");
    }
}
