//! The choice of the next token.

use crate::random::rng::{self, Stream, pcg4d};

/// How the next token is chosen from logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Logits are divided by it; 0 takes the largest.
    pub temperature: f64,
    /// Of so many most likely tokens alone; 0 for all.
    pub top_k: usize,
    /// Of the fewest most likely tokens that have this much of the probability together (nucleus sampling, Holtzman et al.
    /// 2020, arXiv 1904.09751); 1 for all.
    pub top_p: f64,
    /// Chooses what is drawn.
    pub seed: u64,
}

impl Default for Sampler {
    fn default() -> Self {
        Sampler { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

impl Sampler {
    /// The token of draw number `draw`: of the same seed, draw and logits the same. Of equal logits the first counts as the
    /// larger.
    pub fn choose(&self, logits: &[f32], draw: u32) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let larger = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if self.temperature == 0.0 || self.top_k == 1 {
            return order.into_iter().min_by(larger).unwrap_or(0);
        }
        if (1..order.len()).contains(&self.top_k) {
            order.select_nth_unstable_by(self.top_k - 1, larger);
            order.truncate(self.top_k);
        }
        order.sort_unstable_by(larger);
        let most = f64::from(logits[order[0] as usize]);
        let weight = |id: &u32| ((f64::from(logits[*id as usize]) - most) / self.temperature).exp();
        let weights: Vec<f64> = order.iter().map(weight).collect();
        let all: f64 = weights.iter().sum();
        let mut kept = 0;
        let mut sum = 0.0;
        while kept < weights.len() && (kept == 0 || sum < self.top_p * all) {
            sum += weights[kept];
            kept += 1;
        }
        let [high, low, ..] = pcg4d([draw, 0, 0, rng::key(self.seed, Stream::Sample, 0)]);
        // 53 bits, as many as an f64 has.
        let uniform = ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * sum;
        for (id, weight) in order.iter().zip(&weights[..kept]) {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        order[kept - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_taken_without_temperature() {
        let greedy = Sampler::default();
        assert_eq!(greedy.choose(&[0.5, 2.0, 2.0, -1.0], 7), 1);
        assert_eq!(Sampler { temperature: 1.0, top_k: 1, ..greedy }.choose(&[0.5, 2.0, 2.5], 7), 2);
        assert_eq!(Sampler { temperature: 1.0, top_p: 0.0, ..greedy }.choose(&[0.5, 2.0, 2.5], 7), 2);
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let logits = [0.0f32, 1.0, 2.0, 3.0];
        let counted = |sampler: Sampler| -> Vec<f64> {
            let mut counts = vec![0.0; 4];
            (0..20_000).for_each(|draw| counts[sampler.choose(&logits, draw) as usize] += 1.0 / 20_000.0);
            counts
        };
        let near = |found: Vec<f64>, expected: [f64; 4]| {
            let far = found.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 0.015);
            assert!(!far, "{found:?} {expected:?}");
        };
        let drawn = Sampler { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 3 };
        near(counted(drawn), [0.032, 0.087, 0.237, 0.644]);
        near(counted(Sampler { temperature: 2.0, ..drawn }), [0.102, 0.167, 0.276, 0.455]);
        near(counted(Sampler { top_k: 2, ..drawn }), [0.0, 0.0, 0.269, 0.731]);
        // 0.644 are not enough, and with 0.237 they are.
        near(counted(Sampler { top_p: 0.8, ..drawn }), [0.0, 0.0, 0.269, 0.731]);
        assert_ne!(
            (0..50).map(|d| drawn.choose(&logits, d)).collect::<Vec<_>>(),
            (0..50).map(|d| Sampler { seed: 4, ..drawn }.choose(&logits, d)).collect::<Vec<_>>()
        );
    }
}
