//! Every kernel once more on the CPU, in f64 and naive loops: what the GPU's results are compared with.

pub mod transformer;
