//! Files that are read whole, no more of them than their kind ever holds: a wrong or endless one (`/dev/zero`) is an
//! error and does not fill the memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::path::Path;

/// Most bytes of a configuration, a record of a run, a kept choice.
pub const SMALL: u64 = 16 << 20;
/// Most bytes of a table of results.
pub const TABLE: u64 = 256 << 20;

/// The bytes of a file that has `most` or fewer.
///
/// # Errors
/// Those of reading; [`ErrorKind::FileTooLarge`] for more bytes, said in words.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let large = || {
        Error::new(ErrorKind::FileTooLarge, format!("has more than {} MB; is it the right file?", most >> 20))
    };
    // Before any of it is read; what has no length is read to see.
    if file.metadata()?.len() > most {
        return Err(large());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(large()) } else { Ok(bytes) }
}

/// The lines of a file of any length, one at a time and without their ends. A line of more than `most` bytes is given
/// empty, as is one that is not UTF-8: neither is one that floe wrote.
pub struct Lines {
    reader: BufReader<File>,
    most: u64,
    line: Vec<u8>,
}

impl Lines {
    /// # Errors
    /// Those of opening.
    pub fn open(path: &Path, most: u64) -> Result<Lines> {
        Ok(Lines { reader: BufReader::new(File::open(path)?), most, line: Vec::new() })
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_line(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = self.reader.by_ref().take(self.most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.pop_if(|end| *end == b'\n').is_none() && read as u64 == self.most {
            self.line.clear();
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(str::from_utf8(&self.line).unwrap_or_default()))
    }
}

/// [`bytes`] of a file of text.
///
/// # Errors
/// As [`bytes`], and [`ErrorKind::InvalidData`] for what is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    let not_text = |_| Error::new(ErrorKind::InvalidData, "is not UTF-8 text");
    String::from_utf8(bytes(path, most)?).map_err(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_at_a_time_and_long_ones_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut all = b"a\n\n1234567\n12345678\nb\n\xff\n".to_vec();
        all.extend([b'x'; 30]);
        all.extend(b"\nend");
        std::fs::write(&path, all).unwrap();
        let mut lines = Lines::open(&path, 8).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line.to_string());
        }
        assert_eq!(found, ["a", "", "1234567", "", "b", "", "", "end"]);
    }

    #[test]
    fn no_more_is_read_than_the_kind_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "12345678").unwrap();
        assert_eq!(text(&path, 8).unwrap(), "12345678");
        assert_eq!(text(&path, 7).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(text(&path, 7).unwrap_err().kind(), ErrorKind::InvalidData);
        // A file of a terabyte that has nothing in it.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let message = bytes(&path, SMALL).unwrap_err().to_string();
        assert_eq!(message, "has more than 16 MB; is it the right file?");
        #[cfg(unix)]
        assert_eq!(bytes(Path::new("/dev/zero"), 1000).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
