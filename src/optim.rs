//! Train masks and schedules.

pub mod mask;
pub mod schedule;
