//! Fine-tuning of a language model on text: an experiment of `task.kind = "text"`, method by method.

mod batches;
mod experiment;
pub mod files;
mod fresh;
mod learn;
mod moved;
mod note;
mod plan;
mod prove;
mod roof;
mod run;
mod sample;
pub mod slopes;
mod state;
mod validate;
mod write;

pub use experiment::{Experiment, Method, Trains};
pub use run::{check, run};
pub use sample::go_on;
