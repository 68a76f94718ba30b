//! The model: its parameters, and a training step and an evaluation as recordings.

pub mod params;
mod rates;
mod step;

pub use params::ParamTable;
use rates::Rates;
pub use step::{Plan, Start, Stepper};
