//! floe: a GPU training engine for studying which attention parameters fine-tuning should touch.

pub mod bench;
pub mod check;
pub mod checkpoint;
pub mod chi;
pub mod cli;
pub mod compare;
pub mod config;
pub mod error;
pub mod eval;
pub mod fingerprint;
pub mod gpu;
pub mod kernels;
pub mod law;
mod linalg;
pub mod methods;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod probe;
pub mod profile;
pub mod reference;
pub mod report;
pub mod results;
pub mod rng;
pub mod run;
pub mod rundir;
pub mod shape;
mod splitmix;
pub mod sweep;
pub mod tasks;
pub mod theory;
pub mod train;
pub mod tune;

pub use config::Config;
pub use error::{Error, Result};
