//! An open safetensors file: its header is read and checked, its tensors are given a piece at a time.

use super::decode::{self, crc32, foreign, truncated};
use super::foreign::recognise;
use super::{MAX_HEADER, outline, own};
use crate::error::{Error, Mend, Result, shown};
use safetensors::{Dtype, SafeTensorError, tensor::Metadata};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many bytes tell what else a file may be.
const START: usize = 512;
/// Bytes read at a time: all the memory that a file takes, whatever its length.
const PIECE: usize = 1 << 20;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the file has it.
    pub name: String,
    /// Sizes of the axes; none for a scalar.
    pub shape: Vec<usize>,
    /// What its numbers are in the file.
    pub dtype: Dtype,
    /// Bytes from the beginning of the file, and how many.
    start: u64,
    bytes: usize,
}

/// A file of tensors of which nothing but the header is in memory.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    tensors: Vec<Entry>,
    metadata: BTreeMap<String, String>,
    own: bool,
}

impl Reader {
    /// Opens any safetensors file. Of one that floe wrote the checksum is compared, which reads it once.
    ///
    /// # Errors
    /// [`Error::File`], one line: no such file, empty, truncated, torn, not safetensors, of another version, a name twice.
    pub fn open(path: &Path) -> Result<Reader> {
        let unreadable = |e: std::io::Error| match e.kind() {
            ErrorKind::NotFound => {
                Error::file(path, "there is no such file; give the path of a .safetensors checkpoint")
            }
            _ => Error::file(path, format!("cannot be read: {e}")),
        };
        // Before opening: to open a pipe is to wait for its writer.
        let about = std::fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(Error::file(path, "is not a file; give the path of a .safetensors checkpoint"));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let mut head = Vec::new();
        file.by_ref().take(START as u64).read_to_end(&mut head).map_err(unreadable)?;
        let length = header_length(path, &head, about.len())?;
        head.truncate(8 + length);
        let rest = 8 + length - head.len();
        file.seek(SeekFrom::Start(head.len() as u64)).map_err(unreadable)?;
        file.by_ref().take(rest as u64).read_to_end(&mut head).map_err(unreadable)?;
        if head.len() != 8 + length {
            return Err(truncated(path));
        }
        decode::check_names(path, &head[8..])?;
        let header = header(&head[8..]).map_err(|e| foreign(path, &e.to_string(), decode::GIVE))?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = entries(path, &header, head.len() as u64)?;
        let end =
            tensors.iter().map(|entry| entry.start + entry.bytes as u64).max().unwrap_or(head.len() as u64);
        if end != about.len() {
            return Err(truncated(path));
        }
        let mut reader = Reader { path: path.to_path_buf(), file, tensors, metadata, own: false };
        reader.own = own::take(path, &mut reader.metadata, |noted, whole| {
            reader_sum(&reader.file, &head, noted, whole)
        })?;
        Ok(reader)
    }

    /// [`Reader::open`] of a file that floe wrote.
    ///
    /// # Errors
    /// As that, and another program's file.
    pub fn open_own(path: &Path) -> Result<Reader> {
        let reader = Reader::open(path)?;
        match reader.own {
            true => Ok(reader),
            false => {
                let message = "is not a floe checkpoint (its metadata does not say that floe wrote it)";
                Err(Error::file(path, message).mend(Mend::Origin))
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether floe wrote it.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// In the order of the file.
    pub fn tensors(&self) -> &[Entry] {
        &self.tensors
    }

    /// Strings beside the tensors, without those that floe sets itself.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Entry> {
        self.tensors.iter().find(|entry| entry.name == name)
    }

    /// A tensor's elements.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn data(&self, entry: &Entry) -> Result<Vec<f32>> {
        let mut data = Vec::with_capacity(entry.shape.iter().product());
        self.read(entry, |piece| {
            data.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(data)
    }

    /// The tensors of these names and shapes one after another, as a model's arena has them, nothing of them in memory
    /// twice. A prefix that all names share is no matter, nor is the axis of a matrix's one head.
    ///
    /// # Errors
    /// One line: which tensors are missing, unexpected or of another shape; as [`Reader::read`].
    pub fn arena(&self, expected: &[(String, Vec<usize>)]) -> Result<Vec<f32>> {
        let have = self.tensors.iter().map(|entry| (entry.name.clone(), entry.shape.clone()));
        let prefix = outline::fit(&self.path, have.collect(), expected)?;
        // What was found is what is asked for, so a lying header takes no more memory than the file is long.
        let elements = expected.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let mut arena = Vec::with_capacity(elements);
        for (name, _) in expected {
            let entry = self.tensor(&format!("{prefix}{name}")).expect("found to fit");
            self.read(entry, |piece| {
                arena.extend_from_slice(piece);
                Ok(())
            })?;
        }
        Ok(arena)
    }

    /// Hands out a tensor's elements in order, row-major, as f32, some at a time.
    ///
    /// # Errors
    /// No floats, or one that is not finite in single precision; a failure to read; what `take` gives.
    pub fn read(&self, entry: &Entry, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let convert = decode::converter(&self.path, entry)?;
        let unreadable = |e: std::io::Error| Error::file(&self.path, format!("cannot be read: {e}"));
        let mut file = &self.file;
        file.seek(SeekFrom::Start(entry.start)).map_err(unreadable)?;
        let mut bytes = vec![0; PIECE.min(entry.bytes)];
        let (mut floats, mut done) = (Vec::with_capacity(bytes.len() / 2), 0);
        let mut left = entry.bytes;
        while left > 0 {
            let now = left.min(bytes.len());
            file.read_exact(&mut bytes[..now]).map_err(unreadable)?;
            floats.clear();
            convert(&bytes[..now], done, &mut floats)?;
            done += floats.len();
            take(&floats)?;
            left -= now;
        }
        Ok(())
    }
}

/// Bytes of the header, by the first eight.
fn header_length(path: &Path, start: &[u8], file_len: u64) -> Result<usize> {
    if start.is_empty() {
        return Err(Error::file(path, "is empty; use an earlier checkpoint"));
    }
    if let Some(other) = recognise(start) {
        return Err(Error::file(path, other));
    }
    let Some(length) = start.first_chunk::<8>() else {
        return Err(Error::file(path, format!("is no safetensors file: it has {} bytes", start.len())));
    };
    match u64::from_le_bytes(*length) {
        n if n > MAX_HEADER => Err(foreign(path, "no safetensors header", decode::GIVE)),
        n if n > file_len.saturating_sub(8) => Err(truncated(path)),
        n => Ok(n as usize),
    }
}

fn header(bytes: &[u8]) -> std::result::Result<Metadata, SafeTensorError> {
    let text = std::str::from_utf8(bytes).map_err(SafeTensorError::InvalidHeader)?;
    serde_json::from_str(text).map_err(SafeTensorError::InvalidHeaderDeserialization)
}

/// The tensors, held to follow each other without a hole, each of as many bytes as its shape asks for.
fn entries(path: &Path, header: &Metadata, data: u64) -> Result<Vec<Entry>> {
    let wrong = |e: SafeTensorError| foreign(path, &e.to_string(), decode::GIVE);
    let mut entries = Vec::new();
    let mut at = 0;
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        if start != at || end < start {
            return Err(wrong(SafeTensorError::InvalidOffset(name)));
        }
        let elements = info.shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        let bits = elements.and_then(|n| n.checked_mul(info.dtype.bitsize()));
        match bits.ok_or_else(|| wrong(SafeTensorError::ValidationOverflow))? {
            bits if bits % 8 != 0 => return Err(wrong(SafeTensorError::MisalignedSlice)),
            bits if bits / 8 != end - start => return Err(wrong(SafeTensorError::TensorInvalidInfo)),
            _ => {}
        }
        if name.chars().any(char::is_control) {
            let message = format!("a tensor's name, `{}`, holds control characters; rename it", shown(&name));
            return Err(Error::file(path, message));
        }
        at = end;
        let (shape, dtype) = (info.shape.clone(), info.dtype);
        let start = data.checked_add(start as u64).ok_or_else(|| truncated(path))?;
        entries.push(Entry { name, shape, dtype, start, bytes: end - info.data_offsets.0 });
    }
    Ok(entries)
}

/// CRC-32 of a file, or of its data alone, in pieces; the digits that the header notes count as zeros.
fn reader_sum(file: &File, head: &[u8], noted: &str, whole: bool) -> std::io::Result<String> {
    let mut crc = flate2::Crc::new();
    if whole {
        match decode::place_of_checksum(head, noted) {
            None => crc.update(head),
            Some(at) => {
                [&head[..at], b"00000000", &head[at + noted.len()..]].iter().for_each(|part| crc.update(part))
            }
        }
    }
    let mut file = file;
    file.seek(SeekFrom::Start(head.len() as u64))?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(crc32(&crc)),
            n => crc.update(&piece[..n]),
        }
    }
}
