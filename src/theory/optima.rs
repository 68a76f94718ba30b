//! The parameters that pre-training and the fine-tuning methods converge to, in closed form.
//!
//! Only the product of the scales of v and M is determined by a loss; every optimum here has the scale of the
//! `head` it starts from, and [`pretrained`] has v = e_y.

use super::{Head, Setting, risk};
use crate::config::Theta;
use crate::linalg::{apply, cholesky, dot, inverse, product, solve, trace};

/// E |θ|² of a fresh task vector over d: 1/d on the unit sphere, 1 for N(0, I).
pub fn mean_square(dim: usize, law: Theta) -> f64 {
    match law {
        Theta::Sphere => 1.0 / dim as f64,
        Theta::Gaussian => 1.0,
    }
}

/// Pre-training at `shots` demonstrations: v = e_y and, with κ = [`mean_square`],
/// M_xx = (n+1) κ ((n+1) κ Σ + (κ tr Σ + σ²) I)⁻¹. For Σ = I and unit θ that is a I with
/// a = (n+1)/(n+1+d(1+σ²)).
pub fn pretrained(setting: &Setting, law: Theta, shots: usize) -> Head {
    let (d, tokens) = (setting.dim, setting.dim + 2);
    let kappa = mean_square(d, law);
    let scale = (shots as f64 + 1.0) * kappa;
    let mut system: Vec<f64> = setting.cov.iter().map(|c| c * scale).collect();
    let diagonal = kappa * trace(&setting.cov, d) + setting.noise;
    for i in 0..d {
        system[i * d + i] += diagonal;
    }
    cholesky(&mut system, d).expect("positive definite as Σ is");
    let inverse = inverse(&system, d);
    let mut head = Head { v: vec![0.0; tokens], m: vec![0.0; tokens * tokens] };
    head.v[d + 1] = 1.0;
    for i in 0..d {
        for j in 0..d {
            head.m[(i + 1) * tokens + j + 1] = scale * inverse[i * d + j];
        }
    }
    head
}

/// ZS loss on θ0, every parameter trained from `head`: v = (0, c θ0, v_y), M = e_1 e_1ᵀ/c predicts θ0·x.
///
/// ZS says nothing about v_y, which stays, nor about c. Gradient flow conserves |v|² - ‖M‖², which is about 0
/// after a small initialisation: with `head` rescaled to |v| = ‖M‖ that leaves |θ0|² c⁴ + v_y² c² = 1.
pub fn zs_all(setting: &Setting, head: &Head, theta: &[f64]) -> Head {
    let d = setting.dim;
    let scale_square = (dot(&head.m, &head.m) / dot(&head.v, &head.v)).sqrt();
    let y_square = scale_square * head.v[d + 1].powi(2);
    let norm_square = dot(theta, theta);
    // The positive root, in the form that does not cancel as |θ0| goes to 0.
    let c_square = 2.0 / (y_square + (y_square * y_square + 4.0 * norm_square).sqrt());
    let c = (c_square / scale_square).sqrt();
    let mut tuned = Head { v: vec![0.0; d + 2], m: vec![0.0; head.m.len()] };
    tuned.v[d + 1] = head.v[d + 1];
    for (v, t) in tuned.v[1..].iter_mut().zip(theta) {
        *v = c * t;
    }
    tuned.m[0] = 1.0 / c;
    tuned
}

/// ZS loss on θ0, only the value trained, M frozen at the `head`'s x block S (its other entries must be 0):
/// v_x solves E[(xᵀSx)² x xᵀ] v_x = E[(xᵀSx) x xᵀ] θ0, and v_y stays. For S = Σ = I, v_x = θ0/(d+4).
///
/// # Panics
/// If the symmetric part of the x block is 0: then no value has any effect.
pub fn zs_value(setting: &Setting, head: &Head, theta: &[f64]) -> Head {
    let (d, tokens) = (setting.dim, setting.dim + 2);
    let m = |i: usize, j: usize| head.m[(i + 1) * tokens + j + 1];
    let s: Vec<f64> = (0..d * d).map(|at| 0.5 * (m(at / d, at % d) + m(at % d, at / d))).collect();
    let cov = &setting.cov;
    let s_cov = product(&s, cov, d);
    let one = product(cov, &s_cov, d);
    let two = product(&one, &s_cov, d);
    let (t1, t2) = (trace(&s_cov, d), trace(&product(&s_cov, &s_cov, d), d));
    // Isserlis' theorem for the two expectations.
    let first: Vec<f64> = cov.iter().zip(&one).map(|(c, a)| t1 * c + 2.0 * a).collect();
    let mut second: Vec<f64> =
        (0..d * d).map(|at| (t1 * t1 + 2.0 * t2) * cov[at] + 4.0 * t1 * one[at] + 8.0 * two[at]).collect();
    let mut v_x = apply(&first, theta);
    let scale = trace(&second, d);
    assert!(scale > 0.0 && scale.is_finite(), "the frozen x block has a symmetric part");
    // Where x never goes, v_x is of no effect and the system singular: a breath of ridge picks v_x = 0 there.
    let plain = second.clone();
    let mut ridges = (0..24).map(|power| 1e-14 * scale * 4f64.powi(power));
    while cholesky(&mut second, d).is_err() {
        let ridge = ridges.next().expect("a covariance has no negative eigenvalue");
        second.copy_from_slice(&plain);
        (0..d).for_each(|i| second[i * d + i] += ridge);
    }
    solve(&second, d, &mut v_x);

    let mut tuned = head.clone();
    tuned.v[0] = 0.0;
    tuned.v[1..=d].copy_from_slice(&v_x);
    tuned
}

/// ZS + FS loss on θ0 at `shots` demonstrations, only the value trained: v_x of [`zs_value`] and the v_y that
/// is best for θ0 given it. For M = I, Σ = I and unit θ0,
/// v_y = ((n+1) - (n+3+2d)/(d+4)) / (n+1+d+dσ²).
///
/// # Panics
/// As [`zs_value`].
pub fn zsfs_value(setting: &Setting, head: &Head, theta: &[f64], shots: usize) -> Head {
    let mut tuned = zs_value(setting, head, theta);
    let last = setting.dim + 1;
    if shots == 0 {
        return tuned;
    }
    // The risk is a quadratic in v_y: three values give its minimum exactly.
    let mut at = |w: f64| {
        tuned.v[last] = w;
        risk(setting, &tuned, theta, &[shots])[0]
    };
    let (low, middle, high) = (at(-1.0), at(0.0), at(1.0));
    tuned.v[last] = 0.5 * (low - high) / (low - 2.0 * middle + high);
    tuned
}
