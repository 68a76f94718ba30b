//! The only place that names wgpu, and Vulkan behind it: devices, an engine that executes recordings, and what drivers'
//! compilers say of programs.
//!
//! Everything above builds [`Recording`]s out of plain handles; nothing above sees a wgpu type.

#[cfg(not(target_vendor = "apple"))]
mod compiler;
#[cfg(target_vendor = "apple")]
#[path = "gpu/no_compiler.rs"]
mod compiler;
mod device;
mod engine;
mod manifest;
mod pace;
mod recording;
mod rounds;
#[cfg(not(target_vendor = "apple"))]
mod spirv;
pub mod wgsl;

pub use compiler::{Compiled, Compiler};
pub use device::{AdapterSummary, adapters, open};
pub use engine::{Engine, Launch, ReadBack};
pub use pace::Pace;
pub use recording::{Access, Binding, Buffer, Consts, Dispatch, Groups, Program, ProgramDesc, Recording};
