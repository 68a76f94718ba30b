//! A model that is nowhere yet: weights in memory, to begin training from.

use super::{Decoder, Stored, Tokenizer};
use crate::error::{Error, Result, shown};
use crate::pretrained::tokenizer::END;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What such a model is.
pub struct Fresh {
    /// What it is called.
    pub name: String,
    /// Row-major, by Hugging Face's names.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// A `tokenizer.json`.
    pub tokenizer: String,
}

impl Fresh {
    pub(super) fn stored(&self, decoder: &Decoder) -> Vec<Stored> {
        let stored = |(name, shape): (String, Vec<usize>)| {
            let bytes = 4 * self.tensors.get(&name).map_or(0, Vec::len) as u64;
            Stored { name, shape, kind: "F32".into(), bytes }
        };
        decoder
            .tensors()
            .into_iter()
            .filter(|(name, _)| self.tensors.contains_key(name))
            .map(stored)
            .collect()
    }

    pub(super) fn read(&self, name: &str, take: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()> {
        match self.tensors.get(name) {
            Some(tensor) => take(tensor),
            None => Err(Error::file(self.path(), format!("has no tensor `{}`", shown(name)))),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        Path::new("the new model").to_path_buf()
    }

    pub(super) fn tokenizer(&self) -> Result<Tokenizer> {
        Tokenizer::of_json(self.path(), &self.tokenizer)
    }

    /// What ends a text, where the tokenizer has a token for it.
    pub(super) fn ends(&self) -> Vec<u32> {
        let known = [END, "</s>", "<|im_end|>", "<|end_of_text|>"];
        let tokenizer = self.tokenizer().ok();
        let found = tokenizer.and_then(|tokenizer| known.iter().find_map(|token| tokenizer.id(token)));
        found.into_iter().collect()
    }
}
