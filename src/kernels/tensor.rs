//! Kernels of language models: arrays in device memory, a launch an operation.

pub mod attention;
pub mod cross_entropy;
pub mod cursor;
pub mod embed;
pub mod matmul;
pub mod matvec;
pub mod operand;
pub mod rms_norm;
pub mod rope;
pub mod starts;
pub mod swiglu;
pub mod weight;
