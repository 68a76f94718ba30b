//! How well a language model foretells a text: nats a token, perplexity, bits a byte, each with a standard error.

use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::interrupt;
use crate::models::lm::Runner;
use crate::pretrained::Tokenizer;
use std::path::Path;

/// How a text is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Tokens of a window.
    pub context: usize,
    /// Tokens from a window's first to the next one's; at most `context`.
    pub stride: usize,
    /// Most windows, from the text's beginning on.
    pub most: usize,
}

/// Score of a text.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Windows.
    pub windows: usize,
    /// Tokens that count.
    pub tokens: usize,
    /// Bytes that they stand for.
    pub bytes: usize,
    /// Mean over tokens, and its standard error over windows; none of a single one.
    pub nats: (f64, Option<f64>),
    /// exp of it.
    pub perplexity: (f64, Option<f64>),
    /// Σ nats / ln 2 / bytes: what tokenizers don't change.
    pub bits_per_byte: (f64, Option<f64>),
}

/// A window: tokens `from .. to`, of which those from `counted` on count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: usize,
    to: usize,
    counted: usize,
}

/// Windows of so many tokens, cut from the first on. A token counts in the first window that has it, but for the first one
/// of a window, which nothing foretells.
fn windows(tokens: usize, by: Windows) -> Vec<Window> {
    let mut all: Vec<Window> = Vec::new();
    for from in (0..tokens).step_by(by.stride) {
        let before = all.last().map_or(0, |last| last.to);
        let window = Window { from, to: tokens.min(from + by.context), counted: before.max(from + 1) };
        if all.len() == by.most || window.counted >= window.to {
            break;
        }
        all.push(window);
    }
    all
}

/// Nats, tokens and bytes of a window.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    nats: f64,
    tokens: f64,
    bytes: f64,
}

/// The score of a text.
///
/// # Errors
/// A text of fewer than two tokens, or one that is beyond the model's vocabulary; a device failure.
pub fn score(
    path: &Path,
    text: &str,
    tokenizer: &Tokenizer,
    runner: &mut Runner,
    by: Windows,
    engine: &Engine,
) -> Result<Score> {
    let ids = tokenizer.encode(text)?;
    if ids.len() < 2 {
        let message = format!("has {} tokens; there is something to foretell from two on", ids.len());
        return Err(Error::file(path, message));
    }
    let rows = runner.vocabulary();
    if let Some(id) = ids.iter().find(|id| **id as usize >= rows) {
        return Err(Error::file(path, format!("holds token {id}, beyond the model's {rows}")));
    }
    let mut sums = Vec::new();
    for window in windows(ids.len(), by) {
        interrupt::check(|| format!("the evaluation of {}", path.display()))?;
        let losses = runner.losses(engine, &ids[window.from..window.to])?;
        let mut sum = Sum::default();
        for at in window.counted..window.to {
            // The loss of a token stands with the one before it.
            sum.nats += f64::from(losses[at - window.from - 1]);
            sum.tokens += 1.0;
            sum.bytes += tokenizer.bytes(ids[at]).map_or(0, |bytes| bytes.len()) as f64;
        }
        sums.push(sum);
    }
    Ok(Score::of(&sums))
}

impl Score {
    fn of(sums: &[Sum]) -> Self {
        let total = |of: fn(&Sum) -> f64| sums.iter().map(of).sum::<f64>();
        let (nats, tokens, bytes) = (total(|s| s.nats), total(|s| s.tokens), total(|s| s.bytes));
        let (mean, error) = ratio(sums, |s| s.nats, |s| s.tokens);
        let (bits, bits_error) = ratio(sums, |s| s.nats / std::f64::consts::LN_2, |s| s.bytes);
        debug_assert!((mean - nats / tokens).abs() < 1e-9);
        let perplexity = mean.exp();
        Score {
            windows: sums.len(),
            tokens: tokens as usize,
            bytes: bytes as usize,
            nats: (mean, error),
            perplexity: (perplexity, error.map(|error| perplexity * error)),
            bits_per_byte: (bits, bits_error),
        }
    }
}

/// A ratio of sums over windows, and its standard error: that of the mean of what windows are off by (Cochran 1977, 6.4).
fn ratio(sums: &[Sum], above: fn(&Sum) -> f64, below: fn(&Sum) -> f64) -> (f64, Option<f64>) {
    let count = sums.len() as f64;
    let whole: f64 = sums.iter().map(below).sum();
    let ratio = sums.iter().map(above).sum::<f64>() / whole;
    let squares: f64 = sums.iter().map(|sum| (above(sum) - ratio * below(sum)).powi(2)).sum();
    let error = (sums.len() > 1).then(|| (squares * count / (count - 1.0)).sqrt() / whole);
    (ratio, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(tokens: usize, context: usize, stride: usize) -> Vec<(usize, usize, usize)> {
        let by = Windows { context, stride, most: usize::MAX };
        windows(tokens, by).iter().map(|w| (w.from, w.to, w.counted)).collect()
    }

    #[test]
    fn every_token_counts_once_but_for_a_windows_first() {
        assert_eq!(cut(10, 4, 4), [(0, 4, 1), (4, 8, 5), (8, 10, 9)]);
        // The last token alone would be a window's first.
        assert_eq!(cut(9, 4, 4), [(0, 4, 1), (4, 8, 5)]);
        assert_eq!(cut(10, 4, 2), [(0, 4, 1), (2, 6, 4), (4, 8, 6), (6, 10, 8)]);
        assert_eq!(cut(2, 512, 512), [(0, 2, 1)]);
        assert_eq!(windows(100, Windows { context: 10, stride: 10, most: 3 }).len(), 3);
        for stride in 1..=7 {
            let counted: usize = cut(50, 7, stride).iter().map(|(_, to, counted)| to - counted).sum();
            // Windows side by side lose their first tokens, eight with the last window of one.
            assert_eq!(counted, if stride == 7 { 42 } else { 49 }, "{stride}");
        }
    }

    #[test]
    fn the_standard_error_is_that_of_a_mean_where_windows_are_alike() {
        let sums: Vec<Sum> =
            [1.0, 2.0, 4.0, 7.0].map(|x| Sum { nats: 10.0 * x, tokens: 10.0, bytes: 40.0 }).into();
        let score = Score::of(&sums);
        let deviation = ((2.5f64.powi(2) + 1.5f64.powi(2) + 0.5f64.powi(2) + 3.5f64.powi(2)) / 3.0).sqrt();
        assert!(
            (score.nats.0 - 3.5).abs() < 1e-12 && (score.nats.1.unwrap() - deviation / 2.0).abs() < 1e-12
        );
        assert!((score.bits_per_byte.0 - 35.0 / 40.0 / std::f64::consts::LN_2).abs() < 1e-12);
        assert!((score.perplexity.1.unwrap() - 3.5f64.exp() * deviation / 2.0).abs() < 1e-9);
        assert_eq!(Score::of(&sums[..1]).nats.1, None);
    }
}
