//! Eigenvalues of symmetric matrices, and factors of those that are only semi-definite.

use super::cholesky;

/// Eigenvalues below 0 by at most this share of the largest are rounding of a file's digits.
const ROUNDING: f64 = 1e-6;

/// Lower L [n, n], zero above the diagonal, with a = L Lᵀ to [`ROUNDING`] for a symmetric `a` without negative
/// eigenvalues. A definite matrix has the factor of [`cholesky`].
///
/// # Errors
/// The smallest eigenvalue, where it is negative by more than [`ROUNDING`] of the largest, or `a` not finite.
pub fn semidefinite(a: &[f64], n: usize) -> Result<Vec<f64>, f64> {
    if a.iter().any(|x| !x.is_finite()) {
        return Err(f64::NAN);
    }
    let mut l = a.to_vec();
    if cholesky(&mut l, n).is_err() {
        let values = eigenvalues(a, n);
        let (least, most) =
            values.iter().fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(*v), high.max(v.abs())));
        if !(most.is_finite() && least >= -ROUNDING * most) {
            return Err(least);
        }
        l = rank_deficient(a, n, most);
    }
    for i in 0..n {
        l[i * n + i + 1..(i + 1) * n].fill(0.0);
    }
    Ok(l)
}

/// The factor of a matrix without an inverse: a pivot that is rounding leaves an empty column. Where columns
/// before it have blown that rounding up, the diagonal is raised instead, by no more than it takes.
fn rank_deficient(a: &[f64], n: usize, scale: f64) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            if i == j {
                l[j * n + j] = if rest > ROUNDING * 1e-3 * scale { rest.sqrt() } else { 0.0 };
            } else if l[j * n + j] > 0.0 {
                l[i * n + j] = rest / l[j * n + j];
            }
        }
    }
    let entry = |at: usize| (0..n).map(|k| l[at / n * n + k] * l[at % n * n + k]).sum::<f64>();
    if (0..n * n).all(|at| (entry(at) - a[at]).abs() <= 2.0 * ROUNDING * scale) {
        return l;
    }
    // Four times the most negative eigenvalue that there may be is enough.
    let mut raise = 1e-14 * scale;
    loop {
        l.copy_from_slice(a);
        (0..n).for_each(|i| l[i * n + i] += raise);
        if cholesky(&mut l, n).is_ok() || raise > 4.0 * ROUNDING * scale {
            return l;
        }
        raise *= 4.0;
    }
}

/// All eigenvalues of a symmetric `a` [n, n] by Jacobi's rotations, in no order.
fn eigenvalues(a: &[f64], n: usize) -> Vec<f64> {
    let mut a = a.to_vec();
    let size = a.iter().map(|x| x * x).sum::<f64>();
    for _ in 0..60 {
        let off: f64 = (0..n * n).filter(|at| at / n != at % n).map(|at| a[at] * a[at]).sum();
        if off <= 1e-28 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, n, p, q);
            }
        }
    }
    (0..n).map(|i| a[i * n + i]).collect()
}

/// Turns rows and columns p and q so that entry (p, q) is 0.
fn rotate(a: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let half = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = half.signum() / (half.abs() + half.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{product, transpose};

    fn error(a: &[f64], l: &[f64], n: usize) -> f64 {
        let back = product(l, &transpose(l, n), n);
        back.iter().zip(a).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn eigenvalues_of_a_known_matrix() {
        let mut values = eigenvalues(&[2.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 2.0], 3);
        values.sort_by(f64::total_cmp);
        for (got, want) in values.iter().zip([2.0 - 2f64.sqrt(), 2.0, 2.0 + 2f64.sqrt()]) {
            assert!((got - want).abs() < 1e-12, "{got} for {want}");
        }
    }

    #[test]
    fn matrices_of_every_rank_have_a_factor() {
        for n in 1..8 {
            for rank in 0..=n {
                let entry = |at: usize| if at % n < rank { (1.7 * at as f64 + n as f64).sin() } else { 0.0 };
                let half: Vec<f64> = (0..n * n).map(entry).collect();
                let a = product(&half, &transpose(&half, n), n);
                let l = semidefinite(&a, n).unwrap_or_else(|e| panic!("{n}, {rank}: {e}"));
                assert!(error(&a, &l, n) < 1e-5, "{n}, {rank}");
                assert!((0..n * n).all(|at| at % n <= at / n || l[at] == 0.0));
                // The same rounded to six digits, as a file has it.
                let rounded: Vec<f64> = a.iter().map(|x| format!("{x:.6}").parse().unwrap()).collect();
                let l = semidefinite(&rounded, n).unwrap_or_else(|e| panic!("{n}, {rank}, rounded: {e}"));
                assert!(error(&a, &l, n) < 1e-4, "{n}, {rank}, rounded");
            }
        }
    }

    #[test]
    fn a_negative_eigenvalue_is_told() {
        let least = semidefinite(&[1.0, 2.0, 2.0, 1.0], 2).unwrap_err();
        assert!((least + 1.0).abs() < 1e-12, "{least}");
        assert!(semidefinite(&[0.0, 1.0, 1.0, 0.0], 2).is_err());
        assert!(semidefinite(&[f64::NAN], 1).is_err());
    }
}
