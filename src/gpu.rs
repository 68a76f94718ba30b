//! The only place that names wgpu: devices, and an engine that executes recordings.
//!
//! Everything above builds [`Recording`]s out of plain handles; nothing above sees a wgpu type.

mod device;
mod engine;
mod recording;
mod rounds;

pub use device::{AdapterSummary, adapters, open};
pub use engine::{Engine, Launch, ReadBack};
pub use recording::{Access, Binding, Buffer, Consts, Dispatch, Program, ProgramDesc, Recording};
