//! What the device will hold, by label, before anything is allocated.

use super::activations::Activations;
use super::forward::Head;
use super::runner::Room;
use super::weights::Weights;
use crate::gpu::Ledger;
use crate::kernels::Tuning;
use crate::kernels::layout::operand::Rows;
use crate::kernels::tensor::cross_entropy::Losses;
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

    pub(in crate::models) fn of(ledger: &Ledger) -> Self {
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
    let activations = Activations::new(&weights, room.rows, room.tokens, tuning);
    let head = match losses {
        true => Head::Losses(Losses::new(room.rows, weights.head(), tuning)),
        false => Head::Last(Rows::new("logits", 1, decoder.vocabulary)),
    };
    MemoryPlan::of(&activations.record(&weights, room.rows, &head, tuning).memory())
}
