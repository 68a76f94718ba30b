//! Exact risk of a one-layer, one-head linear transformer, its optima, and the best possible few-shot error.
//!
//! The setting is that of Lee, Sohn and Lee, "Fine-Tuning Without Forgetting In-Context Learning"
//! (arXiv 2602.23197): tokens (1, x, y), x ~ N(0, Σ), y = θ·x + ε, ε ~ N(0, σ²), the query with y = 0.
//! The formulas are derived in `docs/MATH.md`. All is f64 and closed form, so it is exact for every d;
//! only [`bayes`] samples.

mod bayes;
mod optima;
#[cfg(test)]
mod tests;

use crate::config::Theta;
use crate::error::{Error, Result};
use crate::linalg::{apply, dot, product, semidefinite, trace, transpose};

pub use bayes::bayes;
pub use optima::{mean_square, pretrained, zs_all, zs_value, zsfs_value};

/// The law of the examples: x ~ N(0, Σ) with d covariates, and noise of variance σ².
#[derive(Clone, Debug)]
pub struct Setting {
    dim: usize,
    noise: f64,
    cov: Vec<f64>,
    factor: Vec<f64>,
}

impl Setting {
    /// `dim` covariates with covariance `cov` [dim, dim], noise variance `noise`.
    ///
    /// # Errors
    /// [`Error::Config`] where `cov` has another size or is not symmetric or has a negative eigenvalue, or `noise`
    /// is negative or not finite.
    pub fn new(dim: usize, noise: f64, cov: Vec<f64>) -> Result<Self> {
        fn bad<T>(field: &str, message: String) -> Result<T> {
            Err(Error::config(field, message))
        }
        if dim == 0 {
            return bad("task.dim", "must be at least 1".into());
        }
        if !(noise >= 0.0 && noise.is_finite()) {
            return bad("task.noise", format!("is {noise}, but a variance is finite and at least 0"));
        }
        if cov.len() != dim * dim {
            return bad("task.covariance", format!("has {} entries, not {dim} x {dim}", cov.len()));
        }
        for i in 0..dim {
            for j in 0..i {
                let (low, high) = (cov[i * dim + j], cov[j * dim + i]);
                if (low - high).abs() > 1e-9 * (low.abs() + high.abs()) {
                    let at = format!("entry ({}, {}) is {low}, but ({}, {})", i + 1, j + 1, j + 1, i + 1);
                    return bad("task.covariance", format!("is not symmetric: {at} is {high}"));
                }
            }
        }
        let factor = semidefinite(&cov, dim).or_else(|least| {
            let mend = "give a matrix whose eigenvalues are 0 or above";
            bad("task.covariance", format!("has the negative eigenvalue {least:.3e}; {mend}"))
        })?;
        Ok(Setting { dim, noise, cov, factor })
    }

    /// Σ = I.
    ///
    /// # Errors
    /// As [`Setting::new`].
    pub fn isotropic(dim: usize, noise: f64) -> Result<Self> {
        let unit = (0..dim * dim).map(|at| if at / dim == at % dim { 1.0 } else { 0.0 });
        Setting::new(dim, noise, unit.collect())
    }

    /// Covariates an example, d.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Variance σ² of the noise.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Σ [d, d], row-major.
    pub fn cov(&self) -> &[f64] {
        &self.cov
    }

    /// Lower C [d, d] with Σ = C Cᵀ.
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }
}

/// What the risk of one layer with one head depends on, D = d + 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Last row of W_V, `[D]`: (v_1, v_x, v_y). No other row reaches the prediction.
    pub v: Vec<f64>,
    /// Merged query-key matrix [D, D], row-major: A[a, b] = z_aᵀ M z_b.
    pub m: Vec<f64>,
}

/// Test error (mean squared, against the noisy y_q) on the task θ `[d]` after each of `shots` demonstrations.
///
/// # Panics
/// If `head` or `theta` is not of the size that `setting` asks for.
pub fn risk(setting: &Setting, head: &Head, theta: &[f64], shots: &[usize]) -> Vec<f64> {
    let moments = QueryMoments::new(setting, head).on(setting, theta);
    shots.iter().map(|n| setting.noise + moments.excess(*n)).collect()
}

/// [`risk`] averaged over a fresh θ of the given law: uniform on the unit sphere or N(0, I).
///
/// The risk has degree 4 in θ, so a cubature of degree 5 makes the average exact: 2d² points on the sphere
/// (Stroud, "Approximate Calculation of Multiple Integrals", 1971, U_n 5-1 of the ±e_i and (±e_i ± e_j)/√2),
/// times the two-node Gauss-Laguerre rule in |θ|² where θ is Gaussian.
///
/// # Panics
/// As [`risk`].
pub fn risk_fresh(setting: &Setting, head: &Head, law: Theta, shots: &[usize]) -> Vec<f64> {
    let query = QueryMoments::new(setting, head);
    let mut total = TaskMoments::default();
    for (radius, radial_weight) in radial_rule(setting.dim, law) {
        for_each_on_sphere(setting.dim, radius, |theta, weight| {
            total.add(&query.on(setting, theta), weight * radial_weight);
        });
    }
    shots.iter().map(|n| setting.noise + total.excess(*n)).collect()
}

/// (|θ|, weight) pairs, exact for polynomials of degree 2 in |θ|².
fn radial_rule(dim: usize, law: Theta) -> Vec<(f64, f64)> {
    match law {
        Theta::Sphere => vec![(1.0, 1.0)],
        // |θ|² is chi-square with d degrees: the nodes are twice the roots of the Laguerre L_2^(d/2 - 1).
        Theta::Gaussian => {
            let middle = dim as f64 + 2.0;
            let spread = (2.0 * middle).sqrt();
            let low = (spread + 2.0) / (2.0 * spread);
            vec![((middle - spread).sqrt(), low), ((middle + spread).sqrt(), 1.0 - low)]
        }
    }
}

/// Visits the degree-5 cubature points on the sphere of radius `radius` with their weights (sum 1).
fn for_each_on_sphere(dim: usize, radius: f64, mut visit: impl FnMut(&[f64], f64)) {
    let d = dim as f64;
    let axis = (4.0 - d) / (2.0 * d * (d + 2.0));
    let pair = 1.0 / (d * (d + 2.0));
    let mut theta = vec![0.0; dim];
    for i in 0..dim {
        for s in [radius, -radius] {
            theta[i] = s;
            visit(&theta, axis);
            for j in 0..i {
                for t in [s, -s] {
                    theta[i] = s * std::f64::consts::FRAC_1_SQRT_2;
                    theta[j] = t * std::f64::consts::FRAC_1_SQRT_2;
                    visit(&theta, pair);
                }
                theta[j] = 0.0;
            }
        }
        theta[i] = 0.0;
    }
}

/// What does not depend on θ. With z_q = (1, x, 0) the query's own term is g = α β, where
/// α = v·z_q is affine and β = z_qᵀ M z_q = β_0 + l·x + xᵀ S x quadratic in x.
struct QueryMoments<'a> {
    head: &'a Head,
    l: Vec<f64>,
    s: Vec<f64>,
    /// E β.
    beta: f64,
    /// E g².
    gg: f64,
    /// E b bᵀ [D, D] of b = Mᵀ z_q.
    bb: Vec<f64>,
}

impl<'a> QueryMoments<'a> {
    fn new(setting: &Setting, head: &'a Head) -> Self {
        let (d, tokens) = (setting.dim, setting.dim + 2);
        assert_eq!(head.v.len(), tokens, "v has the token width d + 2");
        assert_eq!(head.m.len(), tokens * tokens, "M is [d + 2, d + 2]");
        let m = |i: usize, j: usize| head.m[i * tokens + j];
        let l: Vec<f64> = (1..=d).map(|i| m(0, i) + m(i, 0)).collect();
        let s: Vec<f64> =
            (0..d * d).map(|at| 0.5 * (m(at / d + 1, at % d + 1) + m(at % d + 1, at / d + 1))).collect();
        let mut zz = vec![0.0; tokens * tokens];
        zz[0] = 1.0;
        for i in 0..d {
            zz[(i + 1) * tokens + 1..][..d].copy_from_slice(&setting.cov[i * d..][..d]);
        }
        let bb = product(&transpose(&head.m, tokens), &product(&zz, &head.m, tokens), tokens);
        let beta = m(0, 0) + trace(&product(&s, &setting.cov, d), d);
        let gg = own_term_square(setting, &head.v[..=d], m(0, 0), &l, &s);
        QueryMoments { head, l, s, beta, gg, bb }
    }

    /// The moments of a prompt of task θ.
    fn on(&self, setting: &Setting, theta: &[f64]) -> TaskMoments {
        let d = setting.dim;
        assert_eq!(theta.len(), d, "θ has d entries");
        let (v, last) = (&self.head.v, d + 1);
        let cross = apply(&setting.cov, theta);
        let y_var = dot(theta, &cross) + setting.noise;
        // Covariance of a demonstration token (0, x, y) times v.
        let mut cv = vec![0.0; d + 2];
        let v_cov = apply(&setting.cov, &v[1..=d]);
        for i in 0..d {
            cv[i + 1] = v_cov[i] + cross[i] * v[last];
        }
        cv[last] = dot(&cross, &v[1..=d]) + y_var * v[last];

        // μ = w·b with w = v_1 e_1 + C v.
        let mut w = cv.clone();
        w[0] = v[0];
        let mw = apply(&self.head.m, &w);
        let (mu_0, mu_x) = (mw[0], &mw[1..=d]);
        let mu_cov = apply(&setting.cov, mu_x);

        let s_pp = dot(v, &cv);
        let bb_cv = apply(&self.bb, &cv);
        let tau = (v[0] * v[0] + s_pp) * self.s_qq(setting, &cross, y_var)
            + self.bb[0] * s_pp
            + 2.0 * v[0] * bb_cv[0]
            + dot(&cv, &bb_cv);
        TaskMoments {
            mu_mu: mu_0 * mu_0 + dot(mu_x, &mu_cov),
            mu_g: self.times_g(setting, mu_0, mu_x, &mu_cov),
            g_g: self.gg,
            mu_t: dot(mu_x, &cross),
            g_t: self.times_g(setting, 0.0, theta, &cross),
            t_t: dot(theta, &cross),
            tau,
        }
    }

    /// E bᵀ C b = tr(C E b bᵀ).
    fn s_qq(&self, setting: &Setting, cross: &[f64], y_var: f64) -> f64 {
        let (d, tokens, last) = (setting.dim, setting.dim + 2, setting.dim + 1);
        let x_part: f64 =
            (0..d).map(|i| dot(&setting.cov[i * d..][..d], &self.bb[(i + 1) * tokens + 1..][..d])).sum();
        x_part + 2.0 * dot(cross, &self.bb[last * tokens + 1..][..d]) + y_var * self.bb[last * tokens + last]
    }

    /// E (f_0 + f·x) g, given Σ f; by E p β = E p E β + Cov(p, β) for the quadratic p = (f_0 + f·x) α.
    fn times_g(&self, setting: &Setting, f_0: f64, f: &[f64], f_cov: &[f64]) -> f64 {
        let d = setting.dim;
        let (a_0, a) = (self.head.v[0], &self.head.v[1..=d]);
        let a_cov = apply(&setting.cov, a);
        let s_a = apply(&self.s, &a_cov);
        let mean = f_0 * a_0 + dot(f, &a_cov);
        let linear = f_0 * dot(&a_cov, &self.l) + a_0 * dot(f_cov, &self.l);
        mean * self.beta + linear + 2.0 * dot(f_cov, &s_a)
    }
}

/// E (α β)² for α = a_0 + a·x and β = β_0 + l·x + xᵀ S x, `a` = (a_0, a).
///
/// Given s = a·x/sd(a·x), the rest of x is Gaussian with mean r s and covariance Σ - r rᵀ, so E(β² | s) is a
/// quartic in s, and four Gauss-Hermite nodes make the average of α² E(β² | s) exact.
fn own_term_square(setting: &Setting, a: &[f64], beta_0: f64, l: &[f64], s: &[f64]) -> f64 {
    let d = setting.dim;
    let a_cov = apply(&setting.cov, &a[1..]);
    let sd = dot(&a[1..], &a_cov).max(0.0).sqrt();
    let r: Vec<f64> = a_cov.iter().map(|x| if sd > 0.0 { x / sd } else { 0.0 }).collect();
    let rest: Vec<f64> = (0..d * d).map(|at| setting.cov[at] - r[at / d] * r[at % d]).collect();
    let s_rest = product(s, &rest, d);
    let s_r = apply(s, &r);
    let (spread, square) = (trace(&s_rest, d), 2.0 * trace(&product(&s_rest, &s_rest, d), d));
    let (l_r, r_s_r) = (dot(l, &r), dot(&r, &s_r));

    let mut sum = 0.0;
    for (node, weight) in HERMITE {
        let slope: Vec<f64> = l.iter().zip(&s_r).map(|(l, s)| l + 2.0 * node * s).collect();
        let mean = beta_0 + l_r * node + r_s_r * node * node + spread;
        let beta_square = mean * mean + dot(&slope, &apply(&rest, &slope)) + square;
        sum += weight * (a[0] + sd * node).powi(2) * beta_square;
    }
    sum
}

/// Nodes ±√(3 ± √6) and weights (3 ∓ √6)/12 of the four-point Gauss rule for N(0, 1), exact to degree 7.
const HERMITE: [(f64, f64); 4] = [
    (-2.334_414_218_338_977, 0.045_875_854_768_068_5),
    (-0.741_963_784_302_725_9, 0.454_124_145_231_931_5),
    (0.741_963_784_302_725_9, 0.454_124_145_231_931_5),
    (2.334_414_218_338_977, 0.045_875_854_768_068_5),
];

/// Expectations over x_q from which the risk at every n follows; t = θ·x_q.
#[derive(Default)]
struct TaskMoments {
    mu_mu: f64,
    mu_g: f64,
    g_g: f64,
    mu_t: f64,
    g_t: f64,
    t_t: f64,
    tau: f64,
}

impl TaskMoments {
    fn add(&mut self, other: &TaskMoments, weight: f64) {
        self.mu_mu += weight * other.mu_mu;
        self.mu_g += weight * other.mu_g;
        self.g_g += weight * other.g_g;
        self.mu_t += weight * other.mu_t;
        self.g_t += weight * other.g_t;
        self.t_t += weight * other.t_t;
        self.tau += weight * other.tau;
    }

    /// E ((n μ + g)/(n+1) - t)² + n τ²/(n+1)², the risk less σ².
    fn excess(&self, shots: usize) -> f64 {
        let n = shots as f64;
        let square = n * n * self.mu_mu + 2.0 * n * self.mu_g + self.g_g + n * self.tau;
        square / ((n + 1.0) * (n + 1.0)) - 2.0 * (n * self.mu_t + self.g_t) / (n + 1.0) + self.t_t
    }
}
