//! Checkpoints: safetensors files of f32 tensors with a few strings beside them.
//!
//! The format is <https://github.com/huggingface/safetensors>, so Python's `safetensors` reads what floe writes. The
//! `__metadata__` object marks the file as floe's and carries a CRC-32 of the data, because neither torn blocks
//! nor flipped bits change a file's length. Equal checkpoints are equal files, byte for byte.

mod atomic;

pub use atomic::{Staged, atomic_write, check_writable, is_special, remove_torn, sync};

use crate::error::{Error, Result};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Version of the files [`write()`] makes and the only one [`read`] takes.
pub const VERSION: &str = "1";

/// Metadata keys that [`write()`] sets and [`read`] checks and takes away.
const FORMAT_KEY: &str = "format";
const VERSION_KEY: &str = "version";
const CRC_KEY: &str = "crc32";

/// Most bytes of a file: far more than the weights of any model that a device of today's limits takes.
const MAX_FILE: u64 = 1 << 30;

/// The limit of the safetensors format.
const MAX_HEADER: u64 = 100_000_000;

/// A named array of a [`Checkpoint`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Sizes of the axes; none for a scalar.
    pub shape: Vec<usize>,
    /// The entries, row-major.
    pub data: Vec<f32>,
}

/// What a checkpoint file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// By name: `layers.0.attn.v` …
    pub tensors: BTreeMap<String, Tensor>,
    /// Strings beside the tensors, such as the resolved configuration. `format`, `version` and `crc32` are
    /// floe's own: whatever is given under them is replaced, and [`read`] returns none of them.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Holds that the tensors are exactly the `expected` names and shapes. `path` is the file they came from.
    ///
    /// # Errors
    /// One line: which tensors are missing, unexpected or of another shape.
    pub fn expect_shapes(&self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<()> {
        let missing: Vec<&str> = expected
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|n| !self.tensors.contains_key(*n))
            .collect();
        let extra: Vec<&str> = self
            .tensors
            .keys()
            .map(String::as_str)
            .filter(|n| expected.iter().all(|(name, _)| name != n))
            .collect();
        let other: Vec<String> = expected
            .iter()
            .filter_map(|(name, shape)| {
                let have = &self.tensors.get(name)?.shape;
                (have != shape).then(|| format!("`{name}` is {have:?} instead of {shape:?}"))
            })
            .collect();
        let mut differences = Vec::new();
        if !missing.is_empty() {
            differences.push(format!("{} missing", listed(&missing)));
        }
        if !extra.is_empty() {
            differences.push(format!("{} unexpected", listed(&extra)));
        }
        if let Some(first) = other.first() {
            let more = if other.len() > 1 {
                format!(" (and {} more shapes)", other.len() - 1)
            } else {
                String::new()
            };
            differences.push(format!("{first}{more}"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let mend = "set `model` and `task` to those of the run that wrote it (its config.toml has them)";
        Err(Error::file(path, format!("does not fit this model: {}; {mend}", differences.join(", "))))
    }
}

/// Writes a checkpoint as safetensors through [`atomic_write`].
///
/// # Errors
/// [`Error::File`] when a tensor's shape and length disagree or an entry is not finite (such a file could not be
/// read back), and what [`atomic_write`] gives.
pub fn write(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    atomic_write(path, &encode(path, checkpoint)?)
}

/// Reads a checkpoint written by [`write()`].
///
/// # Errors
/// [`Error::File`], one line: no such file, empty, truncated, torn, not safetensors, not floe's, of another version,
/// a tensor that is not f32, an entry that is not finite.
pub fn read(path: &Path) -> Result<Checkpoint> {
    decode(path, &whole_file(path)?)
}

fn encode(path: &Path, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut header = BTreeMap::new();
    for (name, tensor) in &checkpoint.tensors {
        if name == "__metadata__" {
            return Err(Error::file(path, "no tensor can be called `__metadata__`; give it another name"));
        }
        if tensor.shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) != Some(tensor.data.len()) {
            let (shape, len) = (&tensor.shape, tensor.data.len());
            return Err(Error::file(path, format!("tensor `{name}` of shape {shape:?} has {len} entries")));
        }
        check_finite(path, name, &tensor.data)?;
        let start = data.len();
        data.extend(tensor.data.iter().flat_map(|x| x.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()] });
        header.insert(name.as_str(), entry);
    }
    let mut metadata = checkpoint.metadata.clone();
    metadata.insert(FORMAT_KEY.into(), "floe".into());
    metadata.insert(VERSION_KEY.into(), VERSION.into());
    metadata.insert(CRC_KEY.into(), crc32(&data));
    header.insert("__metadata__", json!(metadata));
    let mut text = json!(header).to_string().into_bytes();
    // The format asks for data that starts at a multiple of eight; spaces pad the header.
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() as u64 > MAX_HEADER {
        return Err(Error::file(path, "the metadata is over 100 MB; keep less beside the tensors"));
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend(data);
    Ok(bytes)
}

/// The bytes of a regular file that starts like safetensors, so that nothing huge or endless is read for nothing.
fn whole_file(path: &Path) -> Result<Vec<u8>> {
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
    if about.len() > MAX_FILE {
        let message =
            format!("has more than {} MB, which no checkpoint of floe has; give another", MAX_FILE >> 20);
        return Err(Error::file(path, message));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes).map_err(unreadable)?;
    check_start(path, &bytes, about.len())?;
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Checks the first eight bytes, the header's length, against the file's length.
fn check_start(path: &Path, start: &[u8], file_len: u64) -> Result<()> {
    if start.is_empty() {
        return Err(Error::file(path, "is empty; use an earlier checkpoint"));
    }
    let Ok(start) = <[u8; 8]>::try_from(start) else {
        return Err(Error::file(path, format!("is no safetensors file: it has {} bytes", start.len())));
    };
    match u64::from_le_bytes(start) {
        n if n > MAX_HEADER => Err(foreign(path, "no safetensors header")),
        n if n > file_len.saturating_sub(8) => Err(truncated(path)),
        _ => Ok(()),
    }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Checkpoint> {
    check_start(path, bytes.get(..8).unwrap_or(bytes), bytes.len() as u64)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| match e {
        SafeTensorError::MetadataIncompleteBuffer => truncated(path),
        other => foreign(path, &other.to_string()),
    })?;
    let (header_len, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| foreign(path, &e.to_string()))?;
    let mut metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    if metadata.remove(FORMAT_KEY).as_deref() != Some("floe") {
        return Err(foreign(path, "its metadata has no `format: floe`"));
    }
    match metadata.remove(VERSION_KEY).as_deref() {
        Some(VERSION) => {}
        version => {
            let found = version.unwrap_or("missing");
            let found = one_line(found);
            let message = format!(
                "its version is {found}, and this floe reads version {VERSION}; use the floe that wrote it"
            );
            return Err(Error::file(path, message));
        }
    }
    let found = crc32(&bytes[8 + header_len..]);
    // Absent from a file that another tool made on purpose.
    if let Some(noted) = metadata.remove(CRC_KEY)
        && noted != found
    {
        let message = format!(
            "is torn or was altered: its data has CRC-32 {found} instead of {noted}; use an earlier checkpoint"
        );
        return Err(Error::file(path, message));
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if name.chars().any(char::is_control) {
            return Err(foreign(path, "a tensor's name holds control characters"));
        }
        if view.dtype() != Dtype::F32 {
            return Err(Error::file(
                path,
                format!("tensor `{name}` is {}; floe reads F32, convert it", view.dtype()),
            ));
        }
        let data: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        check_finite(path, name, &data)?;
        tensors.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), data });
    }
    Ok(Checkpoint { tensors, metadata })
}

fn check_finite(path: &Path, name: &str, data: &[f32]) -> Result<()> {
    match data.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let message = format!(
                "tensor `{name}` has {} at entry {at}: training diverged; lower the learning rate",
                data[at]
            );
            Err(Error::file(path, message))
        }
    }
}

fn foreign(path: &Path, reason: &str) -> Error {
    Error::file(path, format!("is not a floe checkpoint ({}); give one that floe wrote", one_line(reason)))
}

/// One short line of words that the file itself may have chosen.
fn one_line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn truncated(path: &Path) -> Error {
    Error::file(path, "is truncated: its length and its header disagree; use an earlier checkpoint")
}

/// `` `a`, `b` and 3 more ``.
fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|n| format!("`{n}`")).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

fn crc32(data: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    format!("{:08x}", crc.sum())
}
