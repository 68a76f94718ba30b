//! The linear transformer from its definition: every token of every layer, the full attention matrix.
//!
//! Source: Lee, Sohn and Lee, arXiv 2602.23197; `docs/MATH.md`, "The model". The GPU uses the moment form
//! instead (`docs/MATH.md`, "The moment form"), so agreement with this file checks that derivation too.

/// The parameters of `layers` layers of `heads` heads over tokens of `width` entries, matrices row-major.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// Token width D = d + 2.
    pub width: usize,
    /// W_V, `[L, H, D, D]`.
    pub v: &'a [f64],
    /// The merged `Q = W_Qᵀ W_K`, `[L, H, D, D]`.
    pub qk: &'a [f64],
}

impl Weights<'_> {
    /// Where head `head` of layer `layer` starts in `v` and `qk`, and how many entries it has.
    fn head(&self, layer: usize, head: usize) -> std::ops::Range<usize> {
        let size = self.width * self.width;
        let start = (layer * self.heads + head) * size;
        start..start + size
    }
}

/// The prediction for one prompt: the last coordinate of the last token after all layers.
///
/// `tokens` is `[N, D]` with N >= 1, the query last.
pub fn forward(w: &Weights, tokens: &[f64]) -> f64 {
    all_layers(w, tokens)[w.layers][tokens.len() - 1]
}

/// Adds the gradients of a loss with derivative `dpred` by the prediction to `dv` and `dqk`, both `[L, H, D, D]`.
///
/// Reverse mode over [`forward`], line by line. `tokens` is `[N, D]`, the query last.
pub fn backward(w: &Weights, tokens: &[f64], dpred: f64, dv: &mut [f64], dqk: &mut [f64]) {
    let activations = all_layers(w, tokens);
    let mut dz = vec![0.0; tokens.len()];
    dz[tokens.len() - 1] = dpred;
    for layer in (0..w.layers).rev() {
        dz = layer_backward(w, layer, &activations[layer], &dz, dv, dqk);
    }
}

/// `Q = W_Qᵀ W_K` of every head: `q` and `k` are `[.., D, D]` stacks of W_Q and W_K with D = `width`.
pub fn merge(q: &[f64], k: &[f64], width: usize) -> Vec<f64> {
    let size = width * width;
    let mut qk = vec![0.0; q.len()];
    for ((q, k), qk) in q.chunks(size).zip(k.chunks(size)).zip(qk.chunks_mut(size)) {
        for i in 0..width {
            for j in 0..width {
                for m in 0..width {
                    qk[i * width + j] += q[m * width + i] * k[m * width + j];
                }
            }
        }
    }
    qk
}

/// Adds the gradients of W_Q and W_K to `dq` and `dk`, given `dqk` of the merged Q; all `[.., D, D]`.
pub fn merge_backward(q: &[f64], k: &[f64], dqk: &[f64], dq: &mut [f64], dk: &mut [f64], width: usize) {
    let size = width * width;
    for start in (0..q.len()).step_by(size) {
        for i in 0..width {
            for j in 0..width {
                for m in 0..width {
                    // qk[i, j] += q[m, i] * k[m, j]
                    let (at, qi, kj) = (start + i * width + j, start + m * width + i, start + m * width + j);
                    dq[qi] += dqk[at] * k[kj];
                    dk[kj] += dqk[at] * q[qi];
                }
            }
        }
    }
}

/// The tokens before the first layer, after it, and so on: L + 1 arrays `[N, D]`.
fn all_layers(w: &Weights, tokens: &[f64]) -> Vec<Vec<f64>> {
    let mut activations = vec![tokens.to_vec()];
    for layer in 0..w.layers {
        let next = layer_forward(w, layer, &activations[layer]);
        activations.push(next);
    }
    activations
}

/// `z_a ← z_a + (1/H) Σ_heads (1/N) Σ_b (z_aᵀ Q z_b) V z_b`.
fn layer_forward(w: &Weights, layer: usize, z: &[f64]) -> Vec<f64> {
    let (d, n) = (w.width, z.len() / w.width);
    let share = 1.0 / (w.heads * n) as f64;
    let mut out = z.to_vec();
    for head in 0..w.heads {
        let (v, qk) = (&w.v[w.head(layer, head)], &w.qk[w.head(layer, head)]);
        for a in 0..n {
            for b in 0..n {
                let (za, zb) = (&z[a * d..(a + 1) * d], &z[b * d..(b + 1) * d]);
                let attention = dot(za, &times(qk, zb));
                let value = times(v, zb);
                for i in 0..d {
                    out[a * d + i] += share * attention * value[i];
                }
            }
        }
    }
    out
}

/// The gradient of the layer's input `z`, given that of its output; adds to `dv` and `dqk`.
fn layer_backward(
    w: &Weights,
    layer: usize,
    z: &[f64],
    dout: &[f64],
    dv: &mut [f64],
    dqk: &mut [f64],
) -> Vec<f64> {
    let (d, n) = (w.width, z.len() / w.width);
    let share = 1.0 / (w.heads * n) as f64;
    // out = z + …
    let mut dz = dout.to_vec();
    for head in 0..w.heads {
        let range = w.head(layer, head);
        let (v, qk) = (&w.v[range.clone()], &w.qk[range.clone()]);
        let (dv, dqk) = (&mut dv[range.clone()], &mut dqk[range]);
        for a in 0..n {
            for b in 0..n {
                let (za, zb) = (&z[a * d..(a + 1) * d], &z[b * d..(b + 1) * d]);
                let attention = dot(za, &times(qk, zb));
                let value = times(v, zb);
                // out[a] += share * attention * value
                let da = &dout[a * d..(a + 1) * d];
                let dattention = share * dot(da, &value);
                let dvalue: Vec<f64> = da.iter().map(|g| share * attention * g).collect();
                // value = V z_b;  attention = z_aᵀ Q z_b
                add_outer(dv, &dvalue, zb, 1.0);
                add_outer(dqk, za, zb, dattention);
                add(&mut dz[b * d..(b + 1) * d], &transposed_times(v, &dvalue), 1.0);
                add(&mut dz[a * d..(a + 1) * d], &times(qk, zb), dattention);
                add(&mut dz[b * d..(b + 1) * d], &transposed_times(qk, za), dattention);
            }
        }
    }
    dz
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// `A x` of a square row-major A.
fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks(x.len()).map(|row| dot(row, x)).collect()
}

/// `Aᵀ x` of a square row-major A.
fn transposed_times(a: &[f64], x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    for (row, x) in a.chunks(out.len()).zip(x) {
        add(&mut out, row, *x);
    }
    out
}

/// `to += scale * x`.
fn add(to: &mut [f64], x: &[f64], scale: f64) {
    for (to, x) in to.iter_mut().zip(x) {
        *to += scale * x;
    }
}

/// `A += scale * x yᵀ` of a square row-major A.
fn add_outer(a: &mut [f64], x: &[f64], y: &[f64], scale: f64) {
    for (row, x) in a.chunks_mut(y.len()).zip(x) {
        add(row, y, scale * x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in (-1, 1) that depend on `seed` alone (splitmix64), so that a failure repeats.
    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut x = state;
                x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (x ^ (x >> 31)) as f64 / u64::MAX as f64 * 2.0 - 1.0
            })
            .collect()
    }

    /// Central differences of `f` by every entry of `at`.
    fn differences(at: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let step = 1e-5;
        let mut x = at.to_vec();
        let mut out = Vec::new();
        for i in 0..at.len() {
            x[i] = at[i] + step;
            let above = f(&x);
            x[i] = at[i] - step;
            out.push((above - f(&x)) / (2.0 * step));
            x[i] = at[i];
        }
        out
    }

    /// `max |got − want| <= tolerance · max |want|`, and no NaN on either side.
    fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len(), "{what}");
        let scale = want.iter().fold(0.0f64, |m, x| m.max(x.abs())).max(1e-8);
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= tolerance * scale, "{what}[{i}]: {got} instead of {want}");
        }
    }

    #[test]
    fn backward_is_the_finite_difference_of_forward() {
        for layers in 1..=3 {
            for heads in 1..=3 {
                for width in [3, 7] {
                    for n in [1, 2, 6] {
                        let size = layers * heads * width * width;
                        let v = numbers(size, 1);
                        let qk = numbers(size, 2);
                        let tokens = numbers(n * width, 3);
                        let (mut dv, mut dqk) = (vec![0.0; size], vec![0.0; size]);
                        let w = Weights { layers, heads, width, v: &v, qk: &qk };
                        backward(&w, &tokens, 1.7, &mut dv, &mut dqk);
                        let case = format!("L {layers}, H {heads}, D {width}, N {n}");
                        let want = differences(&v, |v| 1.7 * forward(&Weights { v, ..w }, &tokens));
                        assert_close(&format!("dv at {case}"), &dv, &want, 1e-6);
                        let want = differences(&qk, |qk| 1.7 * forward(&Weights { qk, ..w }, &tokens));
                        assert_close(&format!("dqk at {case}"), &dqk, &want, 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn backward_adds_to_what_is_there() {
        let (v, qk, tokens) = (numbers(9, 4), numbers(9, 5), numbers(6, 6));
        let w = Weights { layers: 1, heads: 1, width: 3, v: &v, qk: &qk };
        let (mut dv, mut dqk) = (vec![0.0; 9], vec![0.0; 9]);
        backward(&w, &tokens, 1.0, &mut dv, &mut dqk);
        let (once_v, once_qk) = (dv.clone(), dqk.clone());
        backward(&w, &tokens, 2.0, &mut dv, &mut dqk);
        assert_close("dv", &dv, &once_v.iter().map(|x| 3.0 * x).collect::<Vec<_>>(), 1e-14);
        assert_close("dqk", &dqk, &once_qk.iter().map(|x| 3.0 * x).collect::<Vec<_>>(), 1e-14);
    }

    #[test]
    fn forward_by_hand() {
        // d = 1: two demonstrations and the query, v = e_y and M = e_x e_xᵀ give x_q · mean(x y).
        let tokens = [1.0, 2.0, 3.0, 1.0, -1.0, 5.0, 1.0, 0.5, 0.0];
        let v = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let qk = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let w = Weights { layers: 1, heads: 1, width: 3, v: &v, qk: &qk };
        assert_close("one head", &[forward(&w, &tokens)], &[0.5 * (6.0 - 5.0) / 3.0], 1e-14);
        // A second head that does nothing halves it.
        let (v2, qk2) = ([v, [0.0; 9]].concat(), [qk, [1.0; 9]].concat());
        let w = Weights { layers: 1, heads: 2, width: 3, v: &v2, qk: &qk2 };
        assert_close("two heads", &[forward(&w, &tokens)], &[0.25 * (6.0 - 5.0) / 3.0], 1e-14);
    }

    #[test]
    fn merge_by_hand_and_by_finite_differences() {
        assert_eq!(merge(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 2), [26.0, 30.0, 38.0, 44.0]);
        for (heads, width) in [(1, 3), (3, 3), (2, 7)] {
            let size = heads * width * width;
            let (q, k, dqk) = (numbers(size, 7), numbers(size, 8), numbers(size, 9));
            let (mut dq, mut dk) = (vec![0.0; size], vec![0.0; size]);
            merge_backward(&q, &k, &dqk, &mut dq, &mut dk, width);
            assert_close("dq", &dq, &differences(&q, |q| dot(&merge(q, &k, width), &dqk)), 1e-8);
            assert_close("dk", &dk, &differences(&k, |k| dot(&merge(&q, k, width), &dqk)), 1e-8);
        }
    }

    #[test]
    fn merged_and_separate_attention_agree() {
        let (q, k, za, zb) = (numbers(49, 10), numbers(49, 11), numbers(7, 12), numbers(7, 13));
        let separate = dot(&times(&q, &za), &times(&k, &zb));
        assert_close("attention", &[dot(&za, &times(&merge(&q, &k, 7), &zb))], &[separate], 1e-13);
    }

    #[test]
    fn flipping_both_signs_changes_nothing() {
        let (v, qk, tokens) = (numbers(2 * 49, 14), numbers(2 * 49, 15), numbers(4 * 7, 16));
        let minus = |x: &[f64]| x.iter().map(|x| -x).collect::<Vec<_>>();
        let (mv, mqk) = (minus(&v), minus(&qk));
        let run = |v, qk| {
            let w = Weights { layers: 1, heads: 2, width: 7, v, qk };
            let (mut dv, mut dqk) = (vec![0.0; 98], vec![0.0; 98]);
            backward(&w, &tokens, 1.0, &mut dv, &mut dqk);
            (forward(&w, &tokens), dv, dqk)
        };
        let (pred, dv, dqk) = run(&v, &qk);
        let (same, other_dv, other_dqk) = run(&mv, &mqk);
        assert_eq!(pred, same);
        assert_eq!(minus(&dv), other_dv);
        assert_eq!(minus(&dqk), other_dqk);
        assert_ne!(pred, run(&mv, &qk).0);
    }
}
