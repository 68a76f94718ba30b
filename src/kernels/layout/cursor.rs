//! Which tokens a launch works on: a number of the device's, so that the same programs serve every length.

use crate::gpu::{Binding, Buffer, DType, View};
use crate::kernels::uniform;

/// `[rows, past, 0, 0]`: so many rows are computed, and as many tokens came before the first of them.
#[derive(Clone, Debug)]
pub struct Cursor(pub Buffer);

impl Default for Cursor {
    fn default() -> Self {
        Cursor(Buffer::words("cursor", 4))
    }
}

impl Cursor {
    /// Rows that stand still, behind so many tokens.
    pub fn at(rows: usize, past: usize) -> Self {
        Cursor(Buffer::holding("cursor", &[rows as u32, past as u32, 0, 0]))
    }

    pub(in crate::kernels) fn binding(index: u32) -> Binding {
        uniform(index, "cursor").words(4)
    }

    pub(in crate::kernels) fn view(&self) -> View {
        self.0.view(DType::U32)
    }
}
