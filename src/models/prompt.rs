//! Linear transformers over prompts: their parameters, and a training step as a recording.

mod buffers;
mod plan;
mod record;
mod sizes;
mod step;
pub mod tensors;

pub use crate::models::Start;
pub use plan::Plan;
pub use step::Stepper;
pub use tensors::table;

/// Models of one shape that train side by side, and what each starts from.
type Members<'a> = &'a [(&'a Plan, Start<'a>)];
