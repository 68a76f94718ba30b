//! Linear transformers over prompts: their parameters, and a training step as a recording.

mod rates;
mod step;
pub mod tensors;

use rates::Rates;
pub use step::{Plan, Start, Stepper};
pub use tensors::table;
