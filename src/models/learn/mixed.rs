//! Through a layer's linear attention, backward.

use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::chunk_gates::RawGrads;
use crate::kernels::linear::{chunk_grad, feature_map};
use crate::kernels::mixing::{self, Grads, Scratch};
use crate::models::lm::activations::Block;
use crate::models::lm::mixing::{Mix, feature};
use crate::models::lm::weights::Layer;
use crate::pretrained::Decoder;

/// Gradients on their way through a mixer, `[rows, …]`.
pub(super) struct MixScratch {
    chunks: Scratch,
    /// By query heads, where keys and values are shared.
    own: Option<[Operand; 2]>,
    /// Of decays, of A's logarithm, and of shares, `[rows, H]`.
    pub decay: Option<Operand>,
    pub a_log: Option<Operand>,
    pub share: Option<Operand>,
}

impl MixScratch {
    pub fn new(mix: &Mix, decoder: &Decoder, tuning: &Tuning) -> Self {
        let (label, rows, heads) = ("gradients of activations", mix.frame.chunks.room.rows, decoder.heads);
        let new = |cols: usize| Operand::new(label, rows, cols, tuning);
        let shares = decoder.kv_heads < heads;
        let gate = |there: bool| there.then(|| new(heads));
        MixScratch {
            chunks: Scratch::new(label, &mix.frame, tuning),
            own: shares.then(|| [new(heads * decoder.head_dim), new(heads * decoder.head_dim)]),
            decay: gate(mix.decay.is_some()),
            a_log: gate(mix.decay.is_some() && mix.mixer == crate::pretrained::Mixer::GatedDelta),
            share: gate(mix.share.is_some()),
        }
    }
}

/// Where the gradients of queries, keys and values go: of what is turned or mapped, and of what is not yet.
pub(super) struct To<'a> {
    pub queries: &'a Operand,
    pub keys: &'a Operand,
    pub values: &'a Operand,
    pub dq: &'a Operand,
    pub dk: &'a Operand,
}

/// Which of them are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub queries: bool,
    pub keys: bool,
    pub values: bool,
    /// Decays and shares.
    pub gates: bool,
}

/// From the gradient of outputs to those of queries, keys (before they are mapped; of those that are turned, turned), values
/// and gates.
pub(super) fn record(
    (mix, block, layer): (&Mix, &Block, &Layer),
    decoder: &Decoder,
    dout: &Operand,
    (to, asked): (&To, Asked),
    scratch: &MixScratch,
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    let mapped = feature(decoder, mix.mixer);
    // What is neither turned nor mapped has one gradient.
    let same = mapped.is_none() && !mix.mixer.turns();
    let (queries, keys) = if same { (to.dq, to.dk) } else { (to.queries, to.keys) };
    let (own_keys, own_values) = match &scratch.own {
        Some([k, v]) => (k, v),
        None => (keys, to.values),
    };
    let gated = mix.decay.is_some() || mix.share.is_some();
    // With the delta rule the gradient of keys comes with those of all, as that of gates does.
    let all = asked.gates && gated || asked.keys && mix.mixer.replaces();
    let gates = RawGrads {
        decay: scratch.decay.as_ref(),
        a_log: scratch.a_log.as_ref(),
        beta: scratch.share.as_ref(),
    };
    let grads = Grads {
        q: (all || asked.queries).then_some(queries),
        k: (all || asked.keys).then_some(own_keys),
        v: (all || asked.values).then_some(own_values),
        gates: (gated && asked.gates).then(|| (mix.raw(&layer.gating), gates)),
        initial: None,
    };
    let taken = mix.taken(block, decoder);
    let mut recording =
        mixing::backward(taken, (dout, None), &grads, &mix.kept, &scratch.chunks, &mix.frame, tuning);
    let dim = decoder.head_dim;
    if scratch.own.is_some() {
        let sharing = decoder.heads / decoder.kv_heads;
        let of = [(own_keys, keys, grads.k), (own_values, to.values, grads.v)];
        for (x, y) in of.into_iter().filter(|(.., there)| there.is_some()).map(|(x, y, _)| (x, y)) {
            recording.extend(chunk_grad::head_sums(x, y, sharing, dim, cursor, tuning));
        }
    }
    if let Some(feature) = mapped {
        let of = [(&block.q, queries, to.dq, grads.q), (&block.k, keys, to.dk, grads.k)];
        for (x, dy, dx, _) in of.into_iter().filter(|(.., there)| there.is_some()) {
            recording.extend(feature_map::record_grad(feature, [x, dy, dx], dim, cursor, tuning));
        }
    }
    recording
}
