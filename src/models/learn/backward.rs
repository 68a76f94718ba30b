//! The backward pass, recorded: from the rows that count down to the lowest layer of which anything is trained.

use super::grads::Grads;
use super::mixed::{self, Asked, MixScratch, To};
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
use crate::models::lm::activations::{Activations, Block};
use crate::models::lm::mixing::Mix;
use crate::models::lm::weights::{DOWN, GATE, K, Layer, O, PROJECTIONS, Q, UP, V, Weights};
use crate::pretrained::Mixer;
use std::collections::BTreeMap;

/// What it reads and where gradients go.
pub(super) struct Backward<'a> {
    weights: &'a Weights,
    pub activations: &'a Activations,
    picked: &'a Picked,
    taken: &'a Taken,
    pub grads: &'a Grads,
    pub scratch: Scratch,
    pub tuning: &'a Tuning,
}

/// Gradients on their way, `[rows, …]` each; a sum of several products goes from one of two to the other.
pub(super) struct Scratch {
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
    /// Of what adapters give between their two matrices: `[rows, r]`, of each linear map of a layer.
    pub low: [Option<[Operand; 2]>; 7],
    /// Of what they read, where numbers are left out of it.
    pub read: BTreeMap<usize, Operand>,
    /// Of each kind of linear attention.
    mixes: BTreeMap<Mixer, MixScratch>,
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
            low: std::array::from_fn(|i| {
                let there = weights.layers.iter().any(|layer| layer.linears[i].low.is_some());
                there.then(|| two(weights.rank().expect("an adapter has a rank")))
            }),
            read: match activations.chance {
                Some(_) => activations.adapted.read.keys().map(|cols| (*cols, new(*cols))).collect(),
                None => BTreeMap::new(),
            },
            mixes: {
                let mut all = BTreeMap::new();
                for mix in activations.blocks.iter().filter_map(|block| block.mix.as_ref()) {
                    all.entry(mix.mixer).or_insert_with(|| MixScratch::new(mix, decoder, tuning));
                }
                all
            },
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
            let last = self.weights.layers.len() - 1;
            // The last layer's arrays are there still.
            if self.activations.recompute && layer < last {
                recording.extend(self.activations.again(self.weights, layer, self.tuning));
            }
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

/// What a mixer has under `self_attn` beside projections.
const GATES: [&str; 5] = ["g_proj", "a_proj", "b_proj", "A_log", "dt_bias"];

/// One layer's part.
pub(super) struct LayerGrad<'a> {
    pub all: &'a Backward<'a>,
    pub at: usize,
    pub add: bool,
    /// Whether anything below asks for a gradient.
    pub below: bool,
}

impl LayerGrad<'_> {
    pub fn name(&self, tensor: &str) -> String {
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
        self.weight(layer, O, dmid, &block.out, recording);
        // What stands under `self_attn` beside the output's projection is before attention.
        let gates = GATES.iter().any(|own| self.trained(&[&format!("self_attn.{own}")]));
        if !self.below && !gates && !self.trained(&PROJECTIONS[..O]) && !self.trained(&["input_layernorm"]) {
            return;
        }
        let dout = self.input(layer, &[(dmid, O)], &scratch.dout, recording);
        let activations = self.all.activations;
        let (heads, tuning, cursor) = (activations.heads, self.all.tuning, &activations.cursor);
        match &block.mix {
            Some(mix) => {
                let to = To {
                    queries: &scratch.dqueries,
                    keys: &scratch.dkeys,
                    values: &scratch.dvalues,
                    dq: &scratch.dq,
                    dk: &scratch.dk,
                };
                let (decoder, own) = (&self.all.weights.decoder, &scratch.mixes[&mix.mixer]);
                let of = (mix, block, layer);
                let every = self.below || self.trained(&["input_layernorm"]);
                let of_projection = |which: usize| every || self.trained(&[PROJECTIONS[which]]);
                let asked = Asked {
                    queries: of_projection(Q),
                    keys: of_projection(K),
                    values: of_projection(V),
                    gates: every || GATES.iter().any(|own| self.trained(&[&format!("self_attn.{own}")])),
                };
                recording.extend(mixed::record(of, decoder, dout, (&to, asked), own, cursor, tuning));
                self.gates(layer, mix, own, block, recording);
            }
            None => self.attention(block, dout, recording),
        }
        if block.mix.as_ref().is_none_or(|mix| mix.mixer.turns()) {
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
        }
        let all = [(&scratch.dq, Q), (&scratch.dk, K), (&scratch.dvalues, V)];
        for (dy, which) in all {
            self.weight(layer, which, dy, &block.h, recording);
            self.bias(&format!("{}.bias", PROJECTIONS[which]), dy, recording);
        }
        if self.below || self.trained(&["input_layernorm"]) {
            let mut dh = self.input(layer, &all, &scratch.dh, recording);
            for (dy, weight) in self.gating(layer, block) {
                for piece in &weight.pieces {
                    dh = self.back(dy, &piece.operand, None, (Some(dh), &scratch.dh), recording);
                }
            }
            self.norm("input_layernorm.weight", (&block.x, &layer.input_norm), dh, (dmid, dx), recording);
        }
    }

    /// Gradients of what decays and shares come from, with the weights that made it.
    fn gating<'b>(&'b self, layer: &'b Layer, block: &Block) -> Vec<(&'b Operand, &'b Weight)> {
        let Some(mix) = &block.mix else { return Vec::new() };
        let own = &self.all.scratch.mixes[&mix.mixer];
        let decay = layer.gating.decay.as_ref().zip(own.decay.as_ref());
        let share = layer.gating.share.as_ref().zip(own.share.as_ref());
        decay
            .map(|((_, weight, _), dy)| (dy, weight))
            .into_iter()
            .chain(share.map(|(w, dy)| (dy, w)))
            .collect()
    }

    /// Gradients of what is trained of a mixer's gates.
    fn gates(&self, layer: &Layer, mix: &Mix, own: &MixScratch, block: &Block, recording: &mut Recording) {
        if let (Some((name, _, _)), Some(dy)) = (&layer.gating.decay, &own.decay) {
            self.matrix(&format!("self_attn.{name}.weight"), dy, &block.h, recording);
            self.bias(&format!("self_attn.{name}.bias"), dy, recording);
            if mix.mixer == Mixer::GatedDelta {
                self.bias("self_attn.dt_bias", dy, recording);
            }
        }
        if let Some(dy) = &own.a_log {
            self.bias("self_attn.A_log", dy, recording);
        }
        if let Some(dy) = &own.share {
            self.matrix("self_attn.b_proj.weight", dy, &block.h, recording);
        }
    }

    /// The gradient of a vector that every row was given, if it is trained.
    fn bias(&self, tensor: &str, dy: &Operand, recording: &mut Recording) {
        let cursor = &self.all.activations.cursor;
        if let Some(sums) = self.all.grads.vector(&self.name(tensor)) {
            recording.extend(col_sums::record(&Terms::Bias(dy), sums, self.add, cursor, self.all.tuning));
        }
    }

    /// Through softmax attention.
    fn attention(&self, block: &Block, dout: &Operand, recording: &mut Recording) {
        let (activations, scratch) = (self.all.activations, &self.all.scratch);
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
        self.weight(layer, DOWN, dnext, &block.act, recording);
        if !attends && !self.trained(&["mlp.gate_proj", "mlp.up_proj", "post_attention_layernorm"]) {
            return None;
        }
        let dact = self.input(layer, &[(dnext, DOWN)], &scratch.dact, recording);
        let (dgate, dup, cursor) = (&scratch.dgate, &scratch.dup, &self.all.activations.cursor);
        let given = [&block.gate, &block.up, dact];
        recording.extend(swiglu_grad::record(given, [dgate, dup], cursor, self.all.tuning));
        self.weight(layer, GATE, dgate, &block.h_mid, recording);
        self.weight(layer, UP, dup, &block.h_mid, recording);
        if !attends && !self.trained(&["post_attention_layernorm"]) {
            return None;
        }
        let dh = self.input(layer, &[(dgate, GATE), (dup, UP)], &scratch.dh, recording);
        let (x, dmid) = ((&block.mid, &layer.post_norm), &scratch.dmid);
        self.norm("post_attention_layernorm.weight", x, dh, (dnext, dmid), recording);
        Some(dmid)
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
