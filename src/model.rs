//! The model: a training step as a recording.

mod step;
pub mod tensors;

pub use step::{Plan, Start, Stepper};
pub use tensors::table;
