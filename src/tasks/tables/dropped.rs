//! Rows left out for a missing value, so that they are told of and not just gone.

use super::list;
use crate::error::shown;
use std::collections::BTreeMap;

/// How many rows were left out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// In all.
    pub rows: usize,
    /// By the first column in which the row has no value.
    pub by_column: BTreeMap<String, usize>,
    /// By the row's task; a row that names none is under "".
    pub by_task: BTreeMap<String, usize>,
}

impl Dropped {
    pub(super) fn note(&mut self, column: &str, task: &str) {
        self.rows += 1;
        *self.by_column.entry(column.to_string()).or_default() += 1;
        *self.by_task.entry(task.to_string()).or_default() += 1;
    }

    /// `b: 2, y: 1`.
    pub(super) fn columns(&self) -> String {
        let columns: Vec<String> =
            self.by_column.iter().map(|(name, rows)| format!("{}: {rows}", shown(name))).collect();
        columns.join(", ")
    }

    /// What is said of a task that is too small: ` (2 more have a value missing)`, or nothing.
    pub(super) fn of_task(&self, task: &str) -> String {
        self.by_task.get(task).map(|rows| format!(" ({rows} more have a value missing)")).unwrap_or_default()
    }

    /// Tasks of which no row is left.
    pub(super) fn lost_tasks<T>(&self, left: &BTreeMap<String, T>) -> Vec<String> {
        self.by_task.keys().filter(|task| !task.is_empty() && !left.contains_key(*task)).cloned().collect()
    }

    /// The end of the line about the data.
    pub(super) fn described(&self, tasks: &[String]) -> String {
        if self.rows == 0 {
            return String::new();
        }
        let rows = if self.rows == 1 { "1 row".to_string() } else { format!("{} rows", self.rows) };
        let tasks = if tasks.is_empty() {
            String::new()
        } else {
            format!(", and with them the tasks {}", list(tasks.iter().map(String::as_str)))
        };
        format!("; {rows} dropped for a missing value ({}){tasks}", self.columns())
    }
}
