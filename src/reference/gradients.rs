//! Gradients of the layers of a decoder, row-major, from the derivatives written out in docs/MATH.md. Finite differences
//! hold them.

use super::attention::Sizes;
use super::layers::Feature;

/// Of [`rms_norm`](super::layers::rms_norm): what `dy` makes of `x`, and of the weight.
pub fn rms_norm(x: &[f64], weight: &[f64], eps: f64, dy: &[f64]) -> [Vec<f64>; 2] {
    let cols = weight.len();
    let (mut dx, mut dw) = (Vec::new(), vec![0.0; cols]);
    for (x, dy) in x.chunks(cols).zip(dy.chunks(cols)) {
        let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / cols as f64 + eps).sqrt();
        let along: f64 = (0..cols).map(|i| weight[i] * dy[i] * x[i]).sum();
        dx.extend((0..cols).map(|i| scale * weight[i] * dy[i] - scale.powi(3) / cols as f64 * along * x[i]));
        (0..cols).for_each(|i| dw[i] += dy[i] * x[i] * scale);
    }
    [dx, dw]
}

/// Of [`swiglu`](super::layers::swiglu): of gate and up.
pub fn swiglu(gate: &[f64], up: &[f64], dact: &[f64]) -> [Vec<f64>; 2] {
    let s = |g: f64| 1.0 / (1.0 + (-g).exp());
    let all = || gate.iter().zip(up).zip(dact);
    let dgate = all().map(|((g, u), d)| d * u * s(*g) * (1.0 + g * (1.0 - s(*g)))).collect();
    [dgate, all().map(|((g, _), d)| d * g * s(*g)).collect()]
}

/// Of [`rope`](super::layers::rope): turned back.
pub fn rope(dx: &[f64], positions: &[usize], dim: usize, theta: f64) -> Vec<f64> {
    super::layers::turned(dx, positions, dim, theta, -1.0)
}

/// Of [`feature`](super::layers::feature).
pub fn feature(x: &[f64], dim: usize, feature: Feature, dy: &[f64]) -> Vec<f64> {
    let head = |(x, dy): (&[f64], &[f64])| -> Vec<f64> {
        let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
        let along: f64 = x.iter().zip(dy).map(|(x, d)| x * d).sum();
        let of = |(x, d): (&f64, &f64)| match feature {
            Feature::Unit => d / length - x * along / length.powi(3),
            Feature::Relu => {
                if *x > 0.0 {
                    *d
                } else {
                    0.0
                }
            }
            Feature::Elu => {
                if *x > 0.0 {
                    *d
                } else {
                    d * x.exp()
                }
            }
        };
        x.iter().zip(dy).map(of).collect()
    };
    x.chunks(dim).zip(dy.chunks(dim)).flat_map(head).collect()
}

/// What [`attention`] gives.
pub struct Attention {
    /// `[rows, H D]`.
    pub queries: Vec<f64>,
    /// `[rows, G D]`.
    pub keys: Vec<f64>,
    /// `[rows, G D]`.
    pub values: Vec<f64>,
    /// `[rows, H]`: logarithms of the sums of exponentials of the scores, and what each output has along its gradient.
    pub sums: Vec<f64>,
    /// See `sums`.
    pub dots: Vec<f64>,
}

/// Of [`attention`](super::attention::attention) without a past.
pub fn attention(q: &[f64], k: &[f64], v: &[f64], starts: &[usize], s: Sizes, dout: &[f64]) -> Attention {
    let (width, shared, scale) = (s.heads * s.dim, s.groups * s.dim, 1.0 / (s.dim as f64).sqrt());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut out = Attention {
        queries: vec![0.0; q.len()],
        keys: vec![0.0; k.len()],
        values: vec![0.0; v.len()],
        sums: vec![0.0; starts.len() * s.heads],
        dots: vec![0.0; starts.len() * s.heads],
    };
    for (t, start) in starts.iter().enumerate() {
        for h in 0..s.heads {
            let own = t * width + h * s.dim..t * width + (h + 1) * s.dim;
            let at = |j: usize| j * shared + h * s.groups / s.heads * s.dim;
            let (q, d) = (&q[own.clone()], &dout[own.clone()]);
            let scores: Vec<f64> = (*start..=t).map(|j| scale * dot(q, &k[at(j)..][..s.dim])).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum = most + scores.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
            let p: Vec<f64> = scores.iter().map(|x| (x - sum).exp()).collect();
            let pulls: Vec<f64> = (*start..=t).map(|j| dot(d, &v[at(j)..][..s.dim])).collect();
            let along = dot(&p, &pulls);
            (out.sums[t * s.heads + h], out.dots[t * s.heads + h]) = (sum, along);
            for (i, j) in (*start..=t).enumerate() {
                let ds = scale * p[i] * (pulls[i] - along);
                for x in 0..s.dim {
                    out.queries[own.start + x] += ds * k[at(j) + x];
                    out.keys[at(j) + x] += ds * q[x];
                    out.values[at(j) + x] += p[i] * d[x];
                }
            }
        }
    }
    out
}

/// Of [`cross_entropy`](super::layers::cross_entropy), each row's loss times its weight: of the logits.
pub fn cross_entropy(logits: &[f64], targets: &[Option<usize>], weights: &[f64]) -> Vec<f64> {
    let cols = logits.len() / targets.len();
    let row = |((row, target), weight): ((&[f64], &Option<usize>), &f64)| -> Vec<f64> {
        let Some(target) = target else { return vec![0.0; cols] };
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
        let share =
            |(i, x): (usize, &f64)| ((x - most).exp() / sum - f64::from(u8::from(i == *target))) * weight;
        row.iter().enumerate().map(share).collect()
    };
    logits.chunks(cols).zip(targets).zip(weights).flat_map(row).collect()
}

/// Of rows taken from a table of so many: each row's gradient added to its place.
pub fn embed(ids: &[usize], dx: &[f64], words: usize) -> Vec<f64> {
    let cols = dx.len() / ids.len();
    let mut out = vec![0.0; words * cols];
    for (id, dx) in ids.iter().zip(dx.chunks(cols)) {
        out[id * cols..][..cols].iter_mut().zip(dx).for_each(|(to, x)| *to += x);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{attention as forward, layers};

    /// Numbers of no pattern, in −1 to 1.
    fn noise(count: usize, salt: u32) -> Vec<f64> {
        crate::random::rng::normals(salt, 0, 0, 0xf00d, count)
    }

    /// Holds that a gradient is the derivative of Σ w ∘ f(x), in every coordinate.
    fn holds(what: &str, x: &[f64], gradient: &[f64], w: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) {
        let loss = |x: &[f64]| f(x).iter().zip(w).map(|(y, w)| y * w).sum::<f64>();
        assert_eq!(x.len(), gradient.len());
        for i in 0..x.len() {
            let (mut up, mut down, step) = (x.to_vec(), x.to_vec(), 1e-5);
            (up[i], down[i]) = (x[i] + step, x[i] - step);
            let slope = (loss(&up) - loss(&down)) / (2.0 * step);
            assert!(
                (slope - gradient[i]).abs() < 1e-7 * (1.0 + slope.abs()),
                "{what} {i}: {slope} {}",
                gradient[i]
            );
        }
    }

    #[test]
    fn layers_have_the_slopes_of_finite_differences() {
        let (x, weight, dy) = (noise(3 * 7, 1), noise(7, 2), noise(3 * 7, 3));
        let [dx, dw] = rms_norm(&x, &weight, 1e-5, &dy);
        holds("x", &x, &dx, &dy, |x| layers::rms_norm(x, &weight, 1e-5));
        holds("weight", &weight, &dw, &dy, |w| layers::rms_norm(&x, w, 1e-5));
        let (gate, up, dact) = (noise(9, 4), noise(9, 5), noise(9, 6));
        let [dgate, dup] = swiglu(&gate, &up, &dact);
        holds("gate", &gate, &dgate, &dact, |g| layers::swiglu(g, &up));
        holds("up", &up, &dup, &dact, |u| layers::swiglu(&gate, u));
        let (x, dy, positions) = (noise(3 * 16, 7), noise(3 * 16, 8), [0, 5, 9]);
        holds("turned", &x, &rope(&dy, &positions, 8, 1e4), &dy, |x| layers::rope(x, &positions, 8, 1e4));
        for kind in [Feature::Unit, Feature::Relu, Feature::Elu] {
            let found = feature(&x, 8, kind, &dy);
            holds("feature", &x, &found, &dy, |x| layers::feature(x, 8, kind));
        }
        let ids = [4, 1, 4, 0];
        let (table, dx) = (noise(5 * 3, 9), noise(4 * 3, 10));
        let rows = |t: &[f64]| ids.iter().flat_map(|id| t[id * 3..][..3].to_vec()).collect::<Vec<_>>();
        holds("table", &table, &embed(&ids, &dx, 5), &dx, rows);
    }

    #[test]
    fn losses_have_the_slopes_of_finite_differences() {
        let (logits, weights) = (noise(4 * 6, 1), [0.5, 2.0, 1.0, 0.25]);
        let targets = [Some(5), None, Some(0), Some(2)];
        let gradient = cross_entropy(&logits, &targets, &weights);
        holds("logits", &logits, &gradient, &weights, |x| layers::cross_entropy(x, &targets));
    }

    #[test]
    fn attention_has_the_slopes_of_finite_differences() {
        let (sizes, starts) = (Sizes { heads: 4, groups: 2, dim: 3 }, [0, 0, 0, 3, 3, 5]);
        let (q, dout) = (noise(6 * 12, 1), noise(6 * 12, 2));
        let (k, v) = (noise(6 * 6, 3), noise(6 * 6, 4));
        let found = attention(&q, &k, &v, &starts, sizes, &dout);
        let of = |q: &[f64], k: &[f64], v: &[f64]| forward::attention(q, k, v, 0, &starts, sizes);
        holds("queries", &q, &found.queries, &dout, |q| of(q, &k, &v));
        holds("keys", &k, &found.keys, &dout, |k| of(&q, k, &v));
        holds("values", &v, &found.values, &dout, |v| of(&q, &k, v));
        // What an output has along its gradient is what its parts have.
        let out = of(&q, &k, &v);
        for (i, along) in found.dots.iter().enumerate() {
            let own: f64 = out[i * 3..][..3].iter().zip(&dout[i * 3..]).map(|(o, d)| o * d).sum();
            assert!((own - along).abs() < 1e-12);
        }
    }
}
