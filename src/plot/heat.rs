//! The kind of figure with matrices: rows of heat maps, each row on one scale with its bar.

use super::canvas::{At, Canvas};
use super::numbers::number;
use super::palette::{Ink, LEVELS};
use std::collections::BTreeMap;

const WIDTH: f64 = 410.0;
/// Side of a matrix, and where the first one starts.
const SIDE: f64 = 100.0;
const LEFT: f64 = 26.0;
const GAP: f64 = 10.0;
/// Height of a row of matrices with its heading, and of what is above the first.
const ROW: f64 = 158.0;
const TOP: f64 = 22.0;
/// Larger matrices are shown in blocks.
const CELLS: usize = 28;
/// Cells of matrices up to this size stand apart and are named.
const LARGE: usize = 12;

/// A square matrix.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub title: &'static str,
    pub size: usize,
    /// [size, size], row-major.
    pub values: Vec<f32>,
}

/// Matrices side by side.
#[derive(Clone, Debug)]
pub struct HeatRow {
    pub title: &'static str,
    /// ± this is the ends of the palette; above 0.
    pub scale: f64,
    /// At most three are wide enough to read.
    pub maps: Vec<HeatMap>,
}

/// A figure of heat maps.
pub struct HeatMaps<'a> {
    /// At the top right.
    pub title: &'a str,
    pub rows: &'a [HeatRow],
    /// What row and column of that index in a matrix of that size are called.
    pub name: fn(index: usize, size: usize) -> String,
}

impl HeatMaps<'_> {
    /// In pixels.
    pub fn size(&self) -> (f64, f64) {
        (WIDTH, ROW * self.rows.len() as f64)
    }

    /// The figure's elements.
    pub fn draw(&self) -> String {
        Canvas::draw(|canvas| {
            canvas.bold(self.title, (WIDTH - 4.0, 10.0), 11.5, At::Right, Ink::Muted);
            for (index, row) in self.rows.iter().enumerate() {
                let top = TOP + ROW * index as f64;
                canvas.bold(row.title, (2.0, top - 10.0), 13.0, At::Left, Ink::Text);
                for (place, map) in row.maps.iter().enumerate() {
                    let x = LEFT + place as f64 * (SIDE + GAP);
                    canvas.text(map.title, (x + SIDE / 2.0, top + 4.0), 11.5, At::Middle, Ink::Muted);
                    cells(canvas, map, (x, top + 26.0), row.scale);
                    if map.size <= LARGE {
                        self.names(canvas, map.size, (x, top + 26.0), place == 0);
                    }
                }
                bar(canvas, (LEFT + row.maps.len() as f64 * (SIDE + GAP) + 2.0, top + 26.0), row.scale);
            }
        })
    }

    /// Names of columns, and of rows beside the first matrix.
    fn names(&self, canvas: &mut Canvas, size: usize, (x, y): (f64, f64), rows: bool) {
        let side = SIDE / size as f64;
        let last = size.saturating_sub(1);
        for index in 0..size {
            let name = (self.name)(index, size);
            let centre = (index as f64 + 0.5) * side;
            // Every second one where there is little room.
            if size <= 8 || index == 0 || index == last || (index % 2 == 0 && index + 1 < last) {
                canvas.text(&name, (x + centre, y - 7.0), 9.5, At::Middle, Ink::Muted);
            }
            if rows {
                canvas.text(&name, (x - 5.0, y + centre), 9.5, At::Right, Ink::Muted);
            }
        }
    }

    /// What must be said of the figure: entries beyond a scale, or without a value, and cells that are blocks.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.rows.iter().filter_map(saturated).collect();
        let block = self.rows.iter().flat_map(|row| &row.maps).map(HeatMap::block).max().unwrap_or(1);
        if block > 1 {
            notes.push(format!("A cell shows the entry largest in size of a block of {block} × {block}."));
        }
        notes
    }
}

impl HeatMap {
    /// How many rows and columns of entries a cell stands for.
    fn block(&self) -> usize {
        self.size.div_ceil(CELLS).max(1)
    }

    /// The entry largest in size of a block; one that is not finite wins.
    fn strongest(&self, block: usize, row: usize, column: usize) -> f64 {
        let rows = row * block..((row + 1) * block).min(self.size);
        let entries = rows.flat_map(|r| {
            let columns = column * block..((column + 1) * block).min(self.size);
            columns.map(move |c| f64::from(self.values[r * self.size + c]))
        });
        let size = |v: f64| if v.is_nan() { f64::INFINITY } else { v.abs() };
        entries.fold(0.0, |a, b| if size(b) > size(a) { b } else { a })
    }
}

fn level(value: f64, scale: f64) -> i32 {
    ((value / scale).clamp(-1.0, 1.0) * f64::from(LEVELS)).round() as i32
}

/// The cells of one level are one element.
fn cells(canvas: &mut Canvas, map: &HeatMap, (x, y): (f64, f64), scale: f64) {
    let block = map.block();
    let count = map.size.div_ceil(block);
    let side = SIDE / count as f64;
    let inset = if count <= LARGE { 0.5 } else { 0.0 };
    canvas.rects(&[(x, y)], (SIDE, SIDE), Ink::Level(0));
    // None is what is not finite.
    let mut of: BTreeMap<Option<i32>, Vec<(f64, f64)>> = BTreeMap::new();
    for row in 0..count {
        for column in 0..count {
            let value = map.strongest(block, row, column);
            let at = (x + column as f64 * side + inset, y + row as f64 * side + inset);
            of.entry(value.is_finite().then(|| level(value, scale))).or_default().push(at);
        }
    }
    of.remove(&Some(0));
    for (level, corners) in of {
        let ink = level.map_or(Ink::Shade, Ink::Level);
        canvas.rects(&corners, (side - 2.0 * inset, side - 2.0 * inset), ink);
    }
}

fn bar(canvas: &mut Canvas, (x, y): (f64, f64), scale: f64) {
    let step = SIDE / f64::from(2 * LEVELS + 1);
    for level in -LEVELS..=LEVELS {
        let top = y + f64::from(LEVELS - level) * step;
        canvas.rects(&[(x, top)], (9.0, step + 0.25), Ink::Level(level));
    }
    let ends = [(format!("+{}", number(scale)), 4.0), ("0".into(), SIDE / 2.0), (number(-scale), SIDE - 4.0)];
    for (text, down) in ends {
        canvas.text(&text, (x + 13.0, y + down), 10.0, At::Left, Ink::Muted);
    }
}

fn saturated(row: &HeatRow) -> Option<String> {
    let values = || row.maps.iter().flat_map(|map| &map.values).map(|v| f64::from(*v));
    let broken = values().filter(|v| !v.is_finite()).count();
    if broken > 0 {
        return Some(format!("{}: {broken} entries are not finite (grey).", row.title));
    }
    let beyond = values().filter(|v| v.abs() > row.scale * 1.05).count();
    let largest = values().fold(0.0, |a: f64, b| a.max(b.abs()));
    let entries = if beyond == 1 { "1 cell is" } else { &format!("{beyond} cells are") };
    let (name, largest) = (row.title, number(largest));
    (beyond > 0).then(|| format!("{name}: {entries} beyond the scale (largest {largest})."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(row: &[HeatRow]) -> (String, Vec<String>) {
        let maps = HeatMaps { title: "a < b", rows: row, name: |index, size| format!("{index}of{size}") };
        (maps.draw(), maps.notes())
    }

    fn row(size: usize, values: Vec<f32>) -> HeatRow {
        let map = HeatMap { title: "before", size, values };
        HeatRow { title: "Value V", scale: 1.0, maps: vec![map.clone(), map] }
    }

    #[test]
    fn every_entry_has_a_cell_of_its_colour() {
        let (body, notes) = figure(&[row(2, vec![1.0, -1.0, 0.5, 0.0])]);
        // One cell a matrix of each level, none at zero; the bar has one more each.
        let cells =
            |level: i32| body.matches(&format!("class=\"{}\"", Ink::Level(level).fill_class())).count();
        assert_eq!([LEVELS, -LEVELS, LEVELS / 2, 3].map(cells), [3, 3, 3, 1]);
        assert!(body.contains("M26.5 48.5h49v49h-49z") && notes.is_empty(), "{body}");
        for text in ["a &lt; b", "Value V", "before", "0of2", "1of2", "+1.000", "−1.000"] {
            assert!(body.contains(&format!(">{text}</text>")), "{text}");
        }
    }

    #[test]
    fn entries_that_are_not_finite_are_grey_and_told() {
        let (body, notes) = figure(&[row(2, vec![f32::NAN, f32::INFINITY, 0.5, 3.0])]);
        assert_eq!(notes, ["Value V: 4 entries are not finite (grey)."]);
        assert!(body.contains(&Ink::Shade.fill_class()) && !body.contains("NaN"));
        let (_, notes) = figure(&[row(2, vec![0.0, 0.0, 0.5, 3.0])]);
        assert_eq!(notes, ["Value V: 2 cells are beyond the scale (largest 3.000)."]);
    }

    #[test]
    fn a_block_shows_its_strongest_entry_with_its_sign() {
        let mut values = vec![0.1f32; 60 * 60];
        values[61] = -3.0;
        let map = HeatMap { title: "", size: 60, values };
        assert_eq!(map.block(), 3);
        assert_eq!(map.strongest(3, 0, 0), -3.0);
        assert_eq!((level(-3.0, 1.0), level(0.5, 1.0)), (-LEVELS, LEVELS / 2));
        let (_, notes) = figure(&[row(60, map.values)]);
        assert!(notes[1].contains("a block of 3 × 3"), "{notes:?}");
    }
}
