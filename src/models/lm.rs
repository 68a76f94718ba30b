//! Language models: decoders whose activations are arrays in device memory, a launch an operation.
//!
//! The decoder is Llama's (Touvron et al. 2023, arXiv 2302.13971): RMSNorm, rotary positions, softmax attention with grouped
//! key/value heads, SwiGLU. Parameters have Hugging Face's names.

pub(in crate::models) mod activations;
pub mod adapter;
pub(in crate::models) mod forward;
pub(in crate::models) mod mixing;
mod plan;
mod runner;
mod sample;
pub mod table;
pub(in crate::models) mod weights;

pub use activations::Activations;
pub use forward::Head;
pub use plan::{MemoryPlan, inference};
pub use runner::{Room, Runner};
pub use sample::Sampler;
pub use weights::{PROJECTIONS, Weights};
