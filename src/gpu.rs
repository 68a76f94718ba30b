//! The only place that names wgpu, and Vulkan behind it: devices, an engine that executes recordings, and what drivers'
//! compilers say of programs.
//!
//! Everything above builds [`Recording`]s out of plain handles; nothing above sees a wgpu type.

mod buffer;
#[cfg(not(target_vendor = "apple"))]
mod compiler;
#[cfg(target_vendor = "apple")]
#[path = "gpu/no_compiler.rs"]
mod compiler;
mod device;
mod engine;
mod ledger;
mod manifest;
mod pace;
mod program;
mod recording;
mod rounds;
#[cfg(not(target_vendor = "apple"))]
mod spirv;
mod texture;
pub mod wgsl;

pub use buffer::{ALIGN, Buffer, DType, View};
pub use compiler::{Compiled, Compiler};
pub use device::{AdapterSummary, adapters, open};
pub use engine::{Engine, Launch, ReadBack};
pub use ledger::{Held, Ledger};
pub use pace::Pace;
pub use program::{Access, Binding, Consts, Program, ProgramDesc};
pub use recording::{Command, Dispatch, Groups, Recording, Resource, Rows};
pub use texture::{Texels, Texture};
