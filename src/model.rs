//! The model: its parameters, and a training step and an evaluation as recordings.

mod step;
pub mod tensors;

pub use step::{Plan, Start, Stepper};
pub use tensors::table;
