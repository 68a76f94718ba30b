//! The model: its parameters.

pub mod params;
