//! The kind of figure with a grid: named rows and columns of sizes from 0 up, in shades of one colour.

use super::canvas::{At, Canvas};
use super::labels::text_width;
use super::numbers::number;
use super::palette::{Ink, LEVELS};

const WIDTH: f64 = 560.0;
/// Height of a row, and of what is above the first and below the last.
const ROW: f64 = 20.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 58.0;
/// Text of names.
const TEXT: f64 = 11.0;

/// A figure of sizes.
pub struct Grid<'a> {
    /// Above it.
    pub title: &'a str,
    /// From the top down.
    pub rows: &'a [String],
    /// How many columns there are, counted from 0, and what they are.
    pub columns: (usize, &'a str),
    /// [rows, columns]; none where there is nothing to show.
    pub values: &'a [Option<f64>],
    /// The end of the palette; above 0.
    pub scale: f64,
    /// What a value is, with its unit.
    pub name: &'a str,
}

impl Grid<'_> {
    /// In pixels.
    pub fn size(&self) -> (f64, f64) {
        (WIDTH, TOP + ROW * self.rows.len() as f64 + BOTTOM)
    }

    /// The figure's elements.
    pub fn draw(&self) -> String {
        let left = self.rows.iter().map(|name| text_width(name, TEXT)).fold(20.0, f64::max) + 12.0;
        let (count, what) = self.columns;
        let side = (WIDTH - left - 8.0) / count.max(1) as f64;
        let bottom = TOP + ROW * self.rows.len() as f64;
        Canvas::draw(|canvas| {
            canvas.bold(self.title, (2.0, 12.0), 13.0, At::Left, Ink::Text);
            for (row, name) in self.rows.iter().enumerate() {
                let y = TOP + ROW * row as f64;
                canvas.text(name, (left - 8.0, y + ROW / 2.0), TEXT, At::Right, Ink::Text);
                for column in 0..count {
                    let x = left + side * column as f64;
                    let size = (side - 1.0, ROW - 1.0);
                    match self.values[row * count + column] {
                        None => canvas.rects(&[(x, y)], size, Ink::Grid),
                        Some(value) => {
                            let said = format!("{name}, {what} {column}: {}", number(value));
                            let ink = self.ink(value);
                            canvas.named(&said, |canvas| canvas.rects(&[(x, y)], size, ink));
                        }
                    }
                }
            }
            // Every so many columns, so that names don't touch.
            let every = [1, 2, 5, 10, 20, 50].into_iter().find(|n| side * *n as f64 >= 16.0).unwrap_or(100);
            for column in (0..count).step_by(every) {
                let x = left + side * (column as f64 + 0.5);
                canvas.text(&column.to_string(), (x, bottom + 9.0), TEXT - 1.0, At::Middle, Ink::Muted);
            }
            canvas.text(what, (left - 8.0, bottom + 9.0), TEXT - 1.0, At::Right, Ink::Muted);
            self.bar(canvas, (left, bottom + 24.0));
        })
    }

    fn ink(&self, value: f64) -> Ink {
        match value.is_finite() {
            true => Ink::Level(((value / self.scale).clamp(0.0, 1.0) * f64::from(LEVELS)).round() as i32),
            false => Ink::Shade,
        }
    }

    /// The palette with its ends.
    fn bar(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        let step = 140.0 / f64::from(LEVELS + 1);
        for level in 0..=LEVELS {
            canvas.rects(&[(x + step * f64::from(level), y)], (step + 0.25, 9.0), Ink::Level(level));
        }
        canvas.text("0", (x, y + 18.0), TEXT - 1.0, At::Left, Ink::Muted);
        canvas.text(&number(self.scale), (x + 140.0, y + 18.0), TEXT - 1.0, At::Right, Ink::Muted);
        canvas.text(self.name, (x + 152.0, y + 5.0), TEXT, At::Left, Ink::Muted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_and_what_has_no_value_is_grey() {
        let rows = ["q <".to_string(), "v".to_string()];
        let values = [Some(0.5), None, Some(f64::NAN), Some(2.0)];
        let grid = Grid {
            title: "t & u",
            rows: &rows,
            columns: (2, "layer"),
            values: &values,
            scale: 1.0,
            name: "share",
        };
        let body = grid.draw();
        assert!(
            body.contains("t &amp; u") && body.contains("q &lt;, layer 0: 0.5") && !body.contains("NaN,")
        );
        assert!(body.contains("v, layer 1: 2"));
        assert_eq!(grid.size().1, TOP + 2.0 * ROW + BOTTOM);
    }
}
