//! Sources of prompts, and the reference predictors on them.

pub mod baselines;
pub mod tables;
