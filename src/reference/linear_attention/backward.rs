//! The gradient of the recurrence, in reverse, a token at a time.

use super::{Sequence, Sizes, step};

/// What a loss's gradients of outputs and of the last state make of what went in.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// `[T, H K]`.
    pub q: Vec<f64>,
    /// `[T, G K]`.
    pub k: Vec<f64>,
    /// `[T, G V]`.
    pub v: Vec<f64>,
    /// Of the logarithms of the decays, `[T, H]`.
    pub decay: Vec<f64>,
    /// Of β, `[T, H]`; zeros without the delta rule.
    pub beta: Vec<f64>,
    /// Of the first state, `[H, K, V]`.
    pub initial: Vec<f64>,
}

/// `dout` is `[T, H V]`, `dstate` `[H, K, V]`.
pub fn backward(sequence: &Sequence, dout: &[f64], dstate: &[f64]) -> Gradients {
    let Sizes { heads, groups, keys, values } = sequence.sizes;
    let tokens = sequence.tokens();
    let mut all = Gradients {
        q: vec![0.0; sequence.q.len()],
        k: vec![0.0; sequence.k.len()],
        v: vec![0.0; sequence.v.len()],
        decay: vec![0.0; tokens * heads],
        beta: vec![0.0; tokens * heads],
        initial: Vec::new(),
    };
    for h in 0..heads {
        let head = sequence.head(h);
        let mut states = vec![head.state.clone()];
        for t in 0..tokens {
            let mut s = states[t].clone();
            step(&mut s, &head, t, keys, values);
            states.push(s);
        }
        let mut ds = dstate[h * keys * values..][..keys * values].to_vec();
        let group = h * groups / heads;
        for t in (0..tokens).rev() {
            let (before, after) = (&states[t], &states[t + 1]);
            let (k, v) = (&head.k[t * keys..][..keys], &head.v[t * values..][..values]);
            let (q, reach) = (&head.q[t * keys..][..keys], sequence.reach(t));
            let d = &dout[(t * heads + h) * values..][..values];
            let dq = &mut all.q[(t * heads + h) * keys..][..keys];
            for i in 0..keys {
                for j in 0..values {
                    dq[i] += reach * after[i * values + j] * d[j];
                    ds[i * values + j] += reach * q[i] * d[j];
                }
            }
            let a = head.decay[t].exp();
            let dk = &mut all.k[(t * groups + group) * keys..][..keys];
            let dv = &mut all.v[(t * groups + group) * values..][..values];
            let mut da = 0.0;
            let mut before_d: Vec<f64> = ds.iter().map(|x| a * x).collect();
            for j in 0..values {
                let column = |s: &[f64]| (0..keys).map(|i| s[i * values + j]).collect::<Vec<_>>();
                let (own, old) = (column(&ds), column(before));
                da += (0..keys).map(|i| own[i] * old[i]).sum::<f64>();
                match &head.beta {
                    None => {
                        (0..keys).for_each(|i| dk[i] += own[i] * v[j]);
                        dv[j] += (0..keys).map(|i| own[i] * k[i]).sum::<f64>();
                    }
                    Some(beta) => {
                        // S_t = a S + β k (v − a u)ᵀ with u = Sᵀ k.
                        let u: f64 = (0..keys).map(|i| old[i] * k[i]).sum();
                        let along: f64 = (0..keys).map(|i| own[i] * k[i]).sum();
                        let w = v[j] - a * u;
                        let dw = beta[t] * along;
                        let du = -a * dw;
                        all.beta[t * heads + h] += along * w;
                        dv[j] += dw;
                        da -= u * dw;
                        for i in 0..keys {
                            dk[i] += beta[t] * own[i] * w + old[i] * du;
                            before_d[i * values + j] += k[i] * du;
                        }
                    }
                }
            }
            all.decay[t * heads + h] = da * a;
            ds = before_d;
        }
        all.initial.extend(ds);
    }
    all
}
