//! Kernels of every family: updates, reductions, random numbers, roofs.

pub mod grad_reduce;
pub mod masked_update;
pub mod normal;
pub mod roof;

pub(super) const RANDOM: &str = include_str!("../../shaders/shared/common/random.wgsl");
pub(super) const OPTIMIZER: &str = include_str!("../../shaders/shared/common/optimizer.wgsl");
