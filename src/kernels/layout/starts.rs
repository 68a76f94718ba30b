//! Where each row's sequence begins, when several are packed in a row.

use super::operand::Bound;
use crate::gpu::Buffer;
use crate::kernels::read;

/// A row's first token of its own sequence, counted as rows are.
#[derive(Clone, Debug, Default)]
pub enum Starts {
    /// One sequence.
    #[default]
    One,
    /// `[rows]`, none beyond its own row; there is no past.
    Packed(Buffer),
}

impl Starts {
    /// Declares `start_of(row)`.
    pub(in crate::kernels) fn bind(&self, mut bound: Bound, index: u32, rows: usize) -> Bound {
        match self {
            Starts::One => {
                bound.text += "fn start_of(row: u32) -> u32 { return 0u; }\n";
                bound
            }
            Starts::Packed(starts) => {
                bound.text +=
                    &format!("@group(0) @binding({index}) var<storage, read> starts: array<u32>;\n");
                bound.text += "fn start_of(row: u32) -> u32 { return starts[row]; }\n";
                bound.with(read(index, "starts").words(rows), starts.clone())
            }
        }
    }
}
