//! Fine-tuning of a language model on text: an experiment of `task.kind = "text"`, method by method.

mod batches;
mod experiment;
pub mod files;
mod learn;
mod moved;
mod plan;
mod roof;
mod run;
mod sample;
pub mod slopes;
mod state;
mod validate;

pub use experiment::{Experiment, Method, Trains};
pub use plan::planned;
pub use run::{check, run};
pub use sample::go_on;
