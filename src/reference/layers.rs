//! Layers between the products of a decoder, row-major.

use crate::random::rng::pcg4d;

/// `x / sqrt(mean(x²) + eps) ∘ weight`, each of so many columns.
pub fn rms_norm(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let row = |x: &[f64]| -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        x.iter().zip(weight).map(|(x, w)| x / (mean + eps).sqrt() * w).collect()
    };
    x.chunks(weight.len()).flat_map(row).collect()
}

/// `silu(gate) ∘ up`.
pub fn swiglu(gate: &[f64], up: &[f64]) -> Vec<f64> {
    gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect()
}

/// Each head of width `dim` of a row turned by the row's position: (x_i, x_{i + dim/2}) by position · theta^(−2i/dim).
pub fn rope(x: &[f64], positions: &[usize], dim: usize, theta: f64) -> Vec<f64> {
    turned(x, positions, dim, theta, 1.0)
}

/// The same by so many times the angles.
pub(super) fn turned(x: &[f64], positions: &[usize], dim: usize, theta: f64, times: f64) -> Vec<f64> {
    let cols = x.len() / positions.len();
    let mut out = x.to_vec();
    for (row, position) in out.chunks_mut(cols).zip(positions) {
        for head in row.chunks_mut(dim) {
            for i in 0..dim / 2 {
                let angle = times * *position as f64 * theta.powf(-2.0 * i as f64 / dim as f64);
                let (low, high) = (head[i], head[i + dim / 2]);
                head[i] = low * angle.cos() - high * angle.sin();
                head[i + dim / 2] = high * angle.cos() + low * angle.sin();
            }
        }
    }
    out
}

/// What linear attention makes of a head's query or key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// x over its length, x / sqrt(Σ x² + 1e-6).
    Unit,
    /// max(x, 0).
    Relu,
    /// elu(x) + 1 (Katharopoulos et al. 2020, arXiv 2006.16236).
    Elu,
}

/// A [`Feature`] of heads `dim` wide.
pub fn feature(x: &[f64], dim: usize, feature: Feature) -> Vec<f64> {
    let head = |x: &[f64]| -> Vec<f64> {
        let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
        let of = |x: &f64| match feature {
            Feature::Unit => x / length,
            Feature::Relu => x.max(0.0),
            Feature::Elu if *x > 0.0 => x + 1.0,
            Feature::Elu => x.exp(),
        };
        x.iter().map(of).collect()
    };
    x.chunks(dim).flat_map(head).collect()
}

/// `-log softmax(logits)[target]` of rows of so many logits; 0 where there is no target.
pub fn cross_entropy(logits: &[f64], targets: &[Option<usize>]) -> Vec<f64> {
    let cols = logits.len() / targets.len();
    let loss = |(row, target): (&[f64], &Option<usize>)| match target {
        None => 0.0,
        Some(target) => {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln() - row[*target]
        }
    };
    logits.chunks(cols).zip(targets).map(loss).collect()
}

/// `[rows, cols]` with the numbers left out that [`pcg4d`] says, of [vec4, row, step, key].
pub fn dropout(x: &[f64], cols: usize, share: f64, [step, key]: [u32; 2]) -> Vec<f64> {
    let kept = |i: usize| {
        let (row, col) = (i / cols, i % cols);
        let words = pcg4d([(col / 4) as u32, row as u32, step, key]);
        f64::from(words[col % 4]) >= (share * 2f64.powi(32)).floor()
    };
    let value = |(i, x): (usize, &f64)| if kept(i) { x / (1.0 - share) } else { 0.0 };
    x.iter().enumerate().map(value).collect()
}
