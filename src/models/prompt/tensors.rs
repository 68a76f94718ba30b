//! The tensors of a prompt model: which there are, and where each stands in the arena.

use crate::params::{Axis, Init, Param, ParamTable};
use crate::prompt::{Model, QueryKey};

/// A matrix of a layer's attention, [H, D, D]: one a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Value.
    V,
    /// Query and key as one: Q = W_Qᵀ W_K.
    Qk,
    /// Query.
    Q,
    /// Key.
    K,
}

impl Matrix {
    fn name(self) -> &'static str {
        match self {
            Matrix::V => "v",
            Matrix::Qk => "qk",
            Matrix::Q => "q",
            Matrix::K => "k",
        }
    }
}

/// The layer and the matrix of each tensor, in arena order.
pub fn tensors(model: &Model) -> impl Iterator<Item = (usize, Matrix)> + use<> {
    let each: &[Matrix] = match model.qk {
        QueryKey::Merged => &[Matrix::V, Matrix::Qk],
        QueryKey::Separate => &[Matrix::V, Matrix::Q, Matrix::K],
    };
    (0..model.layers).flat_map(move |layer| each.iter().map(move |&matrix| (layer, matrix)))
}

/// The parameters of a model with tokens of `width` D: per layer `layers.{l}.attn.v`, then `.qk`, or `.q` and `.k`.
/// Masks select by `h`, `row` and `col`.
pub fn table(model: &Model, width: usize) -> ParamTable {
    let axes = vec![Axis::of("h", 0), Axis::of("row", 1), Axis::of("col", 2)];
    ParamTable::new(tensors(model).map(|(layer, matrix)| {
        let (name, group) = (format!("layers.{layer}.attn.{}", matrix.name()), format!("layers.{layer}"));
        Param::new(name, vec![model.heads, width, width], axes.clone(), Init::Normal(model.init_std), group)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_follow_each_other_in_arena_order() {
        let model = Model { layers: 2, heads: 3, qk: QueryKey::Separate, ..Model::default() };
        let table = table(&model, 4);
        let names: Vec<&str> = table.params.iter().map(|p| p.name.as_str()).collect();
        let want = ["0.attn.v", "0.attn.q", "0.attn.k", "1.attn.v", "1.attn.q", "1.attn.k"];
        assert_eq!(names, want.map(|n| format!("layers.{n}")));
        let places: Vec<usize> = table.params.iter().map(|p| p.offset).collect();
        assert_eq!(places, [0, 48, 96, 144, 192, 240]);
        assert_eq!(table.len(), 288);
    }

    #[test]
    fn a_merged_model_has_one_query_key_matrix() {
        let table = table(&Model::default(), 7);
        assert_eq!(table.len(), 98);
        assert_eq!(table.get("layers.0.attn.qk").map(|p| p.offset), Some(49));
        assert_eq!(table.get("layers.0.attn.q"), None);
    }
}
