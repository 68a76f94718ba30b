//! GGUF files, versions 2 and 3 (the specification in ggml's docs/gguf.md): metadata, tensors by place, their numbers as f32.

mod header;
mod kind;
mod value;

pub use kind::Kind;
pub use value::Value;

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// As the file has it.
    pub name: String,
    /// Row-major, the reverse of the file's order.
    pub shape: Vec<usize>,
    /// What its numbers are.
    pub kind: Kind,
    /// From the file's beginning.
    pub start: u64,
    /// How many.
    pub bytes: u64,
}

/// An open file of which the header alone is in memory.
#[derive(Debug)]
pub struct Gguf {
    pub path: PathBuf,
    pub version: u32,
    pub metadata: BTreeMap<String, Value>,
    /// In the file's order.
    pub tensors: Vec<Tensor>,
    file: File,
}

/// Bytes of numbers that are read at a time.
const PIECE: usize = 1 << 20;

impl Gguf {
    /// # Errors
    /// One line: what can't be read, or what a header says that can't be.
    pub fn open(path: &Path) -> Result<Gguf> {
        let wrong = |message: String| Error::file(path, message);
        // Before opening: to open a pipe is to wait for its writer.
        let about = std::fs::metadata(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
        if !about.is_file() {
            return Err(wrong("is neither a file nor a directory".into()));
        }
        let file = File::open(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
        let header = header::read(&file, about.len()).map_err(wrong)?;
        let header::Header { version, metadata, tensors } = header;
        Ok(Gguf { path: path.to_path_buf(), version, metadata, tensors, file })
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key)? {
            Value::Whole(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            Value::Flag(yes) => Some(*yes),
            _ => None,
        }
    }

    fn id(&self, key: &str) -> Option<u32> {
        match self.metadata.get(key)? {
            Value::Whole(n) => u32::try_from(*n).ok(),
            _ => None,
        }
    }

    /// Ids that end a text: of a sequence, of a turn, of a message.
    pub fn ends(&self) -> Vec<u32> {
        let keys = ["eos", "eot", "eom"].map(|word| format!("tokenizer.ggml.{word}_token_id"));
        keys.iter().filter_map(|key| self.id(key)).collect()
    }

    /// The first token, where one is to be put before a text.
    pub fn start(&self) -> Option<u32> {
        let wanted = self.flag("tokenizer.ggml.add_bos_token").unwrap_or(false);
        wanted.then(|| self.id("tokenizer.ggml.bos_token_id")).flatten()
    }

    /// Rows `from .. from + count` of a tensor (the one row of a vector), appended.
    ///
    /// # Errors
    /// A failure to read; a number that is not finite.
    pub fn rows(&self, tensor: &Tensor, from: usize, count: usize, out: &mut Vec<f32>) -> Result<()> {
        let cols = *tensor.shape.last().unwrap_or(&1);
        let row = tensor.kind.bytes(cols as u64).unwrap_or(0);
        let mut bytes = vec![0; (row * count as u64) as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(tensor.start + from as u64 * row))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| Error::file(&self.path, format!("can't be read: {e}")))?;
        let before = out.len();
        tensor.kind.floats(&bytes, out);
        match out[before..].iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (name, at) = (crate::error::shown(&tensor.name), from * cols + at);
                Err(Error::file(&self.path, format!("element {at} of tensor `{name}` is not finite")))
            }
        }
    }

    /// Rows that are read at a time.
    pub fn rows_at_a_time(tensor: &Tensor) -> usize {
        (PIECE / 4 / tensor.shape.last().copied().unwrap_or(1).max(1)).max(1)
    }
}
