//! CSV bytes to columns of numbers, every mistake named by line and column.

use super::{list, one_line};
use crate::config::Tables;
use crate::error::{Error, Result};
use crate::interrupt;
use csv::ByteRecord;
use std::collections::BTreeMap;
use std::path::Path;

/// What people write where a value is missing.
const MISSING: [&str; 7] = ["", "na", "n/a", "null", "none", "?", "-"];

/// A table as read: rows in file order, logarithms taken, nothing standardised.
pub(super) struct Table {
    /// The features.
    pub columns: Vec<String>,
    pub target_column: String,
    /// [R, d + 1], the target last.
    pub values: Vec<f64>,
    /// Line of each row in the file, from 1.
    pub lines: Vec<u64>,
    /// Row numbers of every task, by the task's name.
    pub tasks: BTreeMap<String, Vec<u32>>,
}

/// A numeric column: where it stands in a record and what is done with it.
struct Column {
    at: usize,
    name: String,
    log1p: bool,
}

struct Layout {
    width: usize,
    task: usize,
    task_name: String,
    /// The features, then the target.
    numbers: Vec<Column>,
}

pub(super) fn read(bytes: &[u8], path: &Path, cfg: &Tables) -> Result<Table> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut lines = Lines { bytes, seen: 0, line: 1 };
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| -> Result<Option<u64>> {
        let more = reader.read_byte_record(record).map_err(|e| Error::file(path, e))?;
        Ok(more.then(|| lines.at(record.position().map_or(0, |p| p.byte()))))
    };
    if next(&mut record)?.is_none() {
        return Err(Error::file(path, "is empty; it needs a header line and rows"));
    }
    let layout = Layout::new(&record, path, cfg)?;
    let mut table = Table {
        columns: layout.numbers[..layout.numbers.len() - 1].iter().map(|c| c.name.clone()).collect(),
        target_column: layout.numbers[layout.numbers.len() - 1].name.clone(),
        values: Vec::new(),
        lines: Vec::new(),
        tasks: BTreeMap::new(),
    };
    while let Some(line) = next(&mut record)? {
        interrupt::check(|| format!("line {line} of {}", path.display()))?;
        layout.row(&record, line, path, &mut table)?;
    }
    if table.lines.is_empty() {
        return Err(Error::file(path, "has a header but no rows; add rows below it"));
    }
    Ok(table)
}

impl Layout {
    fn new(header: &ByteRecord, path: &Path, cfg: &Tables) -> Result<Self> {
        let names = header_names(header, path)?;
        let all = || list(names.iter().map(String::as_str));
        let file = path.display();
        let place = |field: &str, name: &str| {
            names.iter().position(|n| n == name).ok_or_else(|| {
                let what = format!("`{}` is not a column of {file}", one_line(name));
                Error::config(field, format!("{what}; its columns are {}", all()))
            })
        };
        let task = place("task.task_column", &cfg.task_column)?;
        let mut numbers: Vec<usize> = (0..names.len()).filter(|i| *i != task).collect();
        if numbers.len() < 2 {
            let what = format!("has only the columns {}", all());
            return Err(Error::file(
                path,
                format!("{what}; it needs a task, one feature or more, and a target"),
            ));
        }
        if !cfg.target_column.is_empty() {
            let target = place("task.target_column", &cfg.target_column)?;
            if target == task {
                let what = format!("`{}` is the column of the tasks in {file}", one_line(&cfg.target_column));
                return Err(Error::config("task.target_column", format!("{what}; name a column of numbers")));
            }
            numbers.retain(|i| *i != target);
            numbers.push(target);
        }
        for name in &cfg.log1p {
            if place("task.log1p", name)? == task {
                let what = format!("`{}` is the column of the tasks in {file}", one_line(name));
                return Err(Error::config("task.log1p", format!("{what}; name columns of numbers")));
            }
        }
        let column =
            |at: usize| Column { at, name: names[at].clone(), log1p: cfg.log1p.contains(&names[at]) };
        let numbers = numbers.into_iter().map(column).collect();
        Ok(Layout { width: names.len(), task, task_name: names[task].clone(), numbers })
    }

    /// Appends one record to `table`.
    fn row(&self, record: &ByteRecord, line: u64, path: &Path, table: &mut Table) -> Result<()> {
        if record.len() != self.width {
            let what = format!("line {line} has {} cells, but the header has {}", record.len(), self.width);
            return Err(Error::file(path, format!("{what}; give every row one cell a column")));
        }
        let cell = |at: usize, name: &str| {
            std::str::from_utf8(&record[at]).map(str::trim).map_err(|_| {
                let what = "is not UTF-8; save the file as UTF-8".into();
                Error::Cell { path: path.into(), line, column: one_line(name), message: what }
            })
        };
        let task = cell(self.task, &self.task_name)?;
        if task.is_empty() {
            let message = "the row names no task; fill the cell or remove the row".into();
            let column = one_line(&self.task_name);
            return Err(Error::Cell { path: path.into(), line, column, message });
        }
        for column in &self.numbers {
            let value = number(cell(column.at, &column.name)?, column.log1p).map_err(|message| {
                Error::Cell { path: path.into(), line, column: one_line(&column.name), message }
            })?;
            table.values.push(value);
        }
        let row = u32::try_from(table.lines.len())
            .map_err(|_| Error::file(path, "has more than 2^32 rows; keep fewer"))?;
        table.lines.push(line);
        match table.tasks.get_mut(task) {
            Some(rows) => rows.push(row),
            None => drop(table.tasks.insert(task.to_string(), vec![row])),
        }
        Ok(())
    }
}

/// The column names, trimmed; each must be there once.
fn header_names(header: &ByteRecord, path: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (at, cell) in header.iter().enumerate() {
        let what = |problem: &str| Error::file(path, format!("column {} of the header {problem}", at + 1));
        let name =
            std::str::from_utf8(cell).map_err(|_| what("is not UTF-8; save the file as UTF-8"))?.trim();
        if name.is_empty() {
            return Err(what("has no name; name it, or remove the column"));
        }
        names.push(name.to_string());
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(w) => Err(Error::file(path, format!("has two columns `{}`; rename one", one_line(w[0])))),
        None => Ok(names),
    }
}

/// The value of a cell, or what is wrong with it.
fn number(cell: &str, log1p: bool) -> std::result::Result<f64, String> {
    if MISSING.contains(&cell.to_ascii_lowercase().as_str()) {
        let shown = if cell.is_empty() { String::new() } else { format!(" (`{}`)", one_line(cell)) };
        return Err(format!("the value is missing{shown}; fill it in or remove the row"));
    }
    let value: f64 = cell.parse().map_err(|_| {
        let what = format!("`{}` is not a number", one_line(cell));
        format!("{what}; write it like 1234.5, or remove the column if it holds text")
    })?;
    if !value.is_finite() {
        return Err(format!("`{}` is not finite; remove the row", one_line(cell)));
    }
    if log1p && value <= -1.0 {
        return Err(format!("log(1 + {value}) does not exist; take the column out of `task.log1p`"));
    }
    Ok(if log1p { value.ln_1p() } else { value })
}

/// Line numbers by counting line ends, because the reader's own count is off after blank lines and CR LF.
struct Lines<'a> {
    bytes: &'a [u8],
    seen: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that the reader began at `byte`; calls must go forward.
    fn at(&mut self, byte: u64) -> u64 {
        let mut start = (byte as usize).min(self.bytes.len());
        while matches!(self.bytes.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        let ends = |at: &usize| match self.bytes[*at] {
            b'\n' => true,
            b'\r' => self.bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += (self.seen.min(start)..start).filter(ends).count() as u64;
        self.seen = self.seen.max(start);
        self.line
    }
}
