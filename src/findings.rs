//! What results say, in plain sentences. Every clause is decided by the numbers; models and tasks are names to it.

mod phrases;
mod run;
mod sweep;

pub use phrases::{count, demonstrations, duration, grouped, list, plural};
pub use run::{Results, Risk, Row, of_run};
pub use sweep::{Setting, Settings, of_sweep};

/// Few-shot error within this share of the pre-trained model's counts as kept.
const KEPT: f64 = 0.10;
