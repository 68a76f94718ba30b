//! What counting foretells: unigram, bigram and trigram models of the same tokens, to hold a trained model against.
//!
//! Interpolated by Witten and Bell's rule (1991, IEEE Trans. Inf. Theory 37): with c(h) tokens after a history h, of t(h) kinds,
//! p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h)), h' the history without its first token. No number is tuned.

use super::Sequence;
use std::collections::HashMap;

/// A model of so many tokens' history.
#[derive(Clone, Debug, PartialEq)]
pub struct Ngram {
    /// `unigram`, `bigram` or `trigram`.
    pub name: &'static str,
    /// Nats a token that counts.
    pub nats: f64,
}

const NAMES: [&str; 3] = ["unigram", "bigram", "trigram"];

/// What follows a history: how many, of how many kinds.
#[derive(Clone, Copy, Default)]
struct After {
    count: f64,
    kinds: f64,
}

/// Histories of so many tokens, and what followed them.
#[derive(Default)]
struct Table {
    after: HashMap<u64, After>,
    pairs: HashMap<(u64, u32), f64>,
}

/// A history's last so many tokens as a number.
fn history(ids: &[u32], at: usize, length: usize) -> Option<u64> {
    let from = at.checked_sub(length)?;
    Some(ids[from..at].iter().fold(0, |all, id| all << 32 | u64::from(*id)))
}

/// Losses of all three on the tokens of `judged` that count, counted in all tokens of `train`; none where nothing counts.
pub fn ngrams(train: &[Sequence], judged: &[Sequence], vocabulary: usize) -> Vec<Ngram> {
    let mut tables = [Table::default(), Table::default(), Table::default()];
    for sequence in train {
        for (at, id) in sequence.ids.iter().enumerate() {
            for (length, table) in tables.iter_mut().enumerate() {
                let Some(history) = history(&sequence.ids, at, length) else { continue };
                let pair = table.pairs.entry((history, *id)).or_default();
                let after = table.after.entry(history).or_default();
                after.count += 1.0;
                after.kinds += if *pair == 0.0 { 1.0 } else { 0.0 };
                *pair += 1.0;
            }
        }
    }
    let (mut sums, mut count) = ([0.0; 3], 0);
    for sequence in judged {
        for at in sequence.counted.iter().cloned().flatten() {
            let mut p = 1.0 / vocabulary as f64;
            for (length, table) in tables.iter().enumerate() {
                if let Some(history) = history(&sequence.ids, at, length)
                    && let Some(after) = table.after.get(&history)
                {
                    let pair = table.pairs.get(&(history, sequence.ids[at])).copied().unwrap_or(0.0);
                    p = (pair + after.kinds * p) / (after.count + after.kinds);
                }
                sums[length] -= p.ln();
            }
            count += 1;
        }
    }
    if count == 0 {
        return Vec::new();
    }
    NAMES.iter().zip(sums).map(|(name, nats)| Ngram { name, nats: nats / f64::from(count) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(ids: &[u32]) -> Sequence {
        Sequence::whole(ids.to_vec())
    }

    #[test]
    fn by_hand() {
        // Of a b a: unigram p(a) = (2 + 2/3) / 5, p(b) = (1 + 2/3) / 5.
        let found = ngrams(&[sequence(&[0, 1, 0])], &[sequence(&[0, 1])], 3);
        let b = (1.0 + 2.0 / 3.0) / 5.0;
        assert!((found[0].nats + f64::ln(b)).abs() < 1e-12);
        // After a came b alone: (1 + p(b)) / 2. Of a history of two nothing is known of a sequence's second token.
        assert!((found[1].nats + f64::ln((1.0 + b) / 2.0)).abs() < 1e-12);
        assert_eq!(found[2].nats, found[1].nats);
        let names: Vec<&str> = found.iter().map(|one| one.name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn probabilities_sum_to_one_and_longer_histories_tell_more() {
        let ids: Vec<u32> = (0..3000u32).map(|i| (i * i / 7 + i % 5) % 11).collect();
        let train = [sequence(&ids)];
        // Every token after the same two.
        let all: f64 = (0..11)
            .map(|last| {
                let mut judged = sequence(&[ids[10], ids[11], last]);
                judged.counted = std::iter::once(2..3).collect();
                (-ngrams(&train, &[judged], 11)[2].nats).exp()
            })
            .sum();
        assert!((all - 1.0).abs() < 1e-12, "{all}");
        let found = ngrams(&train, &train, 11);
        assert!(found[0].nats > found[1].nats && found[1].nats > found[2].nats, "{found:?}");
        assert!(ngrams(&train, &[], 11).is_empty());
    }
}
