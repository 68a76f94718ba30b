//! Text as it stands: cut into sequences.

use super::Sequence;
use crate::error::Result;
use crate::pretrained::Tokenizer;

/// Bytes that are encoded at a time: a tokenizer takes many times as many.
const PIECE: usize = 1 << 20;

/// Ids of a text of any length. It is cut where a line ends and a letter follows, where tokenizers cut too.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut rest = text;
    while rest.len() > PIECE {
        let cut =
            rest.as_bytes()[PIECE..].windows(2).position(|w| w[0] == b'\n' && w[1].is_ascii_alphabetic());
        let Some(cut) = cut else { break };
        let (piece, more) = rest.split_at(PIECE + cut + 1);
        ids.extend(tokenizer.encode(piece)?);
        rest = more;
    }
    ids.extend(tokenizer.encode(rest)?);
    Ok(ids)
}

/// Tokens of a text of any length.
///
/// # Errors
/// What the tokenizer's model can't do with it.
pub fn count(tokenizer: &Tokenizer, text: &str) -> Result<usize> {
    Ok(encode(tokenizer, text)?.len())
}

/// A text's tokens as sequences of at most so many, each token in one of them; a last one alone is left out.
pub fn cut(ids: &[u32], most: usize) -> impl Iterator<Item = Sequence> + '_ {
    ids.chunks(most).filter(|piece| piece.len() > 1).map(|piece| Sequence::whole(piece.to_vec()))
}
