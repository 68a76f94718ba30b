//! Kernels of language models: arrays in device memory, a launch an operation.

pub mod block_update;
pub mod grad_norm;

use super::Tuning;
use crate::gpu::Buffer;
use crate::params::blocks::{Blocks, QUADS};

const BLOCKS: &str = include_str!("../../shaders/tensor/common/blocks.wgsl");

/// Workgroups in x; more go on in y, as no dimension takes more than 65,535.
const WIDE: usize = 1 << 15;

/// Workgroups, one a block.
fn groups(blocks: usize) -> [u32; 2] {
    [blocks.min(WIDE) as u32, blocks.div_ceil(WIDE) as u32]
}

/// Rounds of an invocation over the vec4 of a block.
fn rounds(tuning: &Tuning) -> u64 {
    QUADS.div_ceil(tuning.workgroup) as u64
}

/// The records of some blocks on the device.
pub fn records(blocks: &Blocks) -> Buffer {
    let words: &[[u32; 4]] = bytemuck::cast_slice(&blocks.list);
    Buffer::holding("blocks", words.as_flattened())
}
