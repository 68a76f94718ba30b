//! Texts as token ids and back: the `tokenizers` crate, whose tokenizers a GGUF file's vocabulary is made into.

mod bytes;
mod gguf;
mod train;

pub(super) use gguf::of_gguf;
pub use train::END;

use crate::error::{Error, Result};
use std::path::PathBuf;

/// A model's tokenizer.
pub struct Tokenizer {
    /// Where it is from, for messages.
    path: PathBuf,
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Of a `tokenizer.json`'s text.
    ///
    /// # Errors
    /// One line: it is none, or of a kind that the crate doesn't know.
    pub(super) fn of_json(path: PathBuf, text: &str) -> Result<Self> {
        let read = text.parse::<tokenizers::Tokenizer>();
        let inner = read.map_err(|e| {
            Error::file(&path, format!("is no tokenizer: {}", crate::error::shown(&e.to_string())))
        })?;
        Ok(Tokenizer { path, inner })
    }

    /// Ids of a text. Special tokens that are written out in it are recognised; none is put before it.
    ///
    /// # Errors
    /// What the tokenizer's model can't do with it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoded = self.inner.encode_fast(text, false);
        let encoded = encoded.map_err(|e| Error::file(&self.path, format!("can't encode the text: {e}")))?;
        Ok(encoded.get_ids().to_vec())
    }

    /// The text of ids, without special tokens.
    ///
    /// # Errors
    /// What the tokenizer's decoder can't do with them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let decoded = self.inner.decode(ids, true);
        decoded.map_err(|e| Error::file(&self.path, format!("can't decode: {e}")))
    }

    /// The bytes that a token stands for, which need be no whole characters; none of a special token or of one that is not
    /// there.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        let added = self.inner.get_added_tokens_decoder();
        if let Some(token) = added.get(&id) {
            return (!token.special).then(|| token.content.clone().into_bytes());
        }
        bytes::of(&self.inner.id_to_token(id)?)
    }

    /// It as a `tokenizer.json`.
    ///
    /// # Errors
    /// What can't be written so.
    pub fn to_json(&self) -> Result<String> {
        self.inner
            .to_string(true)
            .map_err(|e| Error::file(&self.path, format!("can't be written as JSON: {e}")))
    }

    /// A token as the vocabulary has it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Tokens, special ones among them: one more than the largest id.
    pub fn len(&self) -> usize {
        let last = self.inner.get_vocab(true).into_values().max();
        last.map_or(0, |last| last as usize + 1)
    }

    /// Whether it has no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
