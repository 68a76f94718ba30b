//! Attention matrices before, after, and the difference, as heat maps on one scale.

use super::load::{PRETRAINED, RunData};
use super::weights::Matrix;
use crate::plot::{Figure, HeatMap, HeatMaps, HeatRow, without_outliers};

/// Heads shown of a model; a page with more is no longer read.
const HEADS: usize = 4;
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
pub(super) fn maps(data: &RunData) -> Vec<Maps> {
    let methods: Vec<&String> = data.weights.iter().map(|w| &w.model).filter(|m| *m != PRETRAINED).collect();
    let models = if methods.is_empty() { data.weights.iter().map(|w| &w.model).collect() } else { methods };
    models.into_iter().map(|m| of_model(data, m)).collect()
}

fn of_model(data: &RunData, model: &str) -> Maps {
    let weights = data.weights.iter().find(|w| w.model == model);
    let mut heads: Vec<(usize, usize)> =
        weights.iter().flat_map(|w| &w.matrices).map(|m| (m.layer, m.head)).collect();
    heads.dedup();
    let many = heads.len() > 1;
    let figures = heads.iter().take(HEADS).map(|(l, h)| of_head(data, model, *l, *h, many)).collect();
    Maps { model: model.to_string(), figures, hidden: heads.len().saturating_sub(HEADS) }
}

fn of_head(data: &RunData, model: &str, layer: usize, head: usize, many: bool) -> Figure {
    let find =
        |model: &str, kind: &str| data.weights.iter().find(|w| w.model == model)?.get(layer, head, kind);
    let row = |kind: &&str| {
        let maps = columns(find(PRETRAINED, kind), find(model, kind)?, model == PRETRAINED);
        Some(HeatRow { title: kind_name(kind), scale: scale(data, kind), maps })
    };
    let rows: Vec<HeatRow> = ["v", "qk", "q", "k"].iter().filter_map(row).collect();
    let title = if many { format!("{model}, layer {layer}, head {head}") } else { model.to_string() };
    let maps = HeatMaps { title: &title, rows: &rows, name: token_name };
    let label =
        format!("Attention matrices of {model}, layer {layer}, head {head}: before, after, difference");
    let stem = format!("weights-{}-{layer}-{head}", super::file_stem(model));
    Figure { stem, label, size: maps.size(), body: maps.draw(), legend: Vec::new(), notes: maps.notes() }
}

fn columns(before: Option<&Matrix>, after: &Matrix, alone: bool) -> Vec<HeatMap> {
    let column = |title, m: &Matrix| HeatMap { title, size: m.size, values: m.values.clone() };
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
    without_outliers(of.filter(|top| *top > 0.0).collect(), 0.0, OUTLIER).unwrap_or(1.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_named_by_position() {
        let names: Vec<String> = (0..7).map(|i| token_name(i, 7)).collect();
        assert_eq!(names, ["1", "x₁", "x₂", "x₃", "x₄", "x₅", "y"]);
        assert_eq!(token_name(10, 12), "x₁₀");
    }
}
