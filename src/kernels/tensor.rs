//! Kernels of language models: arrays in device memory, a launch an operation.

pub mod attention;
pub mod cross_entropy;
pub mod dropout;
pub mod embed;
pub mod matmul;
pub mod matvec;
pub mod rms_norm;
pub mod rope;
pub mod swiglu;

/// `exp4` and `exp1`, which are the same to a unit in the last place on every device.
pub(in crate::kernels) const EXP: &str = include_str!("../../shaders/tensor/common/exp.wgsl");
