//! What the device will hold, by label, before anything is allocated.

use super::forward::{Activations, Head};
use super::runner::Room;
use super::weights::Weights;
use crate::gpu::Ledger;
use crate::kernels::Tuning;
use crate::kernels::layout::operand::Rows;
use crate::kernels::tensor::cross_entropy::Losses;
use crate::params::{Need, ParamTable, Spans};
use crate::pretrained::Decoder;

/// Bytes by label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What, and how much; what is largest first.
    pub rows: Vec<(String, u64)>,
}

impl MemoryPlan {
    /// Of all labels.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|(_, bytes)| bytes).sum()
    }

    fn of(ledger: &Ledger) -> Self {
        let rows = ledger.rows().into_iter().map(|(label, held)| (label.to_string(), held.bytes));
        MemoryPlan { rows: rows.collect() }
    }
}

/// What a [`Runner`](super::Runner) holds that gives logits, or losses: the handles that its passes bind, counted without a
/// device.
pub fn inference(
    decoder: &Decoder,
    room: Room,
    losses: bool,
    most_bytes: u64,
    tuning: &Tuning,
) -> MemoryPlan {
    let weights = Weights::new(decoder, most_bytes, tuning);
    let activations = Activations::new(decoder, room.rows, room.tokens, tuning);
    let head = match losses {
        true => Head::Losses(Losses::new(room.rows, weights.head(), tuning)),
        false => Head::Last(Rows::new("logits", 1, decoder.vocabulary)),
    };
    MemoryPlan::of(&activations.record(&weights, room.rows, &head, tuning).memory())
}

/// What training by AdamW asks for beside the weights: gradients of tensors that hold a trained element, two moments of each
/// trained element, and the activations of a batch that a backward pass reads again, all layers kept.
pub fn training(
    decoder: &Decoder,
    table: &ParamTable,
    trained: &Spans,
    tokens: usize,
    inference: &MemoryPlan,
) -> MemoryPlan {
    let words = |n: usize| 4 * n as u64;
    let weights: u64 = inference
        .rows
        .iter()
        .filter(|(l, _)| l == "weights" || l == "norms and biases")
        .map(|(_, b)| b)
        .sum();
    let reached = table.params.iter().filter(|param| table.need(param, trained) != Need::None);
    let gradients = words(reached.map(|param| param.len()).sum());
    let moments = words(2 * trained.len());
    let (queries, shared) = (decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim);
    // Both residuals, both norms, queries before and behind their turn, keys and values, what attention gives, the MLP's three.
    let layer = 4 * decoder.width + 3 * queries + 3 * shared + 3 * decoder.mlp;
    let activations = words(tokens * (decoder.layers * layer + 2 * decoder.width));
    // Logits and their gradient, a chunk of the vocabulary at a time.
    let logits = words(2 * tokens * decoder.vocabulary.min(8192));
    let mut rows: Vec<(String, u64)> = [
        ("weights", weights),
        ("gradients", gradients),
        ("moments (AdamW)", moments),
        ("activations of all layers", activations),
        ("logits of a chunk", logits),
    ]
    .map(|(label, bytes)| (label.to_string(), bytes))
    .into();
    rows.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    MemoryPlan { rows }
}
