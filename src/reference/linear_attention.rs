//! Linear attention over a sequence, from its definition, in three forms that must agree, and its gradient.
//!
//! One recurrence over a state S `[K, V]` a head (Katharopoulos et al. 2020, arXiv 2006.16236; with decay Sun et al. 2023, arXiv
//! 2307.08621; with the delta rule Yang et al. 2024, arXiv 2406.06484; with both arXiv 2412.06464):
//!
//! ```text
//! S_t = a_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ        o_t = r_t S_tᵀ q_t
//! ```
//!
//! where without the delta rule the term −β k kᵀ S is absent and β = 1; r_t is the scale, or the scale over t.

mod backward;
mod chunked;
mod quadratic;

pub use backward::{Gradients, backward};
pub use chunked::chunked;
pub use quadratic::quadratic;

/// Sizes: H query heads read G key/value heads, of keys K wide and values V wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// H, a multiple of G.
    pub heads: usize,
    /// G.
    pub groups: usize,
    /// K.
    pub keys: usize,
    /// V.
    pub values: usize,
}

/// A sequence of T tokens.
#[derive(Clone, Copy)]
pub struct Sequence<'a> {
    /// Widths and heads.
    pub sizes: Sizes,
    /// `[T, H K]`.
    pub q: &'a [f64],
    /// `[T, G K]`.
    pub k: &'a [f64],
    /// `[T, G V]`.
    pub v: &'a [f64],
    /// Logarithms of the decays a, `[T, H]`, at most 0; none where nothing decays.
    pub decay: Option<&'a [f64]>,
    /// β, `[T, H]`: with it, the delta rule.
    pub beta: Option<&'a [f64]>,
    /// S before the first token, `[H, K, V]`; zeros if none.
    pub initial: Option<&'a [f64]>,
    /// What outputs are multiplied by.
    pub scale: f64,
    /// Outputs are divided by the number of tokens so far.
    pub mean: bool,
}

/// Outputs `[T, H V]`, and S after the last token, `[H, K, V]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Out {
    /// o.
    pub out: Vec<f64>,
    /// S_T.
    pub state: Vec<f64>,
}

/// A head's own part of a sequence, `[T, …]` each.
struct Head {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    decay: Vec<f64>,
    beta: Option<Vec<f64>>,
    state: Vec<f64>,
}

impl Sequence<'_> {
    /// T.
    pub fn tokens(&self) -> usize {
        self.q.len() / (self.sizes.heads * self.sizes.keys)
    }

    /// r_t.
    fn reach(&self, t: usize) -> f64 {
        if self.mean { self.scale / (t + 1) as f64 } else { self.scale }
    }

    fn head(&self, h: usize) -> Head {
        let Sizes { heads, groups, keys, values } = self.sizes;
        let cut = |all: &[f64], count: usize, at: usize, width: usize| -> Vec<f64> {
            all.chunks(count * width).flat_map(|row| row[at * width..][..width].to_vec()).collect()
        };
        let group = h * groups / heads;
        let size = keys * values;
        Head {
            q: cut(self.q, heads, h, keys),
            k: cut(self.k, groups, group, keys),
            v: cut(self.v, groups, group, values),
            decay: self.decay.map_or(vec![0.0; self.tokens()], |all| cut(all, heads, h, 1)),
            beta: self.beta.map(|all| cut(all, heads, h, 1)),
            state: self.initial.map_or(vec![0.0; size], |all| all[h * size..][..size].to_vec()),
        }
    }

    /// Heads side by side, each by what makes `[T, V]` and the last state of it.
    fn by_heads(&self, of: impl Fn(&Head) -> (Vec<f64>, Vec<f64>)) -> Out {
        let Sizes { heads, values, .. } = self.sizes;
        let mut all = Out { out: vec![0.0; self.tokens() * heads * values], state: Vec::new() };
        for h in 0..heads {
            let (out, state) = of(&self.head(h));
            for (to, from) in all.out.chunks_mut(heads * values).zip(out.chunks(values)) {
                to[h * values..][..values].copy_from_slice(from);
            }
            all.state.extend(state);
        }
        all
    }
}

/// The recurrence, a token at a time.
pub fn recurrent(sequence: &Sequence) -> Out {
    let Sizes { keys, values, .. } = sequence.sizes;
    sequence.by_heads(|head| {
        let (mut s, mut out) = (head.state.clone(), Vec::new());
        for t in 0..sequence.tokens() {
            step(&mut s, head, t, keys, values);
            let q = &head.q[t * keys..][..keys];
            out.extend(
                (0..values)
                    .map(|j| sequence.reach(t) * (0..keys).map(|i| s[i * values + j] * q[i]).sum::<f64>()),
            );
        }
        (out, s)
    })
}

/// S_{t−1} becomes S_t.
fn step(s: &mut [f64], head: &Head, t: usize, keys: usize, values: usize) {
    let (k, v) = (&head.k[t * keys..][..keys], &head.v[t * values..][..values]);
    let (a, beta) = (head.decay[t].exp(), head.beta.as_ref().map(|beta| beta[t]));
    for j in 0..values {
        let along: f64 = (0..keys).map(|i| k[i] * s[i * values + j]).sum();
        let new = match beta {
            Some(beta) => beta * (v[j] - a * along),
            None => v[j],
        };
        (0..keys).for_each(|i| s[i * values + j] = a * s[i * values + j] + k[i] * new);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests;
