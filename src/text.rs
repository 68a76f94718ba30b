//! Texts to fine-tune on: files as sequences of tokens of which some count, and sequences as the rows of batches.

mod chat;
mod json;
mod ngram;
mod order;
mod plain;
mod read;
mod shipped;
mod split;

pub use ngram::{Ngram, ngrams};
pub use order::Rows;
pub use plain::count;
pub use read::{Counts, Language, Texts, open, words};

use std::ops::Range;

/// Tokens that see each other, and which of them are to be foretold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Places of those that count, ascending; never the first, which nothing foretells.
    pub counted: Vec<Range<usize>>,
}

impl Sequence {
    /// Every token but the first counts.
    fn whole(ids: Vec<u32>) -> Self {
        let counted = std::iter::once(1..ids.len()).collect();
        Sequence { ids, counted }
    }

    /// How many tokens count.
    pub fn counts(&self) -> usize {
        self.counted.iter().map(Range::len).sum()
    }

    /// Adds a part, which counts or not.
    fn push(&mut self, ids: &[u32], counts: bool) {
        let from = self.ids.len().max(1);
        self.ids.extend(ids);
        if counts && from < self.ids.len() {
            self.counted.push(from..self.ids.len());
        }
    }

    /// The first so many tokens.
    fn cut(&mut self, most: usize) {
        self.ids.truncate(most);
        self.counted.retain_mut(|range| {
            range.end = range.end.min(most);
            range.start < range.end
        });
    }
}
