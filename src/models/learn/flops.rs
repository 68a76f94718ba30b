//! How much a batch asks for: multiply-adds of its products, twice.

use super::Batch;
use super::grads::Grads;
use crate::models::lm::Weights;
use crate::models::lm::weights::{DOWN, PROJECTIONS};

/// Of a forward and a backward pass. What is no product is left out: it takes time, and little arithmetic.
pub(super) fn of(weights: &Weights, grads: &Grads, recompute: bool, batch: &Batch) -> f64 {
    let decoder = &weights.decoder;
    let (rows, counted) = (batch.ids.len() as f64, batch.counted.len() as f64);
    let mut total = 0.0;
    let layers = weights.layers.len();
    let embedded = grads.embedding().is_some();
    let trained = |layer: usize| grads.any(&format!("model.layers.{layer}."));
    let lowest = (0..layers).find(|layer| embedded || trained(*layer)).unwrap_or(layers);
    for (at, layer) in weights.layers.iter().enumerate() {
        let back = at >= lowest;
        let again = back && recompute && at + 1 < layers;
        for (which, (name, linear)) in PROJECTIONS.iter().zip(&layer.linears).enumerate() {
            let size = (linear.weight.rows * linear.weight.cols) as f64;
            let below = back && (at > lowest || embedded || which > 2);
            total += size * (1.0 + f64::from(u8::from(below)) + f64::from(u8::from(again && which != DOWN)));
            let own = grads.matrix(&format!("model.layers.{at}.{name}.weight")).unwrap_or(&[]);
            total += own.iter().map(|part| (part.rows.len() * part.cols.len()) as f64).sum::<f64>();
            if let Some(low) = &linear.low {
                let size = (low.a.rows * (linear.weight.rows + linear.weight.cols)) as f64;
                total += size * (1.0 + if back { 2.0 } else { 0.0 } + if again { 1.0 } else { 0.0 });
            }
        }
    }
    // Each pair of a row and one that it sees: a product with the key, one with the value; five of them on the way back.
    let pairs: f64 = batch.starts.iter().zip(0u32..).map(|(start, row)| f64::from(row - start + 1)).sum();
    let width = (decoder.heads * decoder.head_dim) as f64;
    let attention = pairs * width * (2.0 * layers as f64 + 5.0 * (layers - lowest) as f64);
    let head = (weights.head().rows * decoder.width) as f64 * if grads.head().is_some() { 4.0 } else { 3.0 };
    2.0 * (rows * total + attention + counted * head)
}
