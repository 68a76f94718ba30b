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
        let init = match name.rsplit('.').next() {
            _ if name.contains("norm") => Init::Constant(1.0),
            Some("bias") => Init::Constant(0.0),
            // As published models of this kind begin (Dao and Gu 2024, arXiv 2405.21060): exp(A) up to 16, steps of 1e-3 to 0.1.
            Some("A_log") => Init::LogUniform([1.0, 16.0]),
            Some("dt_bias") => Init::InverseSoftplus([1e-3, 0.1]),
            _ => Init::Normal(SPREAD),
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
    // A row, or a number, a head.
    let gate =
        [".g_proj.", ".a_proj.", ".b_proj.", ".A_log", ".dt_bias"].iter().any(|own| name.contains(own));
    let each = Axis { name: "h", dim: 0, block: 1 };
    match shape.len() {
        1 if gate => vec![Axis::of("col", 0), each],
        1 if of("qkv") => vec![Axis::of("col", 0), head(0)],
        1 => vec![Axis::of("col", 0)],
        _ => {
            let mut axes = vec![Axis::of("row", 0), Axis::of("col", 1)];
            axes.extend(of("qkv").then(|| head(0)));
            axes.extend(of("o").then(|| head(1)));
            axes.extend(gate.then_some(each));
            axes
        }
    }
}
