//! floe: a GPU training engine for studying which attention parameters fine-tuning should touch.

pub mod config;
pub mod error;
mod linalg;
mod splitmix;
pub mod tasks;
pub mod theory;

pub use config::Config;
pub use error::{Error, Result};
