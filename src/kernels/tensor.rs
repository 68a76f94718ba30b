//! Kernels of language models: arrays in device memory, a launch an operation.

pub mod block_update;
pub mod grad_norm;
pub mod lone_update;
pub mod update;

const BLOCKS: &str = include_str!("../../shaders/tensor/common/blocks.wgsl");
const STEP: &str = include_str!("../../shaders/tensor/common/step.wgsl");
