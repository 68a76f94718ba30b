//! What of a model a phase computes, and where all of it stands.

use super::Members;
use super::tensors::{Matrix, tensors};
use crate::kernels::Tuning;
use crate::kernels::shared::masked_update::{NONE, Update};
use crate::params::{Need, ParamTable, Spans};
use crate::prompt::shape::{GradLayout, Models, Shape};
use crate::prompt::{Loss, Model, QueryKey};

/// Whether anything of a layer's matrices is trained by any member, a flag a layer: asked once, and what the backward
/// pass leaves out is what is not.
pub struct Needed {
    v: Vec<bool>,
    qk: Vec<bool>,
    pub q: Vec<bool>,
    pub k: Vec<bool>,
}

/// Where everything of a step stands.
pub struct Sizes {
    pub shape: Shape,
    pub models: Models,
    pub layout: GradLayout,
    pub need: Needed,
    /// Query and key are two matrices.
    pub separate: bool,
    /// Words of a model's parameters and gradients, and where those of queries and keys start.
    pub params: usize,
    pub grads: usize,
    pub first: usize,
}

impl Sizes {
    pub fn new(model: &Model, table: &ParamTable, members: Members, tuning: &Tuning) -> Sizes {
        let shape = Shape { layers: model.layers, heads: model.heads, dim: members[0].0.law.dim() };
        let trained = members.iter().fold(Spans::default(), |all, (plan, _)| all.union(&plan.train));
        let need = Needed::of(model, table, &trained);
        let separate = model.qk == QueryKey::Separate;
        let needed: Vec<bool> = (0..shape.layers).map(|l| need.qk[l] || need.q[l] || need.k[l]).collect();
        let layout = GradLayout::new(shape, need.v.clone(), needed);
        let passes = if members[0].0.loss == Loss::ZsFs { 2 } else { 1 };
        let models = tuning.models(members.len(), passes * (shape.weights() + layout.entries));
        let first = layout.entries + 2;
        Sizes {
            shape,
            models,
            need,
            separate,
            params: table.len().next_multiple_of(4),
            grads: first + if separate { shape.weights() } else { 0 },
            first,
            layout,
        }
    }

    /// The update that all members share; `parts` partial sums are added up by it or before it.
    pub fn update(&self, members: Members, ring: usize, parts: usize, tuning: &Tuning) -> Update {
        let plan = members[0].0;
        // The gradient of separate queries and keys is computed between the sums and the update.
        let fused = tuning.fused && !self.separate;
        Update {
            rule: plan.optimizer.rule,
            models: self.models.count,
            places: self.models.places(),
            trained: members.iter().map(|(plan, _)| plan.train.len()).max().unwrap_or(0),
            losses: self.layout.entries,
            stride: self.grads,
            batch: plan.batch,
            ring,
            fused: fused.then_some(parts),
        }
    }

    /// Place of each trained element's gradient of member `m`. Behind `first`, `qk_bwd` writes [L][Q | K][H, D, D].
    pub fn places(&self, model: &Model, table: &ParamTable, train: &Spans, m: usize) -> Vec<u32> {
        let tensor = self.shape.tensor();
        let mut places = Vec::with_capacity(train.len());
        for ((layer, matrix), param) in tensors(model).zip(&table.params) {
            let place = |inside: usize| match matrix {
                Matrix::V => self.layout.entry_v(layer, inside),
                Matrix::Qk => self.layout.entry_qk(layer, inside),
                Matrix::Q => Some(self.first + 2 * layer * tensor + inside),
                Matrix::K => Some(self.first + (2 * layer + 1) * tensor + inside),
            };
            let own = train.within(param.place());
            let of = |element| place(element - param.offset).map_or(NONE, |at| (m * self.grads + at) as u32);
            places.extend(own.elements().map(of));
        }
        places
    }
}

impl Needed {
    fn of(model: &Model, table: &ParamTable, trained: &Spans) -> Self {
        let none = || vec![false; model.layers];
        let mut need = Needed { v: none(), qk: none(), q: none(), k: none() };
        for ((layer, matrix), param) in tensors(model).zip(&table.params) {
            let of_kind = match matrix {
                Matrix::V => &mut need.v,
                Matrix::Qk => &mut need.qk,
                Matrix::Q => &mut need.q,
                Matrix::K => &mut need.k,
            };
            of_kind[layer] = table.need(param, trained) != Need::None;
        }
        need
    }
}
