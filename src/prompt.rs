//! Prompts of numbers and the linear transformers that read them: what kernels, references and models of this family
//! share. Nothing here runs.

pub mod chi;
pub mod law;
mod model;
pub mod own;
pub mod shape;

pub use model::{Loss, Model, QueryKey};
