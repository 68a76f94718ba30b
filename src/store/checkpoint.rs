//! Checkpoints: safetensors files of f32 tensors with a few strings beside them.
//!
//! The format is <https://github.com/huggingface/safetensors>, so Python's `safetensors` reads what floe writes. The
//! `__metadata__` object marks the file as floe's (`format` is `pt`, as `transformers` wants it) and carries a CRC-32 of the whole file, its own digits as zeros,
//! because neither torn blocks nor flipped bits change a file's length. Equal checkpoints are equal files, byte for
//! byte.

mod decode;
mod foreign;
mod outline;
mod own;
mod reader;
mod write;

pub use reader::{Entry, Reader};
pub use safetensors::Dtype;
pub use write::{Outline, Sink, stream};

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the files [`write()`] makes. [`read`] takes versions 1 and 2 as well.
pub const VERSION: &str = "3";

/// The tensor of an optimizer's moments in training states and finished checkpoints, which no model has.
pub const MOMENTS: &str = "optimizer.moments";

/// Metadata keys that [`write()`] sets and [`read`] checks and takes away.
const FORMAT_KEY: &str = "format";
const FLOE_KEY: &str = "floe";
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
    /// Strings beside the tensors, such as the resolved configuration. `format`, `floe`, `version` and `crc32` are
    /// floe's own: whatever is given under them is replaced, and [`read`] returns none of them.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Holds that the tensors are exactly the `expected` names and shapes. `path` is the file they came from.
    ///
    /// # Errors
    /// One line: which tensors are missing, unexpected or of another shape.
    pub fn expect_shapes(&self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<()> {
        let have = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
        outline::expect(path, &have.collect(), expected)
    }
}

/// Writes a checkpoint in F32.
///
/// # Errors
/// [`Error::File`] when a tensor's shape and length disagree or an entry is not finite (such a file could not be
/// read back), and those of [`atomic_write`](crate::store::atomic::atomic_write).
pub fn write(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    write_as(path, checkpoint, Dtype::F32)
}

/// [`write()`] in F32, F16 or BF16.
///
/// # Errors
/// As that, and a number that the narrower type has no room for.
pub fn write_as(path: &Path, checkpoint: &Checkpoint, dtype: Dtype) -> Result<()> {
    let tensors = checkpoint.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.clone()));
    let data: Vec<&[f32]> = checkpoint.tensors.values().map(|tensor| tensor.data.as_slice()).collect();
    let outline = Outline { tensors: tensors.collect(), dtype };
    stream(path, &outline, &checkpoint.metadata, |i, sink| sink(data[i]))
}

/// Reads a checkpoint written by [`write()`].
///
/// # Errors
/// Those of [`Reader::open_own`] and [`Reader::read`].
pub fn read(path: &Path) -> Result<Checkpoint> {
    whole(&Reader::open_own(path)?)
}

/// Reads a checkpoint, or any safetensors file of floats; whether it is floe's is the second value.
///
/// # Errors
/// Those of [`Reader::open`] and [`Reader::read`].
pub fn read_any(path: &Path) -> Result<(Checkpoint, bool)> {
    let reader = Reader::open(path)?;
    Ok((whole(&reader)?, reader.is_own()))
}

/// All of a file in memory.
fn whole(reader: &Reader) -> Result<Checkpoint> {
    let tensor = |entry: &Entry| -> Result<(String, Tensor)> {
        Ok((entry.name.clone(), Tensor { shape: entry.shape.clone(), data: reader.data(entry)? }))
    };
    let tensors = reader.tensors().iter().map(tensor).collect::<Result<_>>()?;
    Ok(Checkpoint { tensors, metadata: reader.metadata().clone() })
}

/// Holds that numbers are finite, the first of which is entry `from` of a tensor.
fn not_finite(path: &Path, name: &str, from: usize, data: &[f32]) -> Result<()> {
    match data.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let message = format!(
                "tensor `{name}` has {} at entry {}: training diverged; lower the learning rate",
                data[at],
                from + at
            );
            Err(Error::file(path, message))
        }
    }
}
