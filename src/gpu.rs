//! The only place that names wgpu: devices, and an engine that executes recordings.
//!
//! Everything above builds [`Recording`]s out of plain handles; nothing above sees a wgpu type.

mod buffer;
mod device;
mod engine;
mod ledger;
mod manifest;
mod pace;
mod program;
mod recording;
mod rounds;
mod texture;
pub mod wgsl;

pub use buffer::{ALIGN, Buffer, DType, View};
pub use device::{AdapterSummary, adapters, open, open_with};
pub use engine::{Engine, Launch, Prepared, ReadBack};
pub use ledger::{Held, Ledger};
#[cfg(not(target_vendor = "apple"))]
pub(crate) use manifest::absent;
pub use pace::Pace;
pub use program::{Access, Binding, Consts, Program, ProgramDesc};
pub use recording::{Command, Dispatch, Groups, Recording, Resource, TexelRows};
pub use texture::{Texels, Texture};
