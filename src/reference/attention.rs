//! Causal softmax attention, quadratic, from the definition.

/// Sizes: H query heads read G key/value heads of width D.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// H, a multiple of G.
    pub heads: usize,
    /// G.
    pub groups: usize,
    /// D.
    pub dim: usize,
}

/// `q` `[rows, H D]` behind `past` tokens, `k` and `v` `[past + rows, G D]`; row t sees keys `starts[t] ..= past + t`.
/// `[rows, H D]`.
pub fn attention(q: &[f64], k: &[f64], v: &[f64], past: usize, starts: &[usize], s: Sizes) -> Vec<f64> {
    let (width, shared) = (s.heads * s.dim, s.groups * s.dim);
    let mut out = vec![0.0; q.len()];
    for (t, start) in starts.iter().enumerate() {
        for h in 0..s.heads {
            let q = &q[t * width + h * s.dim..][..s.dim];
            let head = |x: &'_ [f64], j: usize| -> Vec<f64> {
                x[j * shared + h * s.groups / s.heads * s.dim..][..s.dim].to_vec()
            };
            let seen: Vec<usize> = (*start..=past + t).collect();
            let score = |&j: &usize| {
                q.iter().zip(head(k, j)).map(|(q, k)| q * k).sum::<f64>() / (s.dim as f64).sqrt()
            };
            let scores: Vec<f64> = seen.iter().map(score).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|x| (x - most).exp()).sum();
            for (x, j) in scores.iter().zip(&seen) {
                let share = (x - most).exp() / sum;
                let to = &mut out[t * width + h * s.dim..][..s.dim];
                to.iter_mut().zip(head(v, *j)).for_each(|(o, v)| *o += share * v);
            }
        }
    }
    out
}
