//! Standardisation, and the values that it cannot bear.

use super::read::Table;
use crate::error::{Error, Result, shown};
use std::path::Path;

/// Most deviations from its column's mean: an error of the twelfth power of that still fits single precision, which the
/// squared norm of a gradient is. Rows to pre-train on stay below the root of their number by themselves.
const FARTHEST: f64 = 1e4;

/// A column that varies by less than this share of its values is constant to rounding in single precision.
const VARIES: f64 = 1e-7;

/// Mean and deviation of every column [d + 1] over `rows`.
pub(super) fn moments(table: &Table, path: &Path, rows: &[u32]) -> Result<(Vec<f64>, Vec<f64>)> {
    let width = table.columns.len() + 1;
    let (mut means, mut stds) = (Vec::with_capacity(width), Vec::with_capacity(width));
    for at in 0..width {
        let values: Vec<f64> = rows.iter().map(|r| table.values[*r as usize * width + at]).collect();
        let bad = |what: String| Error::file(path, format!("the column `{}` {what}", shown(name(table, at))));
        let first = values[0];
        if values.iter().all(|x| *x == first) {
            return Err(bad(format!("is always {first} in the tasks to pre-train on; remove the column")));
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let size = |i: &usize| values[*i].abs();
        let largest = (0..values.len()).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(0);
        if !std.is_finite() {
            let what = format!("{:e} is too large to standardise", values[largest]);
            return Err(cell(
                table,
                path,
                rows[largest],
                at,
                format!("{what}; mend the cell or rescale the column"),
            ));
        }
        if let Some(far) = dwarfing(&values) {
            let what = format!(
                "{:e} is so large that the column's other values are all the same beside it",
                values[far]
            );
            let mend = "mend the cell, remove the row, or list the column in `task.log1p`";
            return Err(cell(table, path, rows[far], at, format!("{what}; {mend}")));
        }
        if std <= VARIES * values[largest].abs() {
            let what =
                format!("is {mean} to rounding in the tasks to pre-train on (its deviation is {std:.1e})");
            return Err(bad(format!("{what}; remove the column, or subtract what its values share")));
        }
        if std <= 1e-150 {
            return Err(bad("has values too close to 0 to standardise; rescale it".into()));
        }
        means.push(mean);
        stds.push(std);
    }
    Ok((means, stds))
}

/// The value beside which nearly all others, though not the same, are the same to rounding.
fn dwarfing(values: &[f64]) -> Option<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let distance = |x: f64| (x - median).abs();
    let far = (0..values.len()).max_by(|a, b| distance(values[*a]).total_cmp(&distance(values[*b])))?;
    let near = |x: &&f64| distance(**x) <= VARIES * distance(values[far]);
    let count = values.iter().filter(near).count();
    let varied = values.iter().filter(near).any(|x| *x != median);
    // A column of mostly the same value with a few others is one that can be learned from.
    (varied && count * 10 >= values.len() * 9).then_some(far)
}

/// The rows in `order`, standardised, in single precision.
pub(super) fn standardise(
    table: &Table,
    path: &Path,
    order: &[u32],
    mean: &[f64],
    std: &[f64],
) -> Result<Vec<f32>> {
    let width = mean.len();
    let mut out = Vec::with_capacity(order.len() * width);
    for row in order {
        let start = *row as usize * width;
        for at in 0..width {
            let value = table.values[start + at];
            let far = (value - mean[at]) / std[at];
            if far.is_nan() || far.abs() > FARTHEST {
                let what = format!(
                    "{value:e} is {:.1e} deviations from the mean of the tasks to pre-train on",
                    far.abs()
                );
                let mend = "mend the cell, remove the row, or list the column in `task.log1p`";
                return Err(cell(
                    table,
                    path,
                    *row,
                    at,
                    format!("{what}, too far to train or test on; {mend}"),
                ));
            }
            out.push(far as f32);
        }
    }
    Ok(out)
}

fn cell(table: &Table, path: &Path, row: u32, at: usize, message: String) -> Error {
    let line = table.lines[row as usize];
    Error::Cell { path: path.into(), line, column: shown(name(table, at)), message }
}

fn name(table: &Table, at: usize) -> &str {
    table.columns.get(at).unwrap_or(&table.target_column)
}
