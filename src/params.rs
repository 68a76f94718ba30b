//! The table of parameters: every matrix's name, shape and place in the one arena that holds them all.

use crate::config::{Model, QueryKey};

/// One matrix per head: `shape` is [H, D, D] (heads, rows, columns), row-major from element `offset` of the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub shape: [usize; 3],
    pub offset: usize,
}

impl Param {
    /// Elements in it, H·D·D.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// It has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All parameters in arena order, each directly after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamTable {
    pub params: Vec<Param>,
}

impl ParamTable {
    /// The parameters of a model with tokens of `width` D: per layer `layers.{l}.attn.v`, then `.qk`, or `.q` and `.k`.
    pub fn new(model: &Model, width: usize) -> Self {
        let names: &[&str] = match model.qk {
            QueryKey::Merged => &["v", "qk"],
            QueryKey::Separate => &["v", "q", "k"],
        };
        let shape = [model.heads, width, width];
        let size: usize = shape.iter().product();
        let mut params = Vec::with_capacity(model.layers * names.len());
        for layer in 0..model.layers {
            for name in names {
                let offset = params.len() * size;
                params.push(Param { name: format!("layers.{layer}.attn.{name}"), shape, offset });
            }
        }
        ParamTable { params }
    }

    /// Elements in the arena.
    pub fn len(&self) -> usize {
        self.params.iter().map(Param::len).sum()
    }

    /// The arena has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_each_other_in_arena_order() {
        let model = Model { layers: 2, heads: 3, qk: QueryKey::Separate, ..Model::default() };
        let table = ParamTable::new(&model, 4);
        let names: Vec<&str> = table.params.iter().map(|p| p.name.as_str()).collect();
        let want = ["0.attn.v", "0.attn.q", "0.attn.k", "1.attn.v", "1.attn.q", "1.attn.k"];
        assert_eq!(names, want.map(|n| format!("layers.{n}")));
        let mut next = 0;
        for param in &table.params {
            assert_eq!((param.offset, param.shape), (next, [3, 4, 4]));
            next += 48;
        }
        assert_eq!(table.len(), next);
    }

    #[test]
    fn a_merged_model_has_one_query_key_matrix() {
        let table = ParamTable::new(&Model::default(), 7);
        assert_eq!(table.len(), 98);
        assert_eq!(table.get("layers.0.attn.qk").map(|p| p.offset), Some(49));
        assert_eq!(table.get("layers.0.attn.q"), None);
    }
}
