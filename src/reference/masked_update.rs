//! Optimizer steps, as PyTorch defines them.

use crate::optim::{Optimizer, Rule};

/// One step on the trained elements (`elements[i]` indexes `params`; `gradient[i]` is its gradient); returns the
/// gradient norm before clipping. `moments` is [1 or 2, trained]; `t` counts from 0.
pub fn masked_update(
    o: &Optimizer,
    lr: f64,
    t: u64,
    elements: &[usize],
    gradient: &[f64],
    params: &mut [f64],
    moments: &mut [f64],
) -> f64 {
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let scale = if o.clip > 0.0 { (o.clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
    for (i, &at) in elements.iter().enumerate() {
        let mut g = gradient[i] * scale;
        if o.rule == Rule::AdamW {
            params[at] -= lr * o.weight_decay * params[at];
        } else {
            g += o.weight_decay * params[at];
        }
        if o.rule == Rule::Sgd {
            moments[i] = o.momentum * moments[i] + g;
            params[at] -= lr * moments[i];
        } else {
            let [b1, b2] = o.betas;
            let (m, v) = (i, elements.len() + i);
            moments[m] = b1 * moments[m] + (1.0 - b1) * g;
            moments[v] = b2 * moments[v] + (1.0 - b2) * g * g;
            let m_hat = moments[m] / (1.0 - b1.powf(t as f64 + 1.0));
            let v_hat = moments[v] / (1.0 - b2.powf(t as f64 + 1.0));
            params[at] -= lr * m_hat / (v_hat.sqrt() + o.eps);
        }
    }
    norm
}
