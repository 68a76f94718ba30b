//! How far tensors have moved from what was published.

use crate::error::Result;
use crate::gpu::Engine;
use crate::models::lm::Weights;
use crate::models::lm::adapter::{Adapter, module};
use crate::params::{ParamTable, Spans};
use crate::pretrained::Pretrained;
use crate::store::methods::Moved;

fn square(x: f64) -> f64 {
    x * x
}

/// A tensor as it was published.
fn published(model: &Pretrained, name: &str) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    model.read(name, |piece| {
        all.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(all)
}

/// Of each tensor of which anything is trained.
///
/// # Errors
/// A failure to read the model; a device failure.
pub fn of_mask(
    model: &Pretrained,
    weights: &Weights,
    (table, trained): (&ParamTable, &Spans),
    engine: &Engine,
) -> Result<Vec<Moved>> {
    let mut found = Vec::new();
    for param in table.params.iter().filter(|param| !trained.within(param.place()).is_empty()) {
        let (before, after) = (published(model, &param.name)?, weights.read(engine, &param.name)?);
        let norm: f64 = before.iter().zip(&after).map(|(a, b)| square(f64::from(*b) - f64::from(*a))).sum();
        let size: f64 = before.iter().map(|x| square(f64::from(*x))).sum();
        found.push(Moved { tensor: param.name.clone(), norm: norm.sqrt(), before: size.sqrt() });
    }
    Ok(found)
}

/// Of each weight that an adapter adds to: ‖s B A‖, by the traces of two small products.
///
/// # Errors
/// As [`of_mask`].
pub fn of_adapter(
    model: &Pretrained,
    weights: &Weights,
    adapter: &Adapter,
    engine: &Engine,
) -> Result<Vec<Moved>> {
    let mut found = Vec::new();
    for name in &adapter.weights {
        let read = |letter: &str| weights.read(engine, &format!("{}.lora_{letter}.weight", module(name)));
        let (a, b, r) = (read("A")?, read("B")?, adapter.rank);
        let cols = a.len() / r;
        // tr(Aᵀ Bᵀ B A) = Σ (A Aᵀ ∘ Bᵀ B).
        let mut sum = 0.0;
        for i in 0..r {
            for j in 0..r {
                let aa: f64 =
                    (0..cols).map(|k| f64::from(a[i * cols + k]) * f64::from(a[j * cols + k])).sum();
                let bb: f64 = b.chunks(r).map(|row| f64::from(row[i]) * f64::from(row[j])).sum();
                sum += aa * bb;
            }
        }
        let size: f64 = published(model, name)?.iter().map(|x| square(f64::from(*x))).sum();
        found.push(Moved {
            tensor: name.clone(),
            norm: adapter.scale * sum.max(0.0).sqrt(),
            before: size.sqrt(),
        });
    }
    Ok(found)
}
