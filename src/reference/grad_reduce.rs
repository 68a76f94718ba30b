//! Sums of rows.

/// Row sums of [rows, lanes].
pub fn grad_reduce(partials: &[f64], lanes: usize) -> Vec<f64> {
    partials.chunks(lanes).map(|row| row.iter().sum()).collect()
}
