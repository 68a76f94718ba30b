//! What a table says before its rows: the separator that Excel notes, comments, and the names of the columns.

use super::cell::{is_missing, number};
use super::lines::Records;
use super::list;
use super::names::{difference, fold, near, tidy};
use crate::config::{Delimiter, Missing, Tables};
use crate::error::{Error, Result, shown};
use csv::ByteRecord;
use std::path::Path;

/// A numeric column: where it stands in a record and what is done with it.
pub(super) struct Column {
    pub at: usize,
    pub name: String,
    pub log1p: bool,
}

/// Which columns are used.
pub(super) struct Layout {
    pub width: usize,
    pub task: usize,
    pub task_name: String,
    /// The features, then the target.
    pub numbers: Vec<Column>,
}

/// What the first line says of the separator, as Excel writes it (`sep=;`): the delimiter, and the text behind that line.
pub(super) fn separator<'t>(
    text: &'t [u8],
    path: &Path,
    asked: Delimiter,
) -> Result<(Delimiter, Option<&'t [u8]>)> {
    let end = text.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(text.len());
    let line = text[..end].trim_ascii_start();
    let quoted = line.starts_with(b"\"");
    let line = if quoted { line[1..].strip_suffix(b"\"").unwrap_or(&line[1..]) } else { line };
    let Some(said) = line.get(..4).filter(|l| l.eq_ignore_ascii_case(b"sep=")).map(|_| &line[4..]) else {
        return Ok((asked, None));
    };
    // `sep=,` may end in empty cells of its own.
    let Some(said) = said.first().and_then(|byte| Delimiter::ALL.into_iter().find(|d| d.byte() == *byte))
    else {
        let what = format!("line 1 says `{}`", shown(&String::from_utf8_lossy(&text[..end])));
        return Err(Error::file(
            path,
            format!("{what}, which is no delimiter that floe reads; separate cells by commas"),
        ));
    };
    if asked != Delimiter::Comma && asked != said {
        let what = format!(
            "line 1 says that `{}` separates cells, but `task.delimiter` is \"{}\"",
            said.shown(),
            asked.shown()
        );
        return Err(Error::file(path, format!("{what}; take one of them out")));
    }
    let next = end + usize::from(text[end..].starts_with(b"\r\n"));
    Ok((said, Some(text.get(next + 1..).unwrap_or_default())))
}

/// The names of the columns, tidy, and their line. Lines before them that begin with `#` are comments, unless one has
/// the task column in it: then it is the header, as `numpy.savetxt` writes it.
pub(super) fn names(records: &mut Records, path: &Path, cfg: &Tables) -> Result<(Vec<String>, u64)> {
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        let cells = cells(&record, line, path)?;
        let wanted = tidy(&cfg.task_column);
        if !cells[0].starts_with('#') || cells.contains(&wanted) {
            return Ok((cells, line));
        }
        let mut bare = cells.clone();
        bare[0] = tidy(cells[0].trim_start_matches('#'));
        bare.retain(|cell| !cell.is_empty());
        if bare.contains(&wanted) && bare.len() > 1 {
            return Ok((bare, line));
        }
    }
    Err(Error::file(path, "is empty; it needs a header line and rows"))
}

fn cells(record: &ByteRecord, line: u64, path: &Path) -> Result<Vec<String>> {
    let cell = |(at, cell): (usize, &[u8])| {
        std::str::from_utf8(cell).map(tidy).map_err(|e| {
            let byte = cell[e.valid_up_to()];
            let what = format!("column {} of the header (line {line}) is not UTF-8", at + 1);
            Error::file(path, format!("{what} (byte 0x{byte:02x}; Latin-1?); save the file as UTF-8"))
        })
    };
    record.iter().enumerate().map(cell).collect()
}

impl Layout {
    /// The columns that `cfg` names of a header. `raw` is its line in the file.
    pub fn new(names: &[String], raw: &str, line: u64, path: &Path, cfg: &Tables) -> Result<Self> {
        let file = path.display();
        let header = Header { names, path };
        let task = match header.place("task.task_column", &cfg.task_column) {
            Ok(task) => task,
            Err(unknown) => return Err(header.suspect(raw, line, cfg).unwrap_or(unknown)),
        };
        if names.len() < 3 {
            let what = format!("has only the columns {}", header.all());
            return Err(Error::file(
                path,
                format!("{what}; it needs a task, one feature or more, and a target"),
            ));
        }
        let number = |field: &str, name: &str| {
            let at = header.place(field, name)?;
            if at == task {
                let what = format!("`{}` is the column of the tasks in {file}", shown(name));
                return Err(Error::config(field, format!("{what}; name a column of numbers")));
            }
            Ok(at)
        };
        let last = (0..names.len()).rev().find(|at| *at != task).expect("there are three columns");
        let target = match cfg.target_column.as_str() {
            "" => last,
            name => number("task.target_column", name)?,
        };
        let mut numbers = Vec::new();
        for name in &cfg.features {
            let at = number("task.features", name)?;
            if at == target || numbers.contains(&at) {
                let why = if at == target {
                    "is the column to predict (`task.target_column`)"
                } else {
                    "is there twice"
                };
                return Err(Error::config("task.features", format!("`{}` {why}; leave it out", shown(name))));
            }
            numbers.push(at);
        }
        if cfg.features.is_empty() {
            numbers = (0..names.len()).filter(|at| *at != task && *at != target).collect();
        }
        numbers.push(target);
        header.distinct(task, &numbers)?;
        let logs = cfg.log1p.iter().map(|name| number("task.log1p", name)).collect::<Result<Vec<usize>>>()?;
        let column = |at: usize| Column { at, name: names[at].clone(), log1p: logs.contains(&at) };
        let numbers = numbers.into_iter().map(column).collect();
        Ok(Layout { width: names.len(), task, task_name: names[task].clone(), numbers })
    }
}

struct Header<'a> {
    names: &'a [String],
    path: &'a Path,
}

impl Header<'_> {
    fn all(&self) -> String {
        list(self.names.iter().map(String::as_str))
    }

    /// Where the column of a name stands; `field` is the setting that names it.
    fn place(&self, field: &str, name: &str) -> Result<usize> {
        let wanted = tidy(name);
        self.names.iter().position(|n| *n == wanted).ok_or_else(|| {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let hint =
                near(&wanted, &names).map(|n| format!("did you mean `{}`? ", shown(n))).unwrap_or_default();
            let what = format!("`{}` is not a column of {}", shown(name), self.path.display());
            Error::config(field, format!("{what}; {hint}its columns are {}", self.all()))
        })
    }

    /// Every column that is used has a name of its own, and one that can be told from the others.
    fn distinct(&self, task: usize, numbers: &[usize]) -> Result<()> {
        let bad = |what: String| Err(Error::file(self.path, what));
        let used: Vec<usize> = std::iter::once(task).chain(numbers.iter().copied()).collect();
        for at in used {
            let name = &self.names[at];
            if name.is_empty() {
                let mend = "name it, or list the columns to use in `task.features`";
                return bad(format!("column {} of the header has no name; {mend}", at + 1));
            }
            let other = |to: &usize| *to != at && self.names[*to] == *name;
            if (0..self.names.len()).any(|to| other(&to)) {
                return bad(format!("has two columns `{}`; rename one", shown(name)));
            }
            let alike = |to: &&usize| **to != at && fold(&self.names[**to]) == fold(name);
            if let Some(to) = std::iter::once(&task).chain(numbers).find(alike) {
                let (a, b) = (&self.names[at.min(*to)], &self.names[at.max(*to)]);
                let what = format!(
                    "has the columns `{}` and `{}`, which differ only in {}",
                    shown(a),
                    shown(b),
                    difference(a, b)
                );
                return bad(format!("{what}; rename one"));
            }
        }
        Ok(())
    }

    /// Why the task column is not there, where the header tells: no header at all, or another delimiter.
    fn suspect(&self, raw: &str, line: u64, cfg: &Tables) -> Option<Error> {
        let numeric = |cell: &&String| !is_missing(cell) && number(cell, false, cfg.decimal).is_ok();
        let numbers = self.names.iter().filter(numeric).count();
        if let Some(delimiter) = other_delimiter(raw, cfg) {
            let what = format!(
                "line {line} is not separated by `{}` but, it seems, by `{}`",
                cfg.delimiter.shown(),
                delimiter.shown()
            );
            let decimal = if delimiter == Delimiter::Semicolon {
                " (and task.decimal = \",\" if numbers are like 1,5)"
            } else {
                ""
            };
            let mend = format!("set task.delimiter = \"{}\"{decimal}", delimiter.shown());
            return Some(Error::file(self.path, format!("{what}; {mend}")));
        }
        if numbers > 0 && numbers + 1 >= self.names.len() {
            let what = format!("has no header: line {line} holds numbers ({})", self.all());
            return Some(Error::file(
                self.path,
                format!("{what}; put a line with the columns' names on top"),
            ));
        }
        None
    }
}

/// The delimiter by which the header has the task column, or else three columns where it has one now.
fn other_delimiter(raw: &str, cfg: &Tables) -> Option<Delimiter> {
    let parts = |d: &Delimiter| -> Vec<String> {
        raw.split(d.byte() as char)
            .map(|cell| fold(cell.trim_matches('"')))
            .filter(|c| !c.is_empty())
            .collect()
    };
    let others = || Delimiter::ALL.into_iter().filter(|d| *d != cfg.delimiter);
    let wanted = fold(&cfg.task_column);
    let named = others().find(|d| parts(d).len() > 1 && parts(d).contains(&wanted));
    let single = parts(&cfg.delimiter).len() == 1;
    named.or_else(|| others().filter(|d| *d != Delimiter::Space).find(|d| single && parts(d).len() > 2))
}

/// What a row of another length than the header's is told.
pub(super) fn ragged(record: &ByteRecord, line: u64, layout: &Layout, cfg: &Tables) -> String {
    let what = format!("line {line} has {} cells, but the header has {}", record.len(), layout.width);
    let cell =
        |at: usize| record.get(at).and_then(|c| std::str::from_utf8(c).ok()).unwrap_or_default().trim();
    if let Some((from, to)) = super::lines::spread(record, line) {
        return format!(
            "{what}: the quote that opens on line {from} is closed only on line {to}; close it where the cell ends"
        );
    }
    let hint = if record.len() == layout.width + 1 && cell(layout.width).is_empty() {
        "take the delimiter at its end away"
    } else if cfg.delimiter == Delimiter::Comma && record.len() > layout.width {
        "give every row one cell a column (what has a comma in it stands in quotes; a first cell that names the row \
         needs a name in the header)"
    } else {
        "give every row one cell a column"
    };
    format!("{what}; {hint}")
}

/// The mend of a gap.
pub(super) fn gap(cell: &str, alone: bool, missing: Missing) -> Option<String> {
    if missing == Missing::Drop {
        return None;
    }
    let drop = "set task.missing = \"drop\" to leave such rows out";
    Some(match (alone, cell) {
        (true, _) => format!("the row is empty; remove it, or {drop}"),
        (false, "") => format!("the value is missing; fill it in or remove the row, or {drop}"),
        (false, cell) => {
            format!("the value is missing (`{}`); fill it in or remove the row, or {drop}", shown(cell))
        }
    })
}
