//! χ_k, the length of a vector of k standard normals, as a function of one normal: exact, and by polynomials for devices.

use std::f64::consts::PI;

/// Normals that kernels draw lie within ±√(62 ln 2) = ±6.556: their radius takes 31 bits.
const RANGE: f64 = 6.56;
/// Bound on the error of [`polynomials`]. χ_k is about √k.
const ERROR: f64 = 5e-7;
/// Chebyshev nodes: the series of χ_4, the slowest taken, is below 1e-9 by then.
const NODES: usize = 32;

/// Degrees of freedom from which on [`polynomials`] of less than 32 terms are within 5e-7.
pub const LEAST: usize = 4;

/// The r at which χ_k is below r with probability Φ(z): of a standard normal z it makes a χ_k.
///
/// By Newton's method on the logarithm of the smaller tail, which is concave in r.
pub fn quantile(k: usize, z: f64) -> f64 {
    let tail = 0.5 * tails(1, 0.5 * z * z).1;
    // Wilson and Hilferty's approximation (1931) to start from.
    let h = 2.0 / (9.0 * k as f64);
    let mut r = (k as f64 * (1.0 - h + z * h.sqrt()).max(0.05).powi(3)).sqrt();
    for _ in 0..100 {
        let (below, above) = tails(k, 0.5 * r * r);
        let density = 2.0 * ((k as f64) * (0.5 * r * r).ln() / 2.0 - 0.5 * r * r - ln_gamma(k)).exp() / r;
        let (found, slope) = if z < 0.0 { (below, density) } else { (above, -density) };
        let next = (r - (found / tail).ln() * found / slope).clamp(0.5 * r, 2.0 * r);
        if (next - r).abs() <= 1e-14 * r {
            return next;
        }
        r = next;
    }
    r
}

/// (P, Q)(k/2, x): the regularised incomplete gamma functions (Abramowitz and Stegun, 6.5.29 and 6.5.31).
fn tails(k: usize, x: f64) -> (f64, f64) {
    let a = 0.5 * k as f64;
    let scale = (a * x.ln() - x - ln_gamma(k)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > 1e-17 * sum {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (scale * sum, 1.0 - scale * sum);
    }
    // Lentz's continued fraction.
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
    let mut h = d;
    for i in 1..1000 {
        let an = -(i as f64) * (i as f64 - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (1.0 - scale * h, scale * h)
}

/// ln Γ(k/2).
fn ln_gamma(k: usize) -> f64 {
    let start = if k.is_multiple_of(2) { 0.0 } else { 0.5 * PI.ln() };
    (1..k).filter(|j| j % 2 == k % 2).fold(start, |sum, j| sum + (0.5 * j as f64).ln())
}

/// Polynomials in z for [`quantile`] at each of `dof` degrees of freedom, within 5e-7 for every z that a kernel draws:
/// the number of terms, the same for all, and their coefficients `[dof, terms]`, highest power first.
///
/// # Panics
/// If one of `dof` is below [`LEAST`].
pub fn polynomials(dof: &[usize]) -> (usize, Vec<f64>) {
    assert!(dof.iter().all(|&k| k >= LEAST), "a polynomial for {dof:?} degrees of freedom");
    let series: Vec<Vec<f64>> = dof.iter().map(|&k| chebyshev(|z| quantile(k, z))).collect();
    let enough = |c: &Vec<f64>| {
        let mut left: f64 = c.iter().map(|c| c.abs()).sum();
        1 + c.iter().position(|c| (left -= c.abs(), left < ERROR).1).unwrap_or(NODES - 1)
    };
    let terms = series.iter().map(enough).max().unwrap_or(1);
    (terms, series.iter().flat_map(|c| powers(&c[..terms])).collect())
}

/// Chebyshev coefficients of `f` over ±RANGE, by interpolation.
fn chebyshev(f: impl Fn(f64) -> f64) -> Vec<f64> {
    let angle = |j: usize| PI * (j as f64 + 0.5) / NODES as f64;
    let values: Vec<f64> = (0..NODES).map(|j| f(RANGE * angle(j).cos())).collect();
    let coefficient = |i: usize| {
        let sum: f64 = values.iter().enumerate().map(|(j, v)| v * (i as f64 * angle(j)).cos()).sum();
        sum * if i == 0 { 1.0 } else { 2.0 } / NODES as f64
    };
    (0..NODES).map(coefficient).collect()
}

/// A Chebyshev series over ±RANGE as powers of z, highest first.
fn powers(series: &[f64]) -> Vec<f64> {
    let (mut sum, mut last, mut now) = (vec![0.0; series.len()], vec![], vec![1.0]);
    for (i, c) in series.iter().enumerate() {
        now.iter().zip(&mut sum).for_each(|(t, s)| *s += c * t);
        // T_{i+1} = 2 t T_i − T_{i−1}, with t = z/RANGE; T_1 = t.
        let factor = if i == 0 { 1.0 } else { 2.0 };
        let mut next: Vec<f64> = std::iter::once(0.0).chain(now.iter().map(|t| factor * t / RANGE)).collect();
        last.iter().zip(&mut next).for_each(|(t, n)| *n -= t);
        (last, now) = (now, next);
    }
    sum.reverse();
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of an independent implementation (mpmath, 30 digits).
    #[test]
    fn known_answers() {
        for (k, z, r) in KNOWN {
            let found = quantile(k, z);
            assert!((found / r - 1.0).abs() < 1e-12, "chi_{k} at {z}: {found}, {r}");
        }
    }

    const KNOWN: [(usize, f64, f64); 9] = [
        (1, 0.5, 1.0182955159602791),
        (2, -1.25, 0.4725628603115678),
        (4, -6.5, 0.0042337146870999947),
        (5, 3.0, 4.452128500981483),
        (14, -2.0, 2.3487061068595286),
        (15, 0.0, 3.786668656082368),
        (19, 6.5, 9.462089928123232),
        (19, -6.5, 0.8500732996221923),
        (200, 1.5, 15.191885802326522),
    ];

    #[test]
    fn polynomials_are_near_even_in_single_precision() {
        for dof in [vec![4, 5, 6, 7], (14..20).collect(), vec![40, 199], vec![1000]] {
            let (terms, coefficients) = polynomials(&dof);
            for (&k, c) in dof.iter().zip(coefficients.chunks(terms)) {
                for i in -400..=400 {
                    let z = 6.556 * i as f64 / 400.0;
                    let exact = quantile(k, z);
                    let wide = c.iter().fold(0.0, |sum, c| sum * z + c);
                    assert!((wide - exact).abs() < 6e-7, "chi_{k} at {z}: {wide}, {exact}");
                    let narrow = c.iter().fold(0f32, |sum, &c| sum * z as f32 + c as f32);
                    let error = (narrow as f64 - exact).abs() / (k as f64).sqrt();
                    assert!(error < 1e-6, "chi_{k} at {z}: {narrow}, {exact}");
                }
            }
        }
    }
}
