//! The moment form and its backward pass, formula by formula as in `docs/MATH.md`, against the naive reference.
//!
//! The kernels compute what this file computes, so this is where the derivation itself is checked, in f64.

use floe::reference::transformer::{Weights, backward, forward};

/// A small dense matrix; a vector is a matrix of one column.
#[derive(Clone, Debug)]
struct M {
    rows: usize,
    cols: usize,
    at: Vec<f64>,
}

impl M {
    fn new(rows: usize, cols: usize, at: &[f64]) -> M {
        assert_eq!(at.len(), rows * cols);
        M { rows, cols, at: at.to_vec() }
    }

    fn identity(size: usize) -> M {
        let mut out = M::new(size, size, &vec![0.0; size * size]);
        (0..size).for_each(|i| out.at[i * size + i] = 1.0);
        out
    }

    fn t(&self) -> M {
        let at: Vec<f64> =
            (0..self.cols).flat_map(|j| (0..self.rows).map(move |i| self.at[i * self.cols + j])).collect();
        M::new(self.cols, self.rows, &at)
    }

    /// The last row, as a column.
    fn last_row(&self) -> M {
        M::new(self.cols, 1, &self.at[(self.rows - 1) * self.cols..])
    }
}

fn mul(factors: &[&M]) -> M {
    let mut product = factors[0].clone();
    for right in &factors[1..] {
        assert_eq!(product.cols, right.rows);
        let mut out = M::new(product.rows, right.cols, &vec![0.0; product.rows * right.cols]);
        for i in 0..out.rows {
            for j in 0..out.cols {
                for k in 0..right.rows {
                    out.at[i * out.cols + j] +=
                        product.at[i * product.cols + k] * right.at[k * right.cols + j];
                }
            }
        }
        product = out;
    }
    product
}

fn scaled(scale: f64, x: &M) -> M {
    M::new(x.rows, x.cols, &x.at.iter().map(|x| scale * x).collect::<Vec<_>>())
}

fn sum(x: &M, y: &M) -> M {
    M::new(x.rows, x.cols, &x.at.iter().zip(&y.at).map(|(x, y)| x + y).collect::<Vec<_>>())
}

/// V_h and Q_h of every head, by layer.
struct Layers(Vec<Vec<(M, M)>>);

impl Layers {
    fn new(w: &Weights) -> Layers {
        let (d, size) = (w.width, w.width * w.width);
        let heads: Vec<(M, M)> =
            w.v.chunks(size)
                .zip(w.qk.chunks(size))
                .map(|(v, q)| (M::new(d, d, v), M::new(d, d, q)))
                .collect();
        Layers(heads.chunks(w.heads).map(<[_]>::to_vec).collect())
    }
}

/// G = (1/N) Σ_b z_b z_bᵀ and the query.
fn moments(tokens: &[f64], width: usize) -> (M, M) {
    let n = tokens.len() / width;
    let z = M::new(n, width, tokens);
    (scaled(1.0 / n as f64, &mul(&[&z.t(), &z])), z.last_row())
}

/// T = I + (1/H) Σ_h V_h G Q_hᵀ.
fn transition(heads: &[(M, M)], g: &M) -> M {
    let share = 1.0 / heads.len() as f64;
    heads.iter().fold(M::identity(g.rows), |t, (v, q)| sum(&t, &scaled(share, &mul(&[v, g, &q.t()]))))
}

/// (G, z) before each layer, then the prediction.
fn moment_forward(layers: &Layers, tokens: &[f64], width: usize) -> (Vec<(M, M)>, f64) {
    let mut states = vec![moments(tokens, width)];
    let (last, middle) = layers.0.split_last().unwrap();
    for heads in middle {
        let (g, z) = states.last().unwrap();
        let t = transition(heads, g);
        states.push((mul(&[&t, g, &t.t()]), mul(&[&t, z])));
    }
    let (g, z) = states.last().unwrap();
    let share = 1.0 / last.len() as f64;
    let attended: f64 = last.iter().map(|(v, q)| mul(&[&v.last_row().t(), g, &q.t(), z]).at[0]).sum();
    let pred = z.at[width - 1] + share * attended;
    (states, pred)
}

/// (dV, dQ) of every head, by layer, for δ = dLoss/dpred.
fn moment_backward(layers: &Layers, states: &[(M, M)], delta: f64) -> Vec<Vec<(M, M)>> {
    let (last, middle) = layers.0.split_last().unwrap();
    let (g, z) = states.last().unwrap();
    let (grads, mut dg, mut dz) = last_backward(last, g, z, delta);
    let mut out = vec![grads];
    for (heads, (g, z)) in middle.iter().zip(states).rev() {
        let (grads, dg_in, dz_in) = middle_backward(heads, g, z, &dg, &dz);
        out.push(grads);
        (dg, dz) = (dg_in, dz_in);
    }
    out.reverse();
    out
}

fn last_backward(heads: &[(M, M)], g: &M, z: &M, delta: f64) -> (Vec<(M, M)>, M, M) {
    let d = g.rows;
    let share = delta / heads.len() as f64;
    let mut dg = scaled(0.0, g);
    let mut dz = scaled(0.0, z);
    dz.at[d - 1] = delta;
    let mut grads = Vec::new();
    for (value, q) in heads {
        let v = value.last_row();
        let mut dv = scaled(0.0, value);
        dv.at[(d - 1) * d..].copy_from_slice(&scaled(share, &mul(&[g, &q.t(), z])).at);
        let dq = scaled(share, &mul(&[z, &mul(&[g, &v]).t()]));
        dz = sum(&dz, &scaled(share, &mul(&[q, g, &v])));
        dg = sum(&dg, &scaled(share, &mul(&[&v, &mul(&[&q.t(), z]).t()])));
        grads.push((dv, dq));
    }
    (grads, dg, dz)
}

fn middle_backward(heads: &[(M, M)], g: &M, z: &M, dg: &M, dz: &M) -> (Vec<(M, M)>, M, M) {
    let share = 1.0 / heads.len() as f64;
    let t = transition(heads, g);
    let dt = sum(&mul(&[dz, &z.t()]), &mul(&[&sum(dg, &dg.t()), &t, g]));
    let dz_in = mul(&[&t.t(), dz]);
    let mut dg_in = mul(&[&t.t(), dg, &t]);
    let mut grads = Vec::new();
    for (v, q) in heads {
        dg_in = sum(&dg_in, &scaled(share, &mul(&[&v.t(), &dt, q])));
        let dv = scaled(share, &mul(&[&dt, q, g]));
        let dq = scaled(share, &mul(&[&dt.t(), v, g]));
        grads.push((dv, dq));
    }
    (grads, dg_in, dz_in)
}

/// Numbers in (-1, 1) that repeat (a Weyl sequence).
fn numbers(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|i| ((seed + i + 1) as f64 * 0.618_033_988_749_894_9).fract() * 2.0 - 1.0).collect()
}

/// `max |got − want| <= 1e-12 · max |want|`.
fn assert_close(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing to compare");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-12 * scale, "{what}[{i}]: {got} instead of {want}");
    }
}

fn parts(grads: &[Vec<(M, M)>], part: impl Fn(&(M, M)) -> &M) -> Vec<f64> {
    grads.iter().flatten().flat_map(|head| part(head).at.clone()).collect()
}

#[test]
fn moment_form_matches() {
    for (layers, heads) in [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1), (3, 3)] {
        for width in [3, 7] {
            for n in [1, 2, 6, 21] {
                let size = layers * heads * width * width;
                let (v, qk, tokens) = (numbers(size, 11), numbers(size, 1000), numbers(n * width, 5000));
                let w = Weights { layers, heads, width, v: &v, qk: &qk };
                let (mut dv, mut dqk) = (vec![0.0; size], vec![0.0; size]);
                backward(&w, &tokens, 0.7, &mut dv, &mut dqk);

                let by_layer = Layers::new(&w);
                let (states, pred) = moment_forward(&by_layer, &tokens, width);
                let grads = moment_backward(&by_layer, &states, 0.7);
                let case = format!("L {layers}, H {heads}, D {width}, N {n}");
                assert_close(&format!("prediction at {case}"), &[pred], &[forward(&w, &tokens)]);
                assert_close(&format!("dV at {case}"), &parts(&grads, |g| &g.0), &dv);
                assert_close(&format!("dQ at {case}"), &parts(&grads, |g| &g.1), &dqk);
            }
        }
    }
}
