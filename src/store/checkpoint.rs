//! Checkpoints: safetensors files of f32 tensors with a few strings beside them.
//!
//! The format is <https://github.com/huggingface/safetensors>, so Python's `safetensors` reads what floe writes. The
//! `__metadata__` object marks the file as floe's and carries a CRC-32 of the whole file, its own digits as zeros,
//! because neither torn blocks nor flipped bits change a file's length. Equal checkpoints are equal files, byte for
//! byte.

mod decode;
mod foreign;

pub use decode::{read, read_any};

use super::atomic::atomic_write;
use crate::error::{Error, Result, shown};
use decode::{crc32, place_of_checksum};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the files [`write()`] makes. [`read`] takes version 1 as well, whose checksum is of the data alone.
pub const VERSION: &str = "2";

/// The tensor of an optimizer's moments in training states and finished checkpoints, which no model has.
pub const MOMENTS: &str = "optimizer.moments";

/// Metadata keys that [`write()`] sets and [`read`] checks and takes away.
const FORMAT_KEY: &str = "format";
const VERSION_KEY: &str = "version";
const CRC_KEY: &str = "crc32";

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
    metadata.insert(CRC_KEY.into(), "00000000".into());
    header.insert("__metadata__", json!(metadata));
    let mut text = json!(header).to_string().into_bytes();
    // The format asks for data that starts at a multiple of eight; spaces pad the header.
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() as u64 > MAX_HEADER {
        return Err(Error::file(path, "the metadata is over 100 MB; keep less beside the tensors"));
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    let place = place_of_checksum(&bytes, "00000000").expect("just written");
    bytes.extend(data);
    let digits = crc32(&[&bytes]);
    bytes[place..place + digits.len()].copy_from_slice(digits.as_bytes());
    Ok(bytes)
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

/// `` `a`, `b` and 3 more ``.
fn listed(names: &[&str]) -> String {
    let some: Vec<String> = names.iter().take(3).map(|n| format!("`{}`", shown(n))).collect();
    let more = names.len() - some.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", some.join(", "))
}
