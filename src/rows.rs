//! CSV files of typed rows: a header, a record a row, and in the last column the fingerprint of what the row was made from,
//! because a column is what every reader of CSV keeps, and what stays when a file is copied or joined with others.

use crate::error::{Error, Result, shown};
use std::path::Path;

/// The name of the last column.
const FINGERPRINT: &str = "fingerprint";

/// The columns of a file before the fingerprint's.
pub struct Columns {
    /// Those before the axes'.
    pub first: &'static [&'static str],
    /// Whether a column an axis follows.
    pub axes: bool,
    /// Those behind.
    pub last: &'static [&'static str],
}

/// A row, written and read.
pub trait Record: Sized {
    /// Of its file.
    const COLUMNS: Columns;

    /// Its cells, one a column.
    fn cells(&self) -> Vec<String>;

    /// From a line's cells.
    ///
    /// # Errors
    /// A cell that is no number; the message names the line and column.
    fn read(cells: &Cells) -> Result<Self>;
}

/// What a file holds.
#[derive(Debug, PartialEq)]
pub struct Rows<T> {
    /// The axes' keys.
    pub keys: Vec<String>,
    /// In the order of the file.
    pub rows: Vec<T>,
    /// That of all rows; none in files from before it was written.
    pub fingerprint: Option<String>,
}

/// The text of a file, each row with its fingerprint. `keys` are those of the axes that the rows have values of.
pub fn write<'r, T: Record + 'r>(keys: &[&str], rows: impl IntoIterator<Item = (&'r T, &'r str)>) -> String {
    let Columns { first, last, .. } = T::COLUMNS;
    let mut table = CsvText::new([first, keys, last, &[FINGERPRINT]].concat());
    for (row, fingerprint) in rows {
        table.row(row.cells().iter().map(String::as_str).chain([fingerprint]));
    }
    table.text()
}

/// Reads the text of a file.
///
/// # Errors
/// Another header, a row of another length or of another experiment, or a cell that is no number; the message names the
/// line and column.
pub fn read<T: Record>(path: &Path, text: &str) -> Result<Rows<T>> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| Error::file(path, e))?.clone();
    let Columns { first, axes, last } = T::COLUMNS;
    let fixed = first.len() + last.len();
    let signed = header.len() > fixed && header.iter().next_back() == Some(FINGERPRINT);
    let width = header.len() - usize::from(signed);
    let keys = if axes { width.saturating_sub(fixed) } else { 0 };
    let ours = |columns: std::ops::Range<usize>| header.iter().take(columns.end).skip(columns.start);
    if !ours(0..first.len()).chain(ours(first.len() + keys..width)).eq([first, last].concat()) {
        let need = match axes {
            true => format!("{}, the axes, then {},{FINGERPRINT}", first.join(","), last.join(",")),
            false => format!("`{}`", [first, last].concat().join(",")),
        };
        let found = header.iter().map(shown).collect::<Vec<_>>().join(",");
        return Err(Error::file(path, format!("line 1: the header is `{found}`, it must be {need}")));
    }
    let (mut rows, mut fingerprint) = (Vec::new(), None);
    for record in reader.records() {
        let record = record.map_err(|e| Error::file(path, e))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let message = format!("line {line}: {} fields, the header has {}", record.len(), header.len());
            return Err(Error::file(path, message));
        }
        if signed {
            one_sign(path, line, &mut fingerprint, &record[width])?;
        }
        rows.push(T::read(&Cells { path, line, columns: T::COLUMNS, keys, record: &record })?);
    }
    let keys = ours(first.len()..first.len() + keys).map(String::from).collect();
    Ok(Rows { keys, rows, fingerprint })
}

/// Holds that all rows of a file carry the same fingerprint.
fn one_sign(path: &Path, line: u64, known: &mut Option<String>, found: &str) -> Result<()> {
    match known {
        Some(known) if known != found => {
            let (known, found) = (shown(known), shown(found));
            let message = format!(
                "line {line}: the fingerprint is `{found}`, before it was `{known}`: rows of two experiments"
            );
            Err(Error::file(path, message))
        }
        Some(_) => Ok(()),
        None => {
            *known = Some(found.to_string());
            Ok(())
        }
    }
}

/// The cells of a line.
pub struct Cells<'a> {
    path: &'a Path,
    line: u64,
    columns: Columns,
    /// How many axes there are.
    keys: usize,
    record: &'a csv::StringRecord,
}

impl Cells<'_> {
    /// The text of a column of the record's.
    pub fn text(&self, column: &str) -> &str {
        let Columns { first, last, .. } = self.columns;
        let place =
            first.iter().chain(last).position(|name| *name == column).expect("a column of the record");
        &self.record[if place < first.len() { place } else { place + self.keys }]
    }

    /// One an axis; none where the cell is empty.
    pub fn values(&self) -> Vec<Option<String>> {
        let cells = self.record.iter().skip(self.columns.first.len()).take(self.keys);
        cells.map(|text| (!text.is_empty()).then(|| text.to_string())).collect()
    }

    /// The number of a column.
    ///
    /// # Errors
    /// It is none.
    pub fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T> {
        let text = self.text(column);
        text.parse().map_err(|_| self.wrong(column, format!("`{}` is not a number", shown(text))))
    }

    /// The number of a column; none where the cell is empty.
    ///
    /// # Errors
    /// It is neither.
    pub fn optional(&self, column: &str) -> Result<Option<f64>> {
        if self.text(column).is_empty() { Ok(None) } else { self.number(column).map(Some) }
    }

    /// That a column's cell is wrong.
    pub fn wrong(&self, column: &str, message: String) -> Error {
        Error::Cell { path: self.path.to_path_buf(), line: self.line, column: column.to_string(), message }
    }
}

/// Values of axes as cells.
pub fn cells(values: &[Option<String>]) -> impl Iterator<Item = String> {
    values.iter().map(|value| value.clone().unwrap_or_default())
}

/// A number as a cell, which is empty where there is none.
pub fn number(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// CSV under way.
pub struct CsvText {
    writer: csv::Writer<Vec<u8>>,
}

impl CsvText {
    /// With a header.
    pub fn new<'c>(header: impl IntoIterator<Item = &'c str>) -> CsvText {
        let mut table = CsvText { writer: csv::Writer::from_writer(Vec::new()) };
        table.row(header);
        table
    }

    /// Adds a row of as many cells as the header has.
    pub fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) {
        self.writer.write_record(cells).expect("memory takes rows, which are as wide as the header");
    }

    /// All of it.
    pub fn text(self) -> String {
        let bytes = self.writer.into_inner().expect("memory takes all");
        String::from_utf8(bytes).expect("cells are text")
    }
}
