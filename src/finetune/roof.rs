//! How fast an adapter multiplies at best: what the speed of training is held against.

use crate::error::Result;
use crate::gpu::Engine;
use crate::kernels::{KERNELS, Tuning};
use std::time::Instant;

/// Times that it is measured; the best counts.
const TIMES: usize = 3;

/// Multiply-adds a second, twice: FLOP/s.
///
/// # Errors
/// A device failure.
pub fn measure(engine: &Engine, tuning: &Tuning) -> Result<f64> {
    let kernel = KERNELS.iter().find(|kernel| kernel.stem == "roof").expect("in the registry");
    let busiest = (kernel.benches)(tuning).into_iter().max_by(|a, b| a.flops.total_cmp(&b.flops));
    let bench = busiest.expect("it has benches");
    let prepared = engine.prepare(bench.recording)?;
    engine.run(&prepared)?;
    engine.wait()?;
    let mut best = 0.0f64;
    for _ in 0..TIMES {
        let began = Instant::now();
        engine.run(&prepared)?;
        engine.wait()?;
        best = best.max(bench.flops / began.elapsed().as_secs_f64().max(1e-9));
    }
    Ok(best)
}
