//! The families of models. Each writes its training step by hand and records it.

pub mod prompt;
