//! Kernels of language models, backward: what a loss's gradient makes of what the forward kernels took.

pub mod attention_grad;
pub mod col_sums;
pub mod cross_entropy_grad;
pub mod embed_grad;
pub mod rms_norm_grad;
pub mod rope_grad;
pub mod swiglu_grad;
