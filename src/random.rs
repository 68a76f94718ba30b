//! Numbers that look random and are functions of a key and counters.

pub mod rng;
pub mod splitmix;
