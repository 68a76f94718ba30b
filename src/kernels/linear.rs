//! Kernels of linear attention by chunks, with decay and delta rule, forward and backward (docs/MATH.md, "Linear attention").
//!
//! Sequences lie one behind the other in rows and are cut into chunks, the last of each perhaps shorter: [`chunks`]. Within a chunk
//! everything is a product of matrices ([`chunk_product`]); from chunk to chunk goes a state `[K, V]` a head.

pub mod chunk_gates;
pub mod chunk_grad;
pub mod chunk_inverse;
pub mod chunk_product;
pub mod chunks;
pub mod feature_map;
pub mod recurrent;
pub mod state_scan;

use crate::gpu::{Binding, View};
use crate::kernels::layout::operand::Bound;
use crate::kernels::read;
pub use crate::reference::linear_attention::Sizes;
use chunks::Chunks;

/// What a mixer's recurrence has of what the definition allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// States decay.
    pub decay: bool,
    /// The delta rule: what a state has at a key is replaced by the value, by the share β.
    pub delta: bool,
    /// Outputs are divided by the number of tokens so far.
    pub mean: bool,
    /// What outputs are multiplied by.
    pub scale: f32,
}

/// What every launch goes by.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Heads and widths.
    pub sizes: Sizes,
    /// The recurrence.
    pub rule: Rule,
    /// How rows are cut.
    pub chunks: Chunks,
}

impl Frame {
    /// Matrices and rows that gates take: one a chunk and head.
    pub(super) fn gate_rows(&self) -> usize {
        self.chunks.count() * self.sizes.heads
    }

    /// Textures or buffers that states of following chunks take turns in: one that a step reads is not the one it writes.
    pub(super) fn turns(&self) -> usize {
        if self.rule.delta { 2 } else { 1 }
    }
}

/// Declares the chunks that a launch goes over, a workgroup or more a chunk and head, and `begin(batch)`, which says whether
/// there is anything to do.
fn units(bound: Bound, units: &View, heads: usize) -> Bound {
    let words = units.len();
    let mut bound = bound.with(unit_binding(words), units.clone());
    bound.text += &format!(
        "const HEADS = {heads}u;
@group(0) @binding(0) var<storage, read> units: array<vec4u>;   // two a chunk: first row, rows, slot, position | place
var<private> unit: vec4u;
var<private> head: u32;
var<private> gate_row: u32;
fn begin(batch: u32) -> bool {{
  unit = units[batch / HEADS * 2u];
  head = batch % HEADS;
  gate_row = units[batch / HEADS * 2u + 1u].x * HEADS + head;
  return unit.y > 0u;
}}
"
    );
    bound
}

fn unit_binding(words: usize) -> Binding {
    read(0, "units").words(words)
}
