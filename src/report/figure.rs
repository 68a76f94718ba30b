//! A finished figure: inline in the page, or a file of its own with its legend.

use super::canvas::Dash;
use super::palette::{self, Ink, MUTED, Marker, PAPER, TEXT};
use std::fmt::Write as _;

/// A figure's elements in CSS pixels.
#[derive(Debug)]
pub(super) struct Figure {
    /// File name in `figures/`, without `.svg`.
    pub stem: String,
    /// What it shows, for those who cannot see it.
    pub label: String,
    pub size: (f64, f64),
    pub body: String,
    pub legend: Vec<Key>,
    /// What the reader must know, such as values off the axis.
    pub notes: Vec<String>,
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub label: String,
    pub ink: Ink,
    pub sample: Sample,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    Model(Marker),
    Outline,
    Line(Dash),
    Bold(Dash),
}

/// Escapes text for XML and HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Figure {
    /// The `<svg>` for the page, where a legend and the style sheet are already.
    pub fn inline(&self) -> String {
        let (width, height) = self.size;
        format!(
            "<svg class=\"fig\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            escape(&self.label),
            self.body
        )
    }

    /// A whole SVG document with background, legend and notes.
    pub fn standalone(&self) -> String {
        let (width, height) = self.size;
        let mut extra = String::new();
        let (mut x, mut y) = (12.0, height + 14.0);
        for key in &self.legend {
            let need = 30.0 + text_width(&key.label, 12.0);
            if x > 12.0 && x + need > width {
                (x, y) = (12.0, y + 19.0);
            }
            let _ = write!(
                extra,
                "<g transform=\"translate({x} {})\">{}</g><text x=\"{}\" y=\"{}\" font-size=\"12\" fill=\"{}\" \
                 style=\"stroke-width:2px\">{}</text>",
                y - 7.0,
                key.sample(),
                x + 28.0,
                y + 4.0,
                hex(TEXT),
                escape(&key.label)
            );
            x += need + 14.0;
        }
        y += if self.legend.is_empty() { 0.0 } else { 20.0 };
        for line in self.notes.iter().flat_map(|n| wrap(n, width - 24.0)) {
            let _ = write!(
                extra,
                "<text x=\"12\" y=\"{}\" font-size=\"11.5\" fill=\"{}\" style=\"stroke-width:2px\">{}</text>",
                y + 4.0,
                hex(MUTED),
                escape(&line)
            );
            y += 16.0;
        }
        let tall = y.max(height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" width=\"{width}\" height=\"{tall}\" \
             viewBox=\"0 0 {width} {tall}\" role=\"img\" aria-labelledby=\"t\"><title id=\"t\">{}</title>\
             <style>{}</style><rect width=\"{width}\" height=\"{tall}\" fill=\"{}\"/>{}{extra}</svg>\n",
            escape(&self.label),
            escape_css(&palette::css()),
            hex(PAPER),
            self.body
        )
    }
}

/// Attribute selectors hold quotes, which text may; `<` and `&` it may not.
fn escape_css(css: &str) -> String {
    css.replace('&', "&amp;").replace('<', "&lt;")
}

impl Key {
    /// A sample of the line and marker in a box of 24 × 14 pixels.
    pub fn sample(&self) -> String {
        let ink = hex(self.ink);
        let line = |width: f64, dash: Dash| {
            let pattern = dash.pattern(1.0).map(|p| format!(" stroke-dasharray=\"{p}\"")).unwrap_or_default();
            format!(
                "<line x1=\"1\" y1=\"7\" x2=\"23\" y2=\"7\" stroke=\"{ink}\" stroke-width=\"{width}\" \
                 stroke-linecap=\"round\"{pattern}/>"
            )
        };
        match self.sample {
            Sample::Line(dash) => line(1.6, dash),
            Sample::Bold(dash) => line(2.4, dash),
            Sample::Outline => format!(
                "<path d=\"M12 2l5 5l-5 5l-5-5z\" fill=\"{}\" stroke=\"{ink}\" stroke-width=\"1.6\"/>",
                hex(PAPER)
            ),
            Sample::Model(marker) => {
                let shape = match marker {
                    Marker::Circle => format!("<circle cx=\"12\" cy=\"7\" r=\"4\" fill=\"{ink}\"/>"),
                    Marker::Square => {
                        format!("<rect x=\"8.3\" y=\"3.3\" width=\"7.4\" height=\"7.4\" fill=\"{ink}\"/>")
                    }
                    Marker::Triangle => format!("<path d=\"M12 2l4.7 8.4h-9.4z\" fill=\"{ink}\"/>"),
                    Marker::Diamond => {
                        format!("<path d=\"M12 1.7l5.3 5.3l-5.3 5.3l-5.3-5.3z\" fill=\"{ink}\"/>")
                    }
                };
                line(1.8, Dash::Solid) + &shape
            }
        }
    }
}

/// `#RRGGBB` of a colour on a light page.
pub(super) fn hex(ink: Ink) -> String {
    format!("#{:06X}", ink.light)
}

/// About how wide a text is: the mean advance of the usual sans-serif fonts.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.57
}

fn wrap(text: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && text_width(line, 11.5) + text_width(word, 11.5) > width {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_figure_carries_title_legend_notes_and_both_themes() {
        let key = Key { label: "a <b>".into(), ink: TEXT, sample: Sample::Line(Dash::Short) };
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
