//! How arrays of language models lie in device memory, and how kernels reach them.

pub mod cursor;
pub mod operand;
pub mod starts;
pub mod weight;
