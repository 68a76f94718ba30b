//! The only place that names wgpu: devices, and an engine that executes recordings.
//!
//! Everything above builds [`Recording`]s out of plain handles; nothing above sees a wgpu type.

mod device;
mod engine;
mod pace;
mod recording;

pub use device::{AdapterSummary, SOFTWARE_LOOPS, adapters, open};
pub use engine::{Engine, Launch, ReadBack};
pub use pace::Pace;
pub use recording::{Access, Binding, Buffer, Consts, Dispatch, Program, ProgramDesc, Recording};
