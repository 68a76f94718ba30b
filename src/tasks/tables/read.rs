//! CSV bytes to columns of numbers, every mistake named by line and column.

use super::Dropped;
use super::cell::{is_missing, number};
use super::header::{self, Layout, gap, ragged};
use super::lines::{self, Records, spread};
use super::names::{difference, fold, tidy};
use crate::config::{Missing, Tables};
use crate::error::{Error, Result, shown};
use crate::interrupt;
use csv::ByteRecord;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

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
    pub dropped: Dropped,
}

/// The table in a text.
pub(super) fn read(text: &[u8], path: &Path, cfg: &Tables) -> Result<Table> {
    let (delimiter, behind) = header::separator(text, path, cfg.delimiter)?;
    let (text, first) = behind.map_or((text, 1), |text| (text, 2));
    if let Some(line) = lines::unclosed_quote(text, first, delimiter) {
        let what = format!("the quote that opens on line {line} is never closed");
        return Err(Error::file(path, format!("{what}; close it where the cell ends, or take it out")));
    }
    let mut records = Records::new(text, first, delimiter, path);
    let (names, line) = header::names(&mut records, path, cfg)?;
    let cfg = &Tables { delimiter, ..cfg.clone() };
    let layout = Layout::new(&names, &raw_line(text, line - first), line, path, cfg)?;
    let name = |at: usize| layout.numbers[at].name.clone();
    let mut rows = Rows {
        table: Table {
            columns: (0..layout.numbers.len() - 1).map(name).collect(),
            target_column: name(layout.numbers.len() - 1),
            values: Vec::new(),
            lines: Vec::new(),
            tasks: BTreeMap::new(),
            dropped: Dropped::default(),
        },
        layout,
        path,
        cfg,
    };
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        interrupt::check(|| format!("line {line} of {}", path.display()))?;
        rows.add(&record, line)?;
    }
    rows.finish()
}

/// A line of the text as it stands there, counted from 0.
fn raw_line(text: &[u8], number: u64) -> String {
    let text =
        String::from_utf8_lossy(&text[..text.len().min(1 << 20)]).replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').nth(number as usize).unwrap_or_default().to_string()
}

struct Rows<'a> {
    table: Table,
    layout: Layout,
    path: &'a Path,
    cfg: &'a Tables,
}

impl Rows<'_> {
    fn error(&self, line: u64, column: &str, message: String) -> Error {
        Error::Cell { path: self.path.into(), line, column: shown(column), message }
    }

    fn cell<'r>(&self, record: &'r ByteRecord, line: u64, at: usize, name: &str) -> Result<&'r str> {
        std::str::from_utf8(&record[at]).map(str::trim).map_err(|e| {
            let byte = record[at][e.valid_up_to()];
            let what =
                format!("is not UTF-8 (byte 0x{byte:02x}; Latin-1 or Windows-1252?); save the file as UTF-8");
            self.error(line, name, what)
        })
    }

    /// Appends one record, or counts it as dropped. One that begins with `#` and is no row is a comment.
    fn add(&mut self, record: &ByteRecord, line: u64) -> Result<()> {
        if record.len() != self.layout.width {
            if record.get(0).is_some_and(|cell| cell.starts_with(b"#")) {
                return Ok(());
            }
            return Err(Error::file(self.path, ragged(record, line, &self.layout, self.cfg)));
        }
        let task = self.cell(record, line, self.layout.task, &self.layout.task_name)?;
        if let Some((from, to)) = spread(record, line).filter(|_| task.contains(['\n', '\r'])) {
            let what = format!(
                "the quote that opens on line {from} is closed only on line {to}; close it where the cell ends"
            );
            return Err(self.error(line, &self.layout.task_name, what));
        }
        if task.is_empty() {
            let alone = record.iter().all(|cell| cell.trim_ascii().is_empty());
            let no_task = || "the row names no task; fill the cell or remove the row".to_string();
            let name = &self.layout.task_name;
            return match gap("", alone, self.cfg.missing) {
                Some(message) => Err(self.error(line, name, if alone { message } else { no_task() })),
                None => {
                    self.table.dropped.note(name, "");
                    Ok(())
                }
            };
        }
        let task = tidy(task);
        let kept = self.table.values.len();
        for column in &self.layout.numbers {
            let cell = self.cell(record, line, column.at, &column.name)?;
            if is_missing(cell) {
                if let Some(message) = gap(cell, false, self.cfg.missing) {
                    return Err(self.error(line, &column.name, message));
                }
                self.table.values.truncate(kept);
                self.table.dropped.note(&column.name, &task);
                return Ok(());
            }
            if cell == column.name {
                let what = "is the header again (of a file put behind another?); remove the line";
                return Err(self.error(line, &column.name, what.into()));
            }
            let value = number(cell, column.log1p, self.cfg.decimal);
            self.table.values.push(value.map_err(|message| self.error(line, &column.name, message))?);
        }
        let row = u32::try_from(self.table.lines.len())
            .map_err(|_| Error::file(self.path, "has more than 2^32 rows; keep fewer"))?;
        self.table.lines.push(line);
        self.table.tasks.entry(task).or_default().push(row);
        Ok(())
    }

    fn finish(self) -> Result<Table> {
        let table = self.table;
        if table.lines.is_empty() && table.dropped.rows > 0 {
            let columns = table.dropped.columns();
            return Err(Error::file(
                self.path,
                format!(
                    "has a value missing in every row ({columns}); name the columns to use in `task.features`"
                ),
            ));
        }
        if table.lines.is_empty() {
            return Err(Error::file(self.path, "has a header but no rows; add rows below it"));
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for name in table.tasks.keys() {
            match seen.entry(fold(name)) {
                Entry::Vacant(place) => drop(place.insert(name)),
                Entry::Occupied(other) => {
                    let at = |name: &str| table.lines[table.tasks[name][0] as usize];
                    let place = |name: &str| format!("`{}` (line {})", shown(name), at(name));
                    let how = difference(other.get(), name);
                    let what = format!(
                        "has the tasks {} and {}, which differ only in {how}",
                        place(other.get()),
                        place(name)
                    );
                    return Err(Error::file(self.path, format!("{what}; write them alike, or rename one")));
                }
            }
        }
        debug_assert!(self.cfg.missing == Missing::Drop || table.dropped.rows == 0);
        Ok(table)
    }
}
