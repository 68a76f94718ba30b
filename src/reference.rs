//! What kernels compute, again on the processor, in f64: naive loops over the definitions, no cleverness.

pub mod grad_reduce;
pub mod masked_update;
pub mod prompts;
pub mod transformer;
