//! The model: a training step as a recording.

mod step;

pub use crate::params::{self, ParamTable};
pub use step::{Plan, Start, Stepper};
