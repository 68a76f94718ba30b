//! floe: a GPU training engine for studying which attention parameters fine-tuning should touch.

pub mod config;
pub mod error;
pub mod report;

pub use config::Config;
pub use error::{Error, Result};
