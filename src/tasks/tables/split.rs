//! The split of a table's tasks by the seed, and its standardisation.

use super::read::Table;
use super::{Group, TableData, list, one_line};
use crate::config::Tables;
use crate::error::{Error, Result};
use crate::splitmix::SplitMix64;
use std::path::Path;

/// Keeps the stream of the split apart from other uses of the seed.
const STREAM: u64 = 0x7ab1_e5b1_1735_eed5;

/// The tasks by their place in the sorted list of names.
struct Parts {
    pretrain: Vec<usize>,
    heldout: Vec<usize>,
    target: usize,
}

pub(super) fn split(
    table: Table,
    path: &Path,
    cfg: &Tables,
    seed: u64,
    rows_needed: usize,
) -> Result<TableData> {
    for (field, share) in [("task.heldout", cfg.heldout), ("task.target_test", cfg.target_test)] {
        if !(0.0..1.0).contains(&share) {
            return Err(Error::config(field, format!("is {share}, but a share is at least 0 and below 1")));
        }
    }
    let tasks: Vec<(&String, &Vec<u32>)> = table.tasks.iter().collect();
    if tasks.len() < 3 {
        let names = list(tasks.iter().map(|t| t.0.as_str()));
        let mend = "pre-training, held-out and fine-tuning need one each; choose another `task.task_column`";
        return Err(Error::file(
            path,
            format!("has too few tasks in `{}` ({names}); {mend}", cfg.task_column),
        ));
    }
    let part = if cfg.replacement { 1 } else { rows_needed };
    if let Some((name, rows)) = tasks.iter().find(|t| t.1.len() < part) {
        let what =
            format!("the task `{}` has {} rows, but a prompt takes {part}", one_line(name), rows.len());
        return Err(Error::file(path, format!("{what}; lower the shots or set `task.replacement = true`")));
    }

    let mut rng = SplitMix64::new(seed ^ STREAM);
    let parts = draw(&tasks, path, cfg, &mut rng, part)?;
    let mut order: Vec<u32> = Vec::with_capacity(table.lines.len());
    let mut group = |name: &str, rows: &[u32]| {
        let start = order.len() as u32;
        order.extend_from_slice(rows);
        Group { name: name.to_string(), start, len: rows.len() as u32 }
    };
    let pretrain: Vec<Group> = parts.pretrain.iter().map(|t| group(tasks[*t].0, tasks[*t].1)).collect();
    let heldout = parts.heldout.iter().map(|t| group(tasks[*t].0, tasks[*t].1)).collect();
    let (name, rows) = tasks[parts.target];
    let mut rows = rows.clone();
    rng.shuffle(&mut rows);
    let test = (cfg.target_test * rows.len() as f64).round() as usize;
    let (train, test) = rows.split_at(rows.len() - test.clamp(part, rows.len() - part));
    let (target_train, target_test) = (group(name, train), group(name, test));

    let pretrain_rows = pretrain.iter().map(|g| g.len as usize).sum();
    let (mean, std) = moments(&table, path, &order[..pretrain_rows])?;
    let rows = standardise(&table, path, &order, &mean, &std)?;
    Ok(TableData {
        name: stem(path),
        dim: table.columns.len(),
        columns: table.columns,
        target_column: table.target_column,
        rows,
        pretrain,
        heldout,
        target_train,
        target_test,
        mean,
        std,
    })
}

/// The file's name without `.gz` and without its extension.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = Path::new(name.strip_suffix(".gz").unwrap_or(&name)).file_stem();
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Draws the target, then the held-out tasks from the rest; what is left pre-trains.
fn draw(
    tasks: &[(&String, &Vec<u32>)],
    path: &Path,
    cfg: &Tables,
    rng: &mut SplitMix64,
    part: usize,
) -> Result<Parts> {
    let mend = "lower the shots or set `task.replacement = true`";
    let target = if cfg.target.is_empty() {
        let large: Vec<usize> = (0..tasks.len()).filter(|t| tasks[*t].1.len() >= 2 * part).collect();
        if large.is_empty() {
            let most = tasks.iter().map(|t| t.1.len()).max().unwrap_or(0);
            let what =
                format!("the largest task has {most} rows, but the one to fine-tune on needs {}", 2 * part);
            let why = format!("{part} to train and {part} to test");
            return Err(Error::file(path, format!("{what} ({why}); {mend}")));
        }
        large[rng.below(large.len())]
    } else {
        let Some(target) = tasks.iter().position(|t| *t.0 == cfg.target) else {
            let names = list(tasks.iter().map(|t| t.0.as_str()));
            let what = format!("`{}` is not a task of {}", one_line(&cfg.target), path.display());
            return Err(Error::config("task.target", format!("{what}; its tasks are {names}")));
        };
        let rows = tasks[target].1.len();
        if rows < 2 * part {
            let what = format!("`{}` has {rows} rows in {}", one_line(&cfg.target), path.display());
            let why = format!("but training and test take {part} each; name a larger task, {mend}");
            return Err(Error::config("task.target", format!("{what}, {why}")));
        }
        target
    };
    let mut rest: Vec<usize> = (0..tasks.len()).filter(|t| *t != target).collect();
    let share = (cfg.heldout * tasks.len() as f64).round() as usize;
    let count = share.clamp(1, rest.len() - 1);
    rng.draw_first(&mut rest, count);
    let (heldout, pretrain) = rest.split_at(count);
    Ok(Parts { pretrain: pretrain.to_vec(), heldout: heldout.to_vec(), target })
}

/// Mean and deviation of every column [d + 1] over `rows`.
fn moments(table: &Table, path: &Path, rows: &[u32]) -> Result<(Vec<f64>, Vec<f64>)> {
    let width = table.columns.len() + 1;
    let (mut means, mut stds) = (Vec::with_capacity(width), Vec::with_capacity(width));
    for at in 0..width {
        let values = || rows.iter().map(|r| table.values[*r as usize * width + at]);
        let bad = |what: &str| {
            Error::file(path, format!("the column `{}` {what}", one_line(column_name(table, at))))
        };
        let mean = values().sum::<f64>() / rows.len() as f64;
        let std = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows.len() as f64).sqrt();
        let first = values().next().unwrap_or(0.0);
        if values().all(|x| x == first) {
            return Err(bad(&format!("is always {first} in the tasks to pre-train on; remove the column")));
        }
        if !(std.is_finite() && std > 1e-150) {
            return Err(bad("has values too large or too close to standardise; rescale it"));
        }
        means.push(mean);
        stds.push(std);
    }
    Ok((means, stds))
}

/// The rows in `order`, standardised, in single precision.
fn standardise(table: &Table, path: &Path, order: &[u32], mean: &[f64], std: &[f64]) -> Result<Vec<f32>> {
    let width = mean.len();
    let mut out = Vec::with_capacity(order.len() * width);
    for row in order {
        let start = *row as usize * width;
        for at in 0..width {
            let value = ((table.values[start + at] - mean[at]) / std[at]) as f32;
            if !value.is_finite() {
                let message = "is too far from the mean of its column for single precision; remove the row";
                return Err(Error::Cell {
                    path: path.into(),
                    line: table.lines[*row as usize],
                    column: one_line(column_name(table, at)),
                    message: message.into(),
                });
            }
            out.push(value);
        }
    }
    Ok(out)
}

fn column_name(table: &Table, at: usize) -> &str {
    table.columns.get(at).unwrap_or(&table.target_column)
}
