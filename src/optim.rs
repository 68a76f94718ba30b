//! How parameters move: rules, their numbers, and what those do over the steps of a phase.

mod rule;
pub mod schedule;

pub use rule::{Optimizer, Rule};
pub use schedule::Schedule;
