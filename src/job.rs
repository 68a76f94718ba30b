//! Whole jobs: an experiment made ready, run, extended, or swept over.

pub mod experiment;
pub mod family;
pub mod machine;
pub mod methods;
pub mod open;
pub mod run;
mod single;
pub mod sweep;

pub use experiment::Experiment;
pub use family::Family;
pub use machine::Machine;
