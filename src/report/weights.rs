//! Attention matrices out of a checkpoint.

use crate::error::{Error, Result};
use crate::fingerprint::{Identity, Noted};
use crate::store::checkpoint;
use std::path::Path;

/// The attention matrices of one model.
#[derive(Debug)]
pub struct Weights {
    /// `pretrained` or a method.
    pub model: String,
    /// By layer, then head.
    pub matrices: Vec<Matrix>,
}

/// One D×D matrix of one head, row-major.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// From 0.
    pub layer: usize,
    /// From 0.
    pub head: usize,
    /// `v`, `qk`, `q` or `k`, in this order within a head.
    pub kind: &'static str,
    /// Rows and columns.
    pub size: usize,
    /// Row-major.
    pub values: Vec<f32>,
}

const KINDS: [&str; 4] = ["v", "qk", "q", "k"];

impl Weights {
    /// The matrix of that kind, layer and head.
    pub fn get(&self, layer: usize, head: usize, kind: &str) -> Option<&Matrix> {
        self.matrices.iter().find(|m| (m.layer, m.head, m.kind) == (layer, head, kind))
    }
}

/// Reads `layers.{l}.attn.{v,qk,q,k}` (f32 [H, D, D]); other tensors are ignored.
///
/// # Errors
/// A file that is no checkpoint of that model, or one of another experiment than `identity`.
pub(super) fn read(model: &str, path: &Path, identity: &Identity) -> Result<Weights> {
    let checkpoint = checkpoint::read(path)?;
    let noted = Noted::of(path, &checkpoint.metadata)?;
    // Data are compared where the run says what they were.
    let data = if identity.data.is_empty() { None } else { identity.data_differ(&noted) };
    if let Some(how) = identity.config_differs(&noted, &[]).or(data) {
        let message =
            format!("is of another experiment than the run: {how}; put the right file back, or run again");
        return Err(Error::config(path.display().to_string(), message));
    }
    let mut matrices = Vec::new();
    for (name, tensor) in &checkpoint.tensors {
        let Some((layer, kind)) = parse(name) else { continue };
        let &[heads, size, width] = tensor.shape.as_slice() else {
            return Err(shape(path, name, &tensor.shape));
        };
        if size != width || size == 0 {
            return Err(shape(path, name, &tensor.shape));
        }
        for head in 0..heads {
            let values = tensor.data[head * size * size..(head + 1) * size * size].to_vec();
            matrices.push(Matrix { layer, head, kind, size, values });
        }
    }
    matrices.sort_by_key(|m| (m.layer, m.head, KINDS.iter().position(|k| *k == m.kind)));
    Ok(Weights { model: model.to_string(), matrices })
}

fn parse(name: &str) -> Option<(usize, &'static str)> {
    let (layer, rest) = name.strip_prefix("layers.")?.split_once(".attn.")?;
    Some((layer.parse().ok()?, KINDS.into_iter().find(|k| *k == rest)?))
}

fn shape(path: &Path, name: &str, shape: &[usize]) -> Error {
    Error::file(path, format!("tensor `{name}` is {shape:?}; it must be [heads, D, D]"))
}
