//! Parity cases and benches of products of chunks: whole passes, forward and backward.

pub use crate::kernels::mixing::cases::{benches, cases};
