//! The chunked form, as the kernels compute it: within a chunk by products of matrices, from chunk to chunk by the state.

use super::{Head, Out, Sequence, Sizes, dot};

/// The same by chunks of so many tokens, the last of which may be shorter.
pub fn chunked(sequence: &Sequence, length: usize) -> Out {
    let tokens = sequence.tokens();
    sequence.by_heads(|head| {
        let (mut s, mut out) = (head.state.clone(), Vec::new());
        for from in (0..tokens).step_by(length) {
            chunk(sequence, head, from, length.min(tokens - from), &mut s, &mut out);
        }
        (out, s)
    })
}

fn chunk(sequence: &Sequence, head: &Head, from: usize, c: usize, s: &mut [f64], out: &mut Vec<f64>) {
    let Sizes { keys, values, .. } = sequence.sizes;
    let q = |i: usize| &head.q[(from + i) * keys..][..keys];
    let k = |i: usize| &head.k[(from + i) * keys..][..keys];
    let v = |i: usize| &head.v[(from + i) * values..][..values];
    let mut b = vec![head.decay[from]];
    (1..c).for_each(|i| b.push(b[i - 1] + head.decay[from + i]));
    let r = match &head.beta {
        None => (0..c).flat_map(|i| v(i).to_vec()).collect::<Vec<f64>>(),
        Some(beta) => {
            // (I + A) U = diag(β) V and (I + A) Y = diag(β exp(b)) K, by forward substitution; R = U − Y S.
            let (mut u, mut y): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
            for i in 0..c {
                let beta = beta[from + i];
                let mut own_u: Vec<f64> = v(i).iter().map(|v| beta * v).collect();
                let mut own_y: Vec<f64> = k(i).iter().map(|k| beta * b[i].exp() * k).collect();
                for j in 0..i {
                    let a = beta * (b[i] - b[j]).exp() * dot(k(i), k(j));
                    (0..values).for_each(|x| own_u[x] -= a * u[j][x]);
                    (0..keys).for_each(|x| own_y[x] -= a * y[j][x]);
                }
                u.push(own_u);
                y.push(own_y);
            }
            let left =
                |i: usize, x: usize| u[i][x] - (0..keys).map(|z| y[i][z] * s[z * values + x]).sum::<f64>();
            (0..c).flat_map(|i| (0..values).map(move |x| (i, x))).map(|(i, x)| left(i, x)).collect()
        }
    };
    for i in 0..c {
        for x in 0..values {
            let before: f64 = (0..keys).map(|z| q(i)[z] * s[z * values + x]).sum();
            let within: f64 =
                (0..=i).map(|j| (b[i] - b[j]).exp() * dot(q(i), k(j)) * r[j * values + x]).sum();
            out.push(sequence.reach(from + i) * (b[i].exp() * before + within));
        }
    }
    let last = b[c - 1];
    for z in 0..keys {
        for x in 0..values {
            let new: f64 = (0..c).map(|j| (last - b[j]).exp() * k(j)[z] * r[j * values + x]).sum();
            s[z * values + x] = last.exp() * s[z * values + x] + new;
        }
    }
}
