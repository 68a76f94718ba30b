//! Parameters: what they are called, where they stand, and which of their elements are trained.
//!
//! A model is a [`ParamTable`] over one arena; a mask is [`Spans`] of that arena, resolved once from patterns.

pub mod blocks;
mod coverage;
pub mod mask;
mod pattern;
mod segments;
mod spans;
mod table;

pub use blocks::{Block, Blocks, Part};
pub use coverage::{Coverage, Group};
pub use segments::{ALIGN, Place, Segments, Trained};
pub use spans::Spans;
pub use table::{Axis, Init, Need, Param, ParamTable};
