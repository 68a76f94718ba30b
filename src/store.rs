//! What floe keeps in files: checkpoints, run directories and the tables in them, each written whole or not at all.

pub mod atomic;
pub mod checkpoint;
pub mod events;
pub mod methods;
pub mod metrics;
pub mod records;
pub mod results;
pub mod rundir;
pub mod scores;
