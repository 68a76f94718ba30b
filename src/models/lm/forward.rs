//! The forward pass, recorded: every token of some rows through all layers, behind those of the cache.

use super::weights::{Layer, Weights};
use crate::gpu::{Buffer, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::tensor::attention::{self, Attention};
use crate::kernels::tensor::cross_entropy::{self, Losses};
use crate::kernels::tensor::cursor::Cursor;
use crate::kernels::tensor::embed;
use crate::kernels::tensor::matmul::{self, Plus, Product};
use crate::kernels::tensor::operand::{Operand, Rows};
use crate::kernels::tensor::rms_norm::{self, Normed};
use crate::kernels::tensor::rope::{self, Cache, Heads, Rope};
use crate::kernels::tensor::starts::Starts;
use crate::kernels::tensor::swiglu;
use crate::kernels::tensor::weight::Weight;
use crate::pretrained::Decoder;

/// What a pass leaves of a model's judgement.
pub enum Head {
    /// Nothing: keys and values alone.
    None,
    /// Logits of the last row: `[1, W]`.
    Last(Rows),
    /// Logits of every row: `[rows, W]`.
    All(Rows),
    /// The loss of every row.
    Losses(Losses),
}

/// Arrays that rows pass through, and the keys and values that they leave.
pub struct Activations {
    /// `[rows]`.
    pub ids: Buffer,
    /// Rows and past.
    pub cursor: Cursor,
    /// Where each row's sequence begins.
    pub starts: Starts,
    /// Most rows of a pass.
    pub rows: usize,
    /// A layer's each.
    cache: Vec<Cache>,
    turns: Buffer,
    /// `[rows, C]`: the residual stream, from one to the other.
    x: [Operand; 2],
    h: Operand,
    /// `[1, C]`.
    last: Operand,
    q: Operand,
    k: Operand,
    v: Operand,
    queries: Operand,
    out: Operand,
    gate: Operand,
    up: Operand,
    act: Operand,
    heads: Heads,
}

/// Sizes of a decoder's attention.
pub(super) fn heads(decoder: &Decoder) -> Heads {
    Heads { queries: decoder.heads, groups: decoder.kv_heads, dim: decoder.head_dim }
}

impl Activations {
    /// Room for passes of so many rows, and for so many tokens in all.
    pub fn new(decoder: &Decoder, rows: usize, tokens: usize, tuning: &Tuning) -> Self {
        let heads = heads(decoder);
        let (queries, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
        let new = |cols: usize| Operand::new("activations", rows, cols, tuning);
        Activations {
            ids: Buffer::words("ids", rows),
            cursor: Cursor::default(),
            starts: Starts::One,
            rows,
            cache: (0..decoder.layers).map(|_| Cache::new(tokens, heads, tuning)).collect(),
            turns: Buffer::holding("turns", &rope::turns(tokens, heads.dim, decoder.theta)),
            x: [new(decoder.width), new(decoder.width)],
            h: new(decoder.width),
            last: Operand::new("activations", 1, decoder.width, tuning),
            q: new(queries),
            k: new(shared),
            v: new(shared),
            queries: new(queries),
            out: new(queries),
            gate: new(decoder.mlp),
            up: new(decoder.mlp),
            act: new(decoder.mlp),
            heads,
        }
    }

    /// A pass of so many rows.
    pub fn record(&self, weights: &Weights, rows: usize, head: &Head, tuning: &Tuning) -> Recording {
        let pass = Pass { all: self, eps: weights.decoder.eps, rows, tuning };
        let mut recording = embed::record(&weights.embedding, &self.ids, &pass.x(0), &self.cursor, tuning);
        for (layer, cache) in weights.layers.iter().zip(&self.cache) {
            pass.layer(layer, cache, &mut recording);
        }
        pass.head(weights, head, &mut recording);
        recording
    }
}

/// A recording on its way.
struct Pass<'a> {
    all: &'a Activations,
    eps: f32,
    rows: usize,
    tuning: &'a Tuning,
}

impl Pass<'_> {
    fn x(&self, side: usize) -> Operand {
        self.all.x[side].first(self.rows)
    }

    fn rows(&self, operand: &Operand) -> Operand {
        operand.first(self.rows)
    }

    /// `c = a weightᵀ (+ bias) (+ other)`, by the weight's pieces.
    fn linear(
        &self,
        a: &Operand,
        weight: &Weight,
        bias: Option<&View>,
        other: Option<&Operand>,
        c: &Operand,
        recording: &mut Recording,
    ) {
        for piece in &weight.pieces {
            let (from, count) = (piece.rows.start, piece.rows.len());
            let (c, other) = (c.columns(from, count), other.map(|other| other.columns(from, count)));
            let bias = bias.map(|bias| bias.slice(from..from + count.next_multiple_of(4)));
            let product = Product {
                bias: bias.as_ref(),
                plus: other.as_ref().map_or(Plus::Nothing, Plus::Other),
                // A product of one row alone has nothing to ask.
                cursor: (c.rows() > 1).then_some(&self.all.cursor),
                ..Product::nt(a, &piece.operand, &c)
            };
            recording.extend(matmul::record(&product, self.tuning));
        }
    }

    fn norm(&self, x: &Operand, weight: &View, recording: &mut Recording) -> Operand {
        let h = self.rows(&self.all.h);
        recording.extend(rms_norm::record(
            &Normed { x, weight, eps: self.eps, h: &h, last: false },
            &self.all.cursor,
            self.tuning,
        ));
        h
    }

    /// From `x[0]` by way of `x[1]` to `x[0]`.
    fn layer(&self, layer: &Layer, cache: &Cache, recording: &mut Recording) {
        let (all, tuning) = (self.all, self.tuning);
        let [q, k, v] = [&all.q, &all.k, &all.v].map(|operand| self.rows(operand));
        let h = self.norm(&self.x(0), &layer.input_norm, recording);
        for (linear, to) in [(&layer.q, &q), (&layer.k, &k), (&layer.v, &v)] {
            self.linear(&h, &linear.weight, linear.bias.as_ref(), None, to, recording);
        }
        let (queries, out) = (self.rows(&all.queries), self.rows(&all.out));
        let (turns, starts, cursor) = (&all.turns, &all.starts, &all.cursor);
        let turned = Rope { q: &q, k: &k, v: &v, turns, queries: &queries, cache, starts, cursor };
        recording.extend(rope::record(&turned, all.heads, tuning));
        let seen =
            Attention { queries: &queries, cache, out: &out, sums: None, starts, cursor, rows: self.rows };
        recording.extend(attention::record(&seen, all.heads, tuning));
        self.linear(&out, &layer.o, None, Some(&self.x(0)), &self.x(1), recording);

        let h = self.norm(&self.x(1), &layer.post_norm, recording);
        let [gate, up, act] = [&all.gate, &all.up, &all.act].map(|operand| self.rows(operand));
        self.linear(&h, &layer.gate, None, None, &gate, recording);
        self.linear(&h, &layer.up, None, None, &up, recording);
        recording.extend(swiglu::record(&gate, &up, &act, cursor, tuning));
        self.linear(&act, &layer.down, None, Some(&self.x(1)), &self.x(0), recording);
    }

    fn head(&self, weights: &Weights, head: &Head, recording: &mut Recording) {
        match head {
            Head::None => {}
            Head::Last(logits) => {
                let (x, weight, h) = (&self.x(0), &weights.norm, &self.all.last);
                let normed = Normed { x, weight, eps: self.eps, h, last: true };
                recording.extend(rms_norm::record(&normed, &self.all.cursor, self.tuning));
                self.linear(h, weights.head(), None, None, &Operand::Rows(logits.clone()), recording);
            }
            Head::All(logits) => {
                let h = self.norm(&self.x(0), &weights.norm, recording);
                let logits = Operand::Rows(logits.clone()).first(self.rows);
                self.linear(&h, weights.head(), None, None, &logits, recording);
            }
            Head::Losses(losses) => {
                let h = self.norm(&self.x(0), &weights.norm, recording);
                let cursor = &self.all.cursor;
                recording.extend(cross_entropy::record(&h, weights.head(), losses, cursor, self.tuning));
            }
        }
    }
}
