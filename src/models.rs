//! The families of models. Each writes its training step by hand and records it; what is around a step knows no more of
//! it than [`Step`] and [`Phase`].

pub mod learn;
pub mod lm;
pub mod prompt;
mod step;

pub use step::{Kept, Numbers, Phase, Ring, Start, Step, lr};
