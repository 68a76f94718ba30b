//! Dense f64 linear algebra for matrices of a few dozen rows: row-major slices, no allocation where it is hot.

mod spectrum;

pub use spectrum::semidefinite;

/// Overwrites the lower triangle of `a` [n, n] with the Cholesky factor L (a = L Lᵀ); the strict upper
/// triangle is neither read nor written.
///
/// # Errors
/// The index of the first pivot that is not positive: `a` is not positive definite.
pub fn cholesky(a: &mut [f64], n: usize) -> Result<(), usize> {
    debug_assert_eq!(a.len(), n * n);
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            if i > j {
                a[i * n + j] = rest / a[j * n + j];
            } else if rest > 0.0 && rest.is_finite() {
                a[j * n + j] = rest.sqrt();
            } else {
                return Err(j);
            }
        }
    }
    Ok(())
}

/// Solves L Lᵀ x = b in place for a factor L [n, n] from [`cholesky`].
pub fn solve(l: &[f64], n: usize, b: &mut [f64]) {
    debug_assert_eq!((l.len(), b.len()), (n * n, n));
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| l[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i * n + i];
    }
}

/// The inverse [n, n] of the matrix whose factor `l` came from [`cholesky`].
pub fn inverse(l: &[f64], n: usize) -> Vec<f64> {
    let mut inv = vec![0.0; n * n];
    let mut column = vec![0.0; n];
    for j in 0..n {
        column.fill(0.0);
        column[j] = 1.0;
        solve(l, n, &mut column);
        for i in 0..n {
            inv[i * n + j] = column[i];
        }
    }
    inv
}

/// x · y.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// a x for a [x.len(), x.len()].
pub fn apply(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

/// a b for square a and b [n, n].
pub fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut c = vec![0.0; n * n];
    for (row, out) in a.chunks_exact(n).zip(c.chunks_exact_mut(n)) {
        for (s, b_row) in row.iter().zip(b.chunks_exact(n)) {
            for (o, y) in out.iter_mut().zip(b_row) {
                *o += s * y;
            }
        }
    }
    c
}

/// aᵀ for square a [n, n].
pub fn transpose(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

/// The trace of square a [n, n].
pub fn trace(a: &[f64], n: usize) -> f64 {
    (0..n).map(|i| a[i * n + i]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 9] = [4.0, 2.0, -1.0, 2.0, 5.0, 0.5, -1.0, 0.5, 3.0];

    #[test]
    fn solve_inverts_a_product() {
        let mut l = A;
        cholesky(&mut l, 3).unwrap();
        let mut x = apply(&A, &[1.0, -2.0, 0.25]);
        solve(&l, 3, &mut x);
        for (got, want) in x.iter().zip([1.0, -2.0, 0.25]) {
            assert!((got - want).abs() < 1e-14, "{got} for {want}");
        }
        let unit = product(&A, &inverse(&l, 3), 3);
        for (at, got) in unit.iter().enumerate() {
            let want = if at % 4 == 0 { 1.0 } else { 0.0 };
            assert!((got - want).abs() < 1e-14, "entry {at} is {got}");
        }
    }

    #[test]
    fn cholesky_names_the_bad_pivot() {
        assert_eq!(cholesky(&mut [1.0, 0.0, 2.0, 1.0], 2), Err(1));
        assert_eq!(cholesky(&mut [f64::NAN], 1), Err(0));
    }

    #[test]
    fn transpose_and_trace() {
        assert_eq!(transpose(&[1.0, 2.0, 3.0, 4.0], 2), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(trace(&[1.0, 2.0, 3.0, 4.0], 2), 5.0);
    }
}
