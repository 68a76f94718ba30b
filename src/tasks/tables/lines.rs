//! Records and the lines they stand on.

use crate::config::Delimiter;
use crate::error::{Error, Result};
use csv::ByteRecord;
use std::path::Path;

/// The records of a text.
pub(super) struct Records<'a> {
    reader: csv::Reader<&'a [u8]>,
    lines: Lines<'a>,
    delimiter: Delimiter,
    path: &'a Path,
}

impl<'a> Records<'a> {
    /// Of `text`, whose first line is line `first` of the file.
    pub fn new(text: &'a [u8], first: u64, delimiter: Delimiter, path: &'a Path) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter.byte());
        let lines = Lines { bytes: text, seen: 0, line: first };
        Records { reader: builder.from_reader(text), lines, delimiter, path }
    }

    /// Reads the next record and returns its line.
    pub fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>> {
        while self.reader.read_byte_record(record).map_err(|e| Error::file(self.path, e))? {
            let line = self.lines.at(record.position().map_or(0, |p| p.byte()));
            if self.delimiter == Delimiter::Space && record.iter().any(<[u8]>::is_empty) {
                *record = record.iter().filter(|cell| !cell.is_empty()).collect();
            }
            // A line of spaces is as blank as one of nothing.
            if !record.is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
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
        self.line += ends(self.bytes, self.seen.min(start)..start);
        self.seen = self.seen.max(start);
        self.line
    }
}

/// Line ends in a part of the text; CR LF is one.
fn ends(bytes: &[u8], part: std::ops::Range<usize>) -> u64 {
    let end = |at: &usize| match bytes[*at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    part.filter(end).count() as u64
}

/// From which line to which the first cell of a record goes that holds a line end; the record begins at `line`.
pub(super) fn spread(record: &ByteRecord, line: u64) -> Option<(u64, u64)> {
    let more = record.iter().map(|cell| ends(cell, 0..cell.len())).find(|more| *more > 0)?;
    Some((line, line + more))
}

/// The line on which a quote opens that nothing closes, from `first`. Quotes count where a cell begins with one.
pub(super) fn unclosed_quote(text: &[u8], first: u64, delimiter: Delimiter) -> Option<u64> {
    let (mut begins, mut opened) = (true, None);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match opened {
            Some(_) if byte == b'"' && text.get(at + 1) == Some(&b'"') => at += 1,
            Some(_) if byte == b'"' => opened = None,
            Some(_) => {}
            None if byte == b'"' && begins => opened = Some(at),
            None => {}
        }
        begins = opened.is_none() && (byte == delimiter.byte() || matches!(byte, b'\n' | b'\r'));
        at += 1;
    }
    opened.map(|at| first + ends(text, 0..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_quote_is_found_where_it_opens() {
        let line = |text: &str| unclosed_quote(text.as_bytes(), 1, Delimiter::Comma);
        for (text, want) in [
            ("a,b\n1,2\n", None),
            ("\"a\",\"b\"\n\"1\",2", None),
            ("a,\"b \"\"q\"\" c\"\n", None),
            ("a,5\" pipe\n", None),
            ("a\n\"b,1\nc,2\n", Some(2)),
            ("a\r\nb,\"x\r\nc", Some(2)),
            ("a\rb,\"x\rc", Some(2)),
            ("\"a\nb\",1\n\"c", Some(3)),
            ("a,\"\"\"", Some(1)),
            ("\"", Some(1)),
        ] {
            assert_eq!(line(text), want, "{text:?}");
        }
        assert_eq!(unclosed_quote(b"a;\"b\n", 4, Delimiter::Semicolon), Some(4));
    }
}
