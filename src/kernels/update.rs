//! Kernels of the masked update of arenas of any size, in segments: what language models are trained by.

pub mod arena;
pub mod block_update;
pub mod grad_norm;
pub mod lone_update;

const BLOCKS: &str = include_str!("../../shaders/update/common/blocks.wgsl");
const STEP: &str = include_str!("../../shaders/update/common/step.wgsl");
