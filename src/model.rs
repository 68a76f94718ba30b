//! The model: its parameters, and a training step and an evaluation as recordings.

pub mod params;
mod step;

pub use params::ParamTable;
pub use step::{Plan, Start, Stepper};
