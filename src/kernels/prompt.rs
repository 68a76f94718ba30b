//! Kernels of prompt models: a step in one or two launches, everything in registers, and what only they need.

mod loops;
pub mod own;
mod parts;
pub mod prompt_eval;
pub mod prompt_moments;
pub mod prompt_sample;
pub mod prompt_step;
pub mod prompt_train;
pub mod qk;
mod rounds;
mod source;
mod unroll;

pub use source::Source;

use super::{Entry, written};
use crate::gpu::{Binding, Consts, Program};
use unroll::unroll;

/// Innermost copies up to which a marked loop nest is unrolled: a D³ nest of the paper's D = 7, a D² one to D = 22.
const UNROLL: usize = 512;

const SUBGROUP: &str = include_str!("../../shaders/prompt/common/subgroup.wgsl");
const PARTIALS_SUBGROUP: &str = include_str!("../../shaders/prompt/common/partials_subgroup.wgsl");
const PARTIALS_WORKGROUP: &str = include_str!("../../shaders/prompt/common/partials_workgroup.wgsl");
const LINEAR_ATTENTION: &str = include_str!("../../shaders/prompt/common/linear_attention.wgsl");
const DESCENT: &str = include_str!("../../shaders/prompt/common/descent.wgsl");

/// Constants, then the parts of a shader, unrolled: a program.
fn program(entry: Entry, parts: &[&str], consts: Consts, bindings: Vec<Binding>) -> Program {
    let consts = consts.u32("WG", entry.workgroup);
    written(entry, unroll(&[&[consts.text()], parts].concat().concat(), UNROLL), bindings)
}
