//! The quadratic form: the whole matrix `[T, T]` of what each token takes of each value.

use super::{Head, Out, Sequence, Sizes, dot};

/// o = M v + what is left of the first state, M written out.
pub fn quadratic(sequence: &Sequence) -> Out {
    let Sizes { keys, values, .. } = sequence.sizes;
    let tokens = sequence.tokens();
    sequence.by_heads(|head| {
        // What the state keeps of each value: k_jᵀ of the transitions between, as a matrix of keys.
        let kept = kept(head, tokens, keys);
        let mut out = vec![0.0; tokens * values];
        for t in 0..tokens {
            let q = &head.q[t * keys..][..keys];
            for (j, keys_of) in kept[t].iter().enumerate() {
                let share = sequence.reach(t) * dot(q, keys_of);
                (0..values).for_each(|i| out[t * values + i] += share * head.v[j * values + i]);
            }
            let row = through(head, t, q, keys);
            for i in 0..values {
                let first: f64 = (0..keys).map(|x| row[x] * head.state[x * values + i]).sum();
                out[t * values + i] += sequence.reach(t) * first;
            }
        }
        let mut state = vec![0.0; keys * values];
        for x in 0..keys {
            let mut unit = vec![0.0; keys];
            unit[x] = 1.0;
            let row = through(head, tokens - 1, &unit, keys);
            for i in 0..values {
                let first: f64 = (0..keys).map(|y| row[y] * head.state[y * values + i]).sum();
                let rest: f64 =
                    kept[tokens - 1].iter().enumerate().map(|(j, k)| k[x] * head.v[j * values + i]).sum();
                state[x * values + i] = first + rest;
            }
        }
        (out, state)
    })
}

/// For each token t and each j up to it, the vector whose product with v_jᵀ is what S_t has of it.
fn kept(head: &Head, tokens: usize, keys: usize) -> Vec<Vec<Vec<f64>>> {
    let mut all: Vec<Vec<Vec<f64>>> = Vec::new();
    for t in 0..tokens {
        let k = &head.k[t * keys..][..keys];
        let (a, beta) = (head.decay[t].exp(), head.beta.as_ref().map(|beta| beta[t]));
        let before = all.last().cloned().unwrap_or_default();
        let mut own: Vec<Vec<f64>> = before
            .into_iter()
            .map(|x| {
                let along = beta.map_or(0.0, |beta| beta * dot(k, &x));
                (0..keys).map(|i| a * (x[i] - along * k[i])).collect()
            })
            .collect();
        own.push(k.iter().map(|k| k * beta.unwrap_or(1.0)).collect());
        all.push(own);
    }
    all
}

/// qᵀ times the transitions of tokens 0 to t: a row vector for the first state.
fn through(head: &Head, t: usize, q: &[f64], keys: usize) -> Vec<f64> {
    let mut row = q.to_vec();
    for t in (0..=t).rev() {
        let k = &head.k[t * keys..][..keys];
        let along = head.beta.as_ref().map_or(0.0, |beta| beta[t] * dot(&row, k));
        (0..keys).for_each(|i| row[i] = head.decay[t].exp() * (row[i] - along * k[i]));
    }
    row
}
