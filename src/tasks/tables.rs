//! Many small regression tables in one CSV file: a task is all rows with the same value of one column.
//!
//! The tasks are split by the seed into three: those to pre-train on, those held out from all training, and
//! the one to fine-tune on, whose rows are split into training and test rows. Every column is standardised
//! with the mean and deviation of the pre-training rows alone, so nothing leaks from the others.

mod cell;
mod dropped;
mod header;
mod lines;
mod names;
mod problem;
mod read;
mod split;
mod spread;

pub use dropped::Dropped;
pub use problem::open;

use super::input;
use crate::config::Tables;
use crate::error::{Result, shown};
use crate::fingerprint::FileRead;
use std::path::Path;

/// The table that ships: prices of round-cut diamonds, a task per cut, colour and clarity.
const DIAMONDS: &[u8] = include_bytes!("../../tests/data/diamonds.csv.gz");

/// Rows `start .. start + len` of [`TableData::rows`], all of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As its column has it.
    pub name: String,
    /// First row.
    pub start: u32,
    /// Rows.
    pub len: u32,
}

/// A table split into tasks and standardised.
#[derive(Clone, Debug, PartialEq)]
pub struct TableData {
    /// The file's name without its extension.
    pub name: String,
    /// The features, in the order of `rows`.
    pub columns: Vec<String>,
    /// As the header has it.
    pub target_column: String,
    /// Features a row, d.
    pub dim: usize,
    /// [R, d + 1], row-major: the features, then the target, each less its mean and over its deviation.
    pub rows: Vec<f32>,
    /// Tasks to pre-train on.
    pub pretrain: Vec<Group>,
    /// Tasks in neither pre-training nor fine-tuning.
    pub heldout: Vec<Group>,
    /// Rows of the target task to fine-tune on; shares its name with `target_test`.
    pub target_train: Group,
    /// Rows of the target task kept for its evaluation.
    pub target_test: Group,
    /// Mean of each column over the pre-training rows [d + 1], in the table's units (after log1p).
    pub mean: Vec<f64>,
    /// Standard deviation likewise [d + 1].
    pub std: Vec<f64>,
    /// Rows left out for a missing value.
    pub dropped: Dropped,
    /// Tasks that lost all their rows so.
    pub dropped_tasks: Vec<String>,
}

impl TableData {
    /// No rows yet, of `dim` features that are taken as they are.
    pub fn bare(dim: usize) -> TableData {
        let none = || Group { name: String::new(), start: 0, len: 0 };
        TableData {
            name: String::new(),
            columns: Vec::new(),
            target_column: String::new(),
            dim,
            rows: Vec::new(),
            pretrain: Vec::new(),
            heldout: Vec::new(),
            target_train: none(),
            target_test: none(),
            mean: vec![0.0; dim + 1],
            std: vec![1.0; dim + 1],
            dropped: Dropped::default(),
            dropped_tasks: Vec::new(),
        }
    }

    /// The d features and the target of row `id`.
    pub fn row(&self, id: u32) -> (&[f32], f32) {
        let at = id as usize * (self.dim + 1);
        (&self.rows[at..at + self.dim], self.rows[at + self.dim])
    }

    /// One line of plain text about the data and its split.
    pub fn description(&self) -> String {
        format!(
            "{}: {} tasks to pre-train on, {} held out, {} fine-tuned on ({} rows to train, {} to test); {} from {}{}",
            self.name,
            self.pretrain.len(),
            self.heldout.len(),
            self.target_train.name,
            self.target_train.len,
            self.target_test.len,
            self.target_column,
            self.columns.join(", "),
            self.dropped.described(&self.dropped_tasks),
        )
    }
}

/// Reads, splits and standardises the table that `cfg` names; an empty path is the `diamonds` table that
/// ships. A gzip file is read as what it holds, all members of it. `rows_needed` is the rows of a prompt, its query included.
///
/// At least one task is held out and at least one pre-trains, whatever the share. The target's parts keep at
/// least `rows_needed` rows each, whatever `target_test` (1 with replacement). The same file, configuration
/// and seed give the same data, whatever the order of the tasks in the file.
///
/// # Errors
/// [`File`](crate::Error::File) or [`Cell`](crate::Error::Cell) for what is wrong with the file,
/// [`Config`](crate::Error::Config) for a field of the experiment that does not fit it; the message names the file, line
/// and column, and the mend.
pub fn load(cfg: &Tables, seed: u64, rows_needed: usize) -> Result<TableData> {
    load_read(cfg, seed, rows_needed).map(|(data, _)| data)
}

/// [`load`], and what file it was.
fn load_read(cfg: &Tables, seed: u64, rows_needed: usize) -> Result<(TableData, FileRead)> {
    let read = |bytes: &[u8], path: &Path| {
        Ok((parse(bytes, path, cfg, seed, rows_needed)?, FileRead::of(path, bytes)))
    };
    if cfg.path.as_os_str().is_empty() {
        return read(DIAMONDS, Path::new("diamonds.csv.gz"));
    }
    let bytes = input::read(&cfg.path, "task.path")?;
    read(&bytes, &cfg.path)
}

/// [`load`] from bytes already in memory; `path` is what the messages call them.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8], path: &Path, cfg: &Tables, seed: u64, rows_needed: usize) -> Result<TableData> {
    let text = input::text(bytes, path)?;
    let table = read::read(&text, path, cfg)?;
    split::split(table, path, cfg, seed, rows_needed.max(1))
}

/// Names for a message: quoted, on one line, and not too many of them.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = names.into_iter().collect();
    let some: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{}`", shown(n))).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}
