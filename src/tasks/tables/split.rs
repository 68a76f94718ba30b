//! The split of a table's tasks by the seed, and its standardisation.

use super::names::{near, tidy};
use super::read::Table;
use super::spread::{moments, standardise};
use super::{Group, TableData, list};
use crate::config::Tables;
use crate::error::{Error, Result, shown};
use crate::random::splitmix::SplitMix64;
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
        let lost = table.dropped.lost_tasks(&table.tasks);
        let lost = if lost.is_empty() {
            String::new()
        } else {
            format!(", with {} lost to missing values", list(lost.iter().map(String::as_str)))
        };
        let mend = "pre-training, held-out and fine-tuning need one each; choose another `task.task_column`";
        let what = format!("has too few tasks in `{}` ({names}{lost})", shown(&cfg.task_column));
        return Err(Error::file(path, format!("{what}; {mend}")));
    }
    let part = if cfg.replacement { 1 } else { rows_needed };
    if let Some((name, rows)) = tasks.iter().find(|t| t.1.len() < part) {
        let lost = table.dropped.of_task(name);
        let shown = shown(name);
        let what = format!("the task `{shown}` has {} rows{lost}, but a prompt takes {part}", rows.len());
        return Err(Error::file(path, format!("{what}; lower the shots or set `task.replacement = true`")));
    }

    let mut rng = SplitMix64::new(seed ^ STREAM);
    let parts = draw(&table, &tasks, path, cfg, &mut rng, part)?;
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
    let dropped_tasks = table.dropped.lost_tasks(&table.tasks);
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
        dropped: table.dropped,
        dropped_tasks,
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
    table: &Table,
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
        let wanted = tidy(&cfg.target);
        let Some(target) = tasks.iter().position(|t| *t.0 == wanted) else {
            let all: Vec<&str> = tasks.iter().map(|t| t.0.as_str()).collect();
            let hint = near(&wanted, &all).map(|n| format!("did you mean `{}`? ", shown(n)));
            let what = format!("`{}` is not a task of {}", shown(&cfg.target), path.display());
            let names = list(all);
            let hint = hint.unwrap_or_default();
            return Err(Error::config("task.target", format!("{what}; {hint}its tasks are {names}")));
        };
        let rows = tasks[target].1.len();
        if rows < 2 * part {
            let lost = table.dropped.of_task(&wanted);
            let what = format!("`{}` has {rows} rows{lost} in {}", shown(&cfg.target), path.display());
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
