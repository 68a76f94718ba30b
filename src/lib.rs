//! floe: a GPU training engine for studying which attention parameters fine-tuning should touch.

pub mod bench;
pub mod bounded;
pub mod check;
pub mod cli;
pub mod compare;
pub mod config;
pub mod error;
pub mod escape;
pub mod eval;
pub mod findings;
pub mod fingerprint;
pub mod gpu;
pub mod interrupt;
pub mod job;
pub mod kernels;
mod linalg;
pub mod models;
pub mod optim;
pub mod params;
pub mod plot;
pub mod probe;
pub mod profile;
pub mod prompt;
pub mod random;
pub mod reference;
pub mod report;
pub mod store;
pub mod tasks;
pub mod theory;
pub mod train;
pub mod tune;

pub use config::Config;
pub use error::{Error, Result};
