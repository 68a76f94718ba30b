//! Matrix products, row-major.

/// Which operand stands transposed: with `a` `[m, k]` or `[k, m]`, `b` `[k, n]` or `[n, k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `a b`.
    Nn,
    /// `a bᵀ`: a linear layer, whose weight is [out, in].
    Nt,
    /// `aᵀ b`: a weight's gradient.
    Tn,
}

/// `[m, n]`.
pub fn matmul(form: Form, a: &[f64], b: &[f64], [m, n, k]: [usize; 3]) -> Vec<f64> {
    let a_at = |i: usize, p: usize| if form == Form::Tn { a[p * m + i] } else { a[i * k + p] };
    let b_at = |p: usize, j: usize| if form == Form::Nt { b[j * k + p] } else { b[p * n + j] };
    let element = |at: usize| (0..k).map(|p| a_at(at / n, p) * b_at(p, at % n)).sum();
    (0..m * n).map(element).collect()
}
