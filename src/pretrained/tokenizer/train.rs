//! A tokenizer of one's own: byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; Radford et al. 2019) of a text.

use super::Tokenizer;
use crate::error::{Error, Result};
use std::path::Path;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, ModelWrapper};

/// What ends a text: the first token.
pub const END: &str = "<|endoftext|>";

/// Bytes of a text that are counted at a time, about.
const PIECE: usize = 1 << 16;

impl Tokenizer {
    /// Every byte, the end of a text, and as many merges as `tokens` leaves room for and the texts repeat; GPT-2's split into
    /// words. The same texts give the same tokenizer.
    ///
    /// # Errors
    /// What the crate can't do.
    pub fn train(texts: &[String], tokens: usize) -> Result<Self> {
        let path = Path::new("the tokenizer");
        let wrong = |e: tokenizers::Error| Error::file(path, format!("can't be trained: {e}"));
        let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(BPE::default()));
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        inner.with_decoder(Some(ByteLevel::new(false, true, true)));
        let trainer = BpeTrainer::builder()
            .vocab_size(tokens)
            .show_progress(false)
            .special_tokens(vec![AddedToken::from(END, true)])
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let mut trainer = TrainerWrapper::from(trainer);
        let pieces = texts.iter().flat_map(|text| pieces(text));
        inner.train(&mut trainer, pieces).map_err(wrong)?;
        // What is written and read back is what everybody else has.
        let json = inner.to_string(false).map_err(wrong)?;
        Tokenizer::of_json(path.to_path_buf(), &json)
    }

    /// A `tokenizer.json`.
    ///
    /// # Errors
    /// One line: it can't be read, is none, or is of a kind that the crate doesn't know.
    pub fn open(path: &Path) -> Result<Self> {
        let text = crate::bounded::text(path, super::super::hub::TOKENIZER)
            .map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
        Tokenizer::of_json(path.to_path_buf(), &text)
    }

    /// The id of a token as the vocabulary has it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }
}

/// A text cut where lines end, so that no piece is long.
fn pieces(text: &str) -> Vec<&str> {
    let (mut all, mut rest) = (Vec::new(), text);
    while rest.len() > PIECE {
        let Some(cut) = rest.as_bytes()[PIECE..].iter().position(|byte| *byte == b'\n') else { break };
        let (piece, more) = rest.split_at(PIECE + cut + 1);
        all.push(piece);
        rest = more;
    }
    all.push(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_becomes_a_token_and_every_byte_comes_back() {
        let texts = vec!["the theatre of the thing\n".repeat(5000), "naïve — ☃\n".repeat(9)];
        let tokenizer = Tokenizer::train(&texts, 280).unwrap();
        assert!(tokenizer.len() <= 280 && tokenizer.id(END) == Some(0), "{}", tokenizer.len());
        assert_eq!(tokenizer.encode("the").unwrap().len(), 1);
        for text in ["the ☃ thing", "\0\u{7f}ÿ\r\n\t", "  a\n\n b "] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
            assert_eq!(ids.iter().map(|id| tokenizer.bytes(*id).unwrap().len()).sum::<usize>(), text.len());
        }
        let again = Tokenizer::train(&texts, 280).unwrap();
        assert_eq!(again.to_json().unwrap(), tokenizer.to_json().unwrap());
        // No more than the bytes and the end.
        assert_eq!(Tokenizer::train(&texts, 257).unwrap().len(), 257);
    }
}
