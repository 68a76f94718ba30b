//! Kernels of language models: arrays in device memory, a launch an operation.

pub mod attention;
pub mod block_update;
pub mod cross_entropy;
pub mod cursor;
pub mod embed;
mod given;
pub mod grad_norm;
mod lanes;
pub mod lone_update;
pub mod matmul;
pub mod matvec;
pub mod operand;
pub mod rms_norm;
pub mod rope;
pub mod starts;
pub mod swiglu;
pub mod update;
pub mod weight;

const BLOCKS: &str = include_str!("../../shaders/tensor/common/blocks.wgsl");
const STEP: &str = include_str!("../../shaders/tensor/common/step.wgsl");
