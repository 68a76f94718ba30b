//! Schedules.

pub mod schedule;
