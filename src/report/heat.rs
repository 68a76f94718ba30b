//! Attention matrices before, after, and the difference, as heat maps on one scale.

use super::axis::number;
use super::canvas::{At, Canvas};
use super::figure::Figure;
use super::load::{PRETRAINED, RunData};
use super::palette::{LEVELS, MUTED, SHADE, TEXT, diverging};
use super::weights::Matrix;
use crate::error::Result;

const WIDTH: f64 = 410.0;
/// Side of a matrix, and where the first one starts.
const SIDE: f64 = 100.0;
const LEFT: f64 = 26.0;
const GAP: f64 = 10.0;
/// Height of a row of matrices with its heading, and of what is above the first.
const ROW: f64 = 158.0;
const TOP: f64 = 22.0;
/// Heads shown of a model; a page with more is no longer read.
pub(super) const HEADS: usize = 4;
/// Larger matrices are shown in blocks.
const CELLS: usize = 28;
/// A model whose entries are larger than the others' by this factor saturates the scale.
const OUTLIER: f64 = 4.0;

/// The heat maps of one model, a figure a head.
pub(super) struct Maps {
    pub model: String,
    pub figures: Vec<Figure>,
    /// Heads left out.
    pub hidden: usize,
}

/// The figures of every method (of the pre-trained model where there is no method).
pub(super) fn maps(data: &RunData) -> Result<Vec<Maps>> {
    let methods: Vec<&String> = data.weights.iter().map(|w| &w.model).filter(|m| *m != PRETRAINED).collect();
    let models = if methods.is_empty() { data.weights.iter().map(|w| &w.model).collect() } else { methods };
    models.into_iter().map(|m| of_model(data, m)).collect()
}

fn of_model(data: &RunData, model: &str) -> Result<Maps> {
    let weights = data.weights.iter().find(|w| w.model == model);
    let mut heads: Vec<(usize, usize)> =
        weights.iter().flat_map(|w| &w.matrices).map(|m| (m.layer, m.head)).collect();
    heads.dedup();
    let many = heads.len() > 1;
    let figures = heads.iter().take(HEADS).map(|(l, h)| of_head(data, model, *l, *h, many));
    let figures = figures.collect::<Result<_>>()?;
    Ok(Maps { model: model.to_string(), figures, hidden: heads.len().saturating_sub(HEADS) })
}

/// A matrix and the heading above it.
struct Column {
    title: &'static str,
    matrix: Matrix,
}

fn of_head(data: &RunData, model: &str, layer: usize, head: usize, many: bool) -> Result<Figure> {
    let find =
        |model: &str, kind: &str| data.weights.iter().find(|w| w.model == model)?.get(layer, head, kind);
    let rows: Vec<(&str, f64, Vec<Column>)> = ["v", "qk", "q", "k"]
        .into_iter()
        .filter_map(|kind| {
            let columns = columns(find(PRETRAINED, kind), find(model, kind)?, model == PRETRAINED);
            Some((kind, scale(data, kind), columns))
        })
        .collect();
    let size = (WIDTH, ROW * rows.len() as f64);
    let body = Canvas::draw(size, |canvas| {
        let place = if many { format!("{model}, layer {layer}, head {head}") } else { model.to_string() };
        canvas.bold(&place, (WIDTH - 4.0, 10.0), 11.5, At::Right, MUTED);
        for (index, (kind, scale, columns)) in rows.iter().enumerate() {
            let top = TOP + ROW * index as f64;
            canvas.bold(kind_name(kind), (2.0, top - 10.0), 13.0, At::Left, TEXT);
            for (place, column) in columns.iter().enumerate() {
                let x = LEFT + place as f64 * (SIDE + GAP);
                canvas.text(column.title, (x + SIDE / 2.0, top + 4.0), 11.5, At::Middle, MUTED);
                matrix(canvas, &column.matrix, (x, top + 26.0), *scale, place == 0);
            }
            bar(canvas, (LEFT + columns.len() as f64 * (SIDE + GAP) + 2.0, top + 26.0), *scale);
        }
    })?;
    let mut notes: Vec<String> = rows.iter().filter_map(|(k, s, c)| saturated(k, *s, c)).collect();
    let block = rows.iter().flat_map(|r| &r.2).map(|c| block(&c.matrix)).max().unwrap_or(1);
    if block > 1 {
        notes.push(format!("A cell shows the entry largest in size of a block of {block} × {block}."));
    }
    let label =
        format!("Attention matrices of {model}, layer {layer}, head {head}: before, after, difference");
    let stem = format!("weights-{}-{layer}-{head}", super::file_stem(model));
    Ok(Figure { stem, label, size, body, legend: Vec::new(), notes })
}

fn columns(before: Option<&Matrix>, after: &Matrix, alone: bool) -> Vec<Column> {
    let column = |title, m: &Matrix| Column { title, matrix: m.clone() };
    match before.filter(|b| b.size == after.size && !alone) {
        None if alone => vec![column("pre-trained", after)],
        None => vec![column("after", after)],
        Some(before) => {
            let values = after.values.iter().zip(&before.values).map(|(a, b)| a - b).collect();
            let change = Matrix { values, ..after.clone() };
            vec![column("before", before), column("after", after), column("difference", &change)]
        }
    }
}

fn kind_name(kind: &str) -> &'static str {
    match kind {
        "v" => "Value V",
        "qk" => "Query–key QK",
        "q" => "Query Q",
        _ => "Key K",
    }
}

/// The largest entry of that kind over all models, bar outliers: ± this is the ends of the palette.
fn scale(data: &RunData, kind: &str) -> f64 {
    let largest = |of: &Matrix| {
        let finite = of.values.iter().map(|v| f64::from(v.abs())).filter(|v| v.is_finite());
        finite.fold(0.0, f64::max)
    };
    let of = data.weights.iter().map(|w| {
        let matrices = w.matrices.iter().filter(|m| m.kind == kind);
        matrices.map(largest).fold(0.0, f64::max)
    });
    let mut tops: Vec<f64> = of.filter(|t| *t > 0.0).collect();
    tops.sort_by(f64::total_cmp);
    let Some(mut top) = tops.get(tops.len().saturating_sub(1) / 4).copied() else { return 1.0 };
    for next in tops {
        if next <= top * OUTLIER {
            top = next.max(top);
        }
    }
    top
}

fn block(matrix: &Matrix) -> usize {
    matrix.size.div_ceil(CELLS)
}

fn level(value: f64, scale: f64) -> i32 {
    ((value / scale).clamp(-1.0, 1.0) * f64::from(LEVELS)).round() as i32
}

fn matrix(canvas: &Canvas, m: &Matrix, (x, y): (f64, f64), scale: f64, names: bool) {
    let block = block(m);
    let cells = m.size.div_ceil(block);
    let side = SIDE / cells as f64;
    let inset = if cells <= 12 { 0.5 } else { 0.0 };
    canvas.rect((x, y), (SIDE, SIDE), diverging(0));
    for row in 0..cells {
        for column in 0..cells {
            let value = strongest(m, block, row, column);
            let at = (x + column as f64 * side + inset, y + row as f64 * side + inset);
            let size = (side - 2.0 * inset, side - 2.0 * inset);
            match value.is_finite() {
                false => canvas.rect(at, size, SHADE),
                true if level(value, scale) != 0 => canvas.rect(at, size, diverging(level(value, scale))),
                true => {}
            }
        }
    }
    if m.size <= 12 {
        for token in 0..m.size {
            let name = token_name(token, m.size);
            let centre = (token as f64 + 0.5) * side;
            let last = m.size - 1;
            let room = m.size <= 8 || token == 0 || token == last || (token % 2 == 0 && token + 1 < last);
            if room {
                canvas.text(&name, (x + centre, y - 7.0), 9.5, At::Middle, MUTED);
            }
            if names {
                canvas.text(&name, (x - 5.0, y + centre), 9.5, At::Right, MUTED);
            }
        }
    }
}

/// The entry largest in size of a block; one that is not finite wins.
fn strongest(m: &Matrix, block: usize, row: usize, column: usize) -> f64 {
    let rows = row * block..((row + 1) * block).min(m.size);
    let entries = rows.flat_map(|r| {
        let columns = column * block..((column + 1) * block).min(m.size);
        columns.map(move |c| f64::from(m.values[r * m.size + c]))
    });
    let size = |v: f64| if v.is_nan() { f64::INFINITY } else { v.abs() };
    entries.fold(0.0, |a, b| if size(b) > size(a) { b } else { a })
}

/// Coordinates of a token `(1, x_1 … x_d, y)`.
fn token_name(index: usize, size: usize) -> String {
    const SUB: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
    match index {
        0 => "1".into(),
        i if i + 1 == size => "y".into(),
        i => {
            let digits = i.to_string();
            std::iter::once('x').chain(digits.bytes().map(|b| SUB[usize::from(b - b'0')])).collect()
        }
    }
}

fn bar(canvas: &Canvas, (x, y): (f64, f64), scale: f64) {
    let step = SIDE / f64::from(2 * LEVELS + 1);
    for level in -LEVELS..=LEVELS {
        let top = y + f64::from(LEVELS - level) * step;
        canvas.rect((x, top), (9.0, step + 0.25), diverging(level));
    }
    let ends = [(format!("+{}", number(scale)), 4.0), ("0".into(), SIDE / 2.0), (number(-scale), SIDE - 4.0)];
    for (text, down) in ends {
        canvas.text(&text, (x + 13.0, y + down), 10.0, At::Left, MUTED);
    }
}

fn saturated(kind: &str, scale: f64, columns: &[Column]) -> Option<String> {
    let values = || columns.iter().flat_map(|c| &c.matrix.values).map(|v| f64::from(*v));
    let broken = values().filter(|v| !v.is_finite()).count();
    if broken > 0 {
        return Some(format!("{}: {broken} entries are not finite (grey).", kind_name(kind)));
    }
    let beyond = values().filter(|v| v.abs() > scale * 1.05).count();
    let largest = values().fold(0.0, |a: f64, b| a.max(b.abs()));
    let entries = if beyond == 1 { "1 cell is" } else { &format!("{beyond} cells are") };
    let name = kind_name(kind);
    (beyond > 0).then(|| format!("{name}: {entries} beyond the scale (largest {}).", number(largest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_named_by_position() {
        let names: Vec<String> = (0..7).map(|i| token_name(i, 7)).collect();
        assert_eq!(names, ["1", "x₁", "x₂", "x₃", "x₄", "x₅", "y"]);
        assert_eq!(token_name(10, 12), "x₁₀");
    }

    #[test]
    fn a_block_shows_its_strongest_entry_with_its_sign() {
        let mut values = vec![0.1f32; 60 * 60];
        values[61] = -3.0;
        let m = Matrix { layer: 0, head: 0, kind: "v", size: 60, values };
        assert_eq!(block(&m), 3);
        assert_eq!(strongest(&m, 3, 0, 0), -3.0);
        assert_eq!(level(-3.0, 1.0), -LEVELS);
        assert_eq!(level(0.5, 1.0), LEVELS / 2);
    }
}
