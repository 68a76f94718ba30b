//! What floe keeps in files: checkpoints, run directories and the tables in them, each written whole or not at all.

pub mod atomic;
pub mod checkpoint;
pub mod lock;
pub mod metrics;
pub mod results;
pub mod rundir;
