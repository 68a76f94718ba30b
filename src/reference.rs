//! What kernels compute, again on the processor, in f64: naive loops over the definitions, no cleverness.

pub mod attention;
pub mod grad_reduce;
pub mod gradients;
pub mod layers;
pub mod linear_attention;
pub mod masked_update;
pub mod matmul;
pub mod prompts;
pub mod transformer;
