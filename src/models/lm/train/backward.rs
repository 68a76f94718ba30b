//! The backward pass, recorded: from the rows that count down to the lowest layer of which anything is trained.

use super::super::forward::{Activations, Block};
use super::super::weights::{Layer, Weights};
use super::grads::{Grads, Rectangle};
use super::picked::Picked;
use crate::gpu::{Buffer, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::backward::attention_grad::{self, AttentionGrad};
use crate::kernels::backward::col_sums::{self, Terms};
use crate::kernels::backward::embed_grad::{self, Taken};
use crate::kernels::backward::rms_norm_grad::{self, NormGrad};
use crate::kernels::backward::rope_grad::{self, RopeGrad};
use crate::kernels::backward::swiglu_grad;
use crate::kernels::layout::operand::{Operand, other};
use crate::kernels::layout::weight::Weight;
use crate::kernels::tensor::matmul::{self, Form, Plus, Product};

/// What it reads and where gradients go.
pub(super) struct Backward<'a> {
    weights: &'a Weights,
    activations: &'a Activations,
    picked: &'a Picked,
    taken: &'a Taken,
    grads: &'a Grads,
    scratch: Scratch,
    tuning: &'a Tuning,
}

/// Gradients on their way, `[rows, …]` each; a sum of several products goes from one of two to the other.
struct Scratch {
    /// Of the residual stream: what enters a layer, and behind attention.
    d: [Operand; 2],
    dmid: Operand,
    dh: [Operand; 2],
    dact: [Operand; 2],
    dgate: Operand,
    dup: Operand,
    dout: [Operand; 2],
    dqueries: Operand,
    dq: Operand,
    dkeys: Operand,
    dk: Operand,
    dvalues: Operand,
    dots: Buffer,
    scales: Buffer,
}

impl Scratch {
    fn new(weights: &Weights, activations: &Activations, tuning: &Tuning) -> Self {
        let (decoder, rows, heads) = (&weights.decoder, activations.rows, activations.heads);
        let new = |cols: usize| Operand::new("gradients of activations", rows, cols, tuning);
        let two = |cols: usize| [new(cols), new(cols)];
        let (queries, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
        Scratch {
            d: two(decoder.width),
            dmid: new(decoder.width),
            dh: two(decoder.width),
            dact: two(decoder.mlp),
            dgate: new(decoder.mlp),
            dup: new(decoder.mlp),
            dout: two(queries),
            dqueries: new(queries),
            dq: new(queries),
            dkeys: new(shared),
            dk: new(shared),
            dvalues: new(shared),
            dots: Buffer::words("gradients of activations", rows * heads.queries),
            scales: Buffer::words("gradients of activations", rows),
        }
    }
}

impl<'a> Backward<'a> {
    pub fn new(
        weights: &'a Weights,
        activations: &'a Activations,
        picked: &'a Picked,
        taken: &'a Taken,
        grads: &'a Grads,
        tuning: &'a Tuning,
    ) -> Self {
        let scratch = Scratch::new(weights, activations, tuning);
        Backward { weights, activations, picked, taken, grads, scratch, tuning }
    }

    /// Gradients are written, or added to what is there.
    pub fn record(&self, add: bool) -> Recording {
        let cursor = &self.activations.cursor;
        let mut at = &self.scratch.d[0];
        let mut recording = self.picked.backward(self.weights, self.grads, add, (at, cursor), self.tuning);
        let embedded = self.grads.embedding().is_some();
        let trained = |layer: usize| self.grads.any(&format!("model.layers.{layer}."));
        let lowest = (0..self.weights.layers.len()).find(|layer| embedded || trained(*layer));
        let Some(lowest) = lowest else { return recording };
        for layer in (lowest..self.weights.layers.len()).rev() {
            let below = embedded || layer > lowest;
            let to = other(&self.scratch.d, Some(at));
            let one = LayerGrad { all: self, at: layer, add, below };
            one.record(at, to, &mut recording);
            at = to;
        }
        if let Some(pieces) = self.grads.embedding() {
            for (tokens, rows) in pieces {
                // A head of its own has not written here.
                if !add && !self.weights.decoder.tied {
                    recording.clear(rows.view.clone());
                }
                recording.extend(embed_grad::record(at, self.taken, (tokens.clone(), rows), self.tuning));
            }
        }
        recording
    }
}

/// One layer's part.
struct LayerGrad<'a> {
    all: &'a Backward<'a>,
    at: usize,
    add: bool,
    /// Whether anything below asks for a gradient.
    below: bool,
}

impl LayerGrad<'_> {
    fn name(&self, tensor: &str) -> String {
        format!("model.layers.{}.{tensor}", self.at)
    }

    fn trained(&self, tensors: &[&str]) -> bool {
        tensors.iter().any(|tensor| self.all.grads.any(&self.name(tensor)))
    }

    /// From the gradient of what leaves the layer to that of what enters it.
    fn record(&self, dnext: &Operand, dx: &Operand, recording: &mut Recording) {
        let (layer, block) = (&self.all.weights.layers[self.at], &self.all.activations.blocks[self.at]);
        let attends = self.below || self.trained(&["input_layernorm", "self_attn"]);
        let Some(dmid) = self.mlp(layer, block, dnext, attends, recording) else { return };
        let scratch = &self.all.scratch;
        self.matrix("self_attn.o_proj.weight", dmid, &block.out, recording);
        let projections = ["q_proj", "k_proj", "v_proj"].map(|name| format!("self_attn.{name}"));
        let names: Vec<&str> = projections.iter().map(String::as_str).collect();
        if !self.below && !self.trained(&names) && !self.trained(&["input_layernorm"]) {
            return;
        }
        let dout = self.input(&[(dmid, &layer.o)], &scratch.dout, recording);
        let activations = self.all.activations;
        let (heads, tuning, cursor) = (activations.heads, self.all.tuning, &activations.cursor);
        let grad = AttentionGrad {
            queries: &block.queries,
            keys: &block.cache.keys,
            values: &block.cache.values,
            out: &block.out,
            sums: block.sums.as_ref().expect("kept for a gradient"),
            dout,
            dots: &scratch.dots,
            dqueries: &scratch.dqueries,
            dkeys: &scratch.dkeys,
            dvalues: &scratch.dvalues,
            starts: &activations.starts,
            cursor,
        };
        recording.extend(attention_grad::record(&grad, heads, tuning));
        let back = RopeGrad {
            dqueries: &scratch.dqueries,
            dkeys: &scratch.dkeys,
            turns: &activations.turns,
            dq: &scratch.dq,
            dk: &scratch.dk,
            starts: &activations.starts,
            cursor,
        };
        recording.extend(rope_grad::record(&back, heads, tuning));
        let all = [&scratch.dq, &scratch.dk, &scratch.dvalues];
        for (name, dy) in projections.iter().zip(all) {
            self.matrix(&format!("{name}.weight"), dy, &block.h, recording);
            if let Some(sums) = self.all.grads.vector(&self.name(&format!("{name}.bias"))) {
                recording.extend(col_sums::record(&Terms::Bias(dy), sums, self.add, cursor, tuning));
            }
        }
        if self.below || self.trained(&["input_layernorm"]) {
            let weights = [&layer.q, &layer.k, &layer.v].map(|linear| &linear.weight);
            let terms: Vec<(&Operand, &Weight)> = all.into_iter().zip(weights).collect();
            let dh = self.input(&terms, &scratch.dh, recording);
            self.norm("input_layernorm.weight", (&block.x, &layer.input_norm), dh, (dmid, dx), recording);
        }
    }

    /// Through the MLP: the gradient behind attention, if anything asks for it.
    fn mlp(
        &self,
        layer: &Layer,
        block: &Block,
        dnext: &Operand,
        attends: bool,
        recording: &mut Recording,
    ) -> Option<&Operand> {
        let scratch = &self.all.scratch;
        self.matrix("mlp.down_proj.weight", dnext, &block.act, recording);
        if !attends && !self.trained(&["mlp.gate_proj", "mlp.up_proj", "post_attention_layernorm"]) {
            return None;
        }
        let dact = self.input(&[(dnext, &layer.down)], &scratch.dact, recording);
        let (dgate, dup, cursor) = (&scratch.dgate, &scratch.dup, &self.all.activations.cursor);
        let given = [&block.gate, &block.up, dact];
        recording.extend(swiglu_grad::record(given, [dgate, dup], cursor, self.all.tuning));
        self.matrix("mlp.gate_proj.weight", dgate, &block.h_mid, recording);
        self.matrix("mlp.up_proj.weight", dup, &block.h_mid, recording);
        if !attends && !self.trained(&["post_attention_layernorm"]) {
            return None;
        }
        let dh = self.input(&[(dgate, &layer.gate), (dup, &layer.up)], &scratch.dh, recording);
        let (x, dmid) = ((&block.mid, &layer.post_norm), &scratch.dmid);
        self.norm("post_attention_layernorm.weight", x, dh, (dnext, dmid), recording);
        Some(dmid)
    }

    /// Σ dy W: what layers make of the gradient of what they gave.
    fn input<'b>(
        &self,
        terms: &[(&Operand, &Weight)],
        to: &'b [Operand; 2],
        recording: &mut Recording,
    ) -> &'b Operand {
        let mut sum: Option<&Operand> = None;
        for (dy, weight) in terms {
            for piece in &weight.pieces {
                let next = other(to, sum);
                let dy = dy.columns(piece.rows.start, piece.rows.len());
                let product = Product {
                    form: Form::Nn,
                    plus: sum.map_or(Plus::Nothing, Plus::Other),
                    cursor: Some(&self.all.activations.cursor),
                    ..Product::nt(&dy, &piece.operand, next)
                };
                recording.extend(matmul::record(&product, self.all.tuning));
                sum = Some(next);
            }
        }
        sum.expect("a term at least")
    }

    /// dyᵀ x, of what is trained of a weight.
    fn matrix(&self, tensor: &str, dy: &Operand, x: &Operand, recording: &mut Recording) {
        let Some(all) = self.all.grads.matrix(&self.name(tensor)) else { return };
        for Rectangle { rows, cols, grad, .. } in all {
            let (dy, x) = (dy.columns(rows.start, rows.len()), x.columns(cols.start, cols.len()));
            let to = Operand::Rows(grad.clone());
            let product = Product {
                form: Form::Tn,
                plus: if self.add { Plus::Itself } else { Plus::Nothing },
                depth: Some(&self.all.activations.cursor),
                ..Product::nt(&dy, &x, &to)
            };
            recording.extend(matmul::record(&product, self.all.tuning));
        }
    }

    /// Through a norm of `x`, whose gradient is added to that of the residual stream.
    fn norm(
        &self,
        tensor: &str,
        (x, weight): (&Operand, &View),
        dy: &Operand,
        (plus, dx): (&Operand, &Operand),
        recording: &mut Recording,
    ) {
        let (cursor, scales, eps) =
            (&self.all.activations.cursor, &self.all.scratch.scales, self.all.weights.decoder.eps);
        let grad = NormGrad { x, weight, eps, dy, plus: Some(plus), dx, scales };
        recording.extend(rms_norm_grad::record(&grad, cursor, self.all.tuning));
        if let Some(sums) = self.all.grads.vector(&self.name(tensor)) {
            let terms = Terms::Weight { dy, x, scales };
            recording.extend(col_sums::record(&terms, sums, self.add, cursor, self.all.tuning));
        }
    }
}
