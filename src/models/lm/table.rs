//! The table of a decoder's parameters: Hugging Face's names, and what patterns call parts of them.

use crate::params::{Axis, Init, Param, ParamTable};
use crate::pretrained::Decoder;

/// Standard deviation of weights before the first step (GPT-2's, and `initializer_range` of most `config.json`).
const SPREAD: f64 = 0.02;

/// Every tensor in the order of use. `h` of q, k and v are the rows of a head, of o the columns; `row` and `col` count in
/// [out, in]; a vector's elements are `col`.
pub fn table(decoder: &Decoder) -> ParamTable {
    let param = |(name, shape): (String, Vec<usize>)| {
        let axes = axes(&name, &shape, decoder.head_dim);
        let init = match name.contains("norm") {
            true => Init::Constant(1.0),
            false if name.ends_with(".bias") => Init::Constant(0.0),
            false => Init::Normal(SPREAD),
        };
        let group = group(&name);
        Param::new(name, shape, axes, init, group)
    };
    ParamTable::new(decoder.tensors().into_iter().map(param))
}

/// `model.layers.3`, or a tensor's name without its kind.
fn group(name: &str) -> String {
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("model"), Some("layers"), Some(layer)) => format!("model.layers.{layer}"),
        _ => name.trim_end_matches(".weight").to_string(),
    }
}

fn axes(name: &str, shape: &[usize], head_dim: usize) -> Vec<Axis> {
    let head = |dim: usize| Axis { name: "h", dim, block: head_dim };
    let of = |letters: &str| {
        let projection = |letter: char| name.contains(&format!(".{letter}_proj."));
        name.contains(".self_attn.") && letters.chars().any(projection)
    };
    match shape.len() {
        1 if of("qkv") => vec![Axis::of("col", 0), head(0)],
        1 => vec![Axis::of("col", 0)],
        _ => {
            let mut axes = vec![Axis::of("row", 0), Axis::of("col", 1)];
            axes.extend(of("qkv").then(|| head(0)));
            axes.extend(of("o").then(|| head(1)));
            axes
        }
    }
}
