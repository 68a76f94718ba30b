//! How a learning rate or a loss weight moves over the steps of a phase.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How a learning rate or a loss weight moves over the steps of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// 1.
    #[default]
    Constant,
    /// From 1 at the first step to 0 at the last.
    Linear,
    /// Half a cosine from 1 at the first step to 0 at the last.
    Cosine,
    /// Warm-up, stable, decay: 1, and over the last fifth of the steps straight to 0 at the last.
    Wsd,
}

/// The factor at step `t` = 0, 1, …, T − 1 of `steps` = T, from 1 to 0 (constant: 1).
///
/// Linear is (T − 1 − t)/(T − 1), the few-shot weight of Lee, Sohn and Lee (2026); cosine is
/// (1 + cos(π t/(T − 1)))/2; `wsd` is min(1, (T − 1 − t)/(T/5)) (Hu et al. 2024, arXiv 2404.06395; a fifth as in Hägele et al. 2024,
/// arXiv 2405.18392). A phase of one step has the factor 1; past the last step it stays what it was there.
pub fn factor(schedule: Schedule, t: u64, steps: u64) -> f64 {
    let last = steps.saturating_sub(1);
    if last == 0 {
        return 1.0;
    }
    let t = t.min(last);
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => (last - t) as f64 / last as f64,
        Schedule::Wsd => ((last - t) as f64 / (steps as f64 * 0.2).max(1.0)).min(1.0),
        Schedule::Cosine => 0.5 * (1.0 + (PI * t as f64 / last as f64).cos()),
    }
}

/// The factor of a learning rate that warms up: from 0 in `warmup` equal steps, then [`factor`] over the steps left.
pub fn warmed(schedule: Schedule, warmup: u64, t: u64, steps: u64) -> f64 {
    if t < warmup {
        return t as f64 / warmup as f64;
    }
    factor(schedule, t - warmup, steps.saturating_sub(warmup))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_warms_up_from_nothing_and_then_goes_its_way() {
        let curve = |schedule, warmup| [0, 1, 2, 3, 4, 5].map(|t| warmed(schedule, warmup, t, 6));
        assert_eq!(curve(Schedule::Constant, 4), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(curve(Schedule::Linear, 1), [0.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(curve(Schedule::Linear, 5), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
            for t in 0..9 {
                assert_eq!(warmed(schedule, 0, t, 6).to_bits(), factor(schedule, t, 6).to_bits());
            }
        }
    }

    #[test]
    fn the_ends_are_one_and_zero() {
        for schedule in [Schedule::Linear, Schedule::Cosine, Schedule::Wsd] {
            for steps in [2, 3, 100, 5000, u64::MAX] {
                assert_eq!(factor(schedule, 0, steps), 1.0, "{schedule:?} {steps}");
                assert_eq!(factor(schedule, steps - 1, steps), 0.0, "{schedule:?} {steps}");
                assert_eq!(factor(schedule, u64::MAX, steps), 0.0, "{schedule:?} {steps}");
            }
        }
    }

    #[test]
    fn constant_and_single_steps_are_one() {
        for t in [0, 1, 7, u64::MAX] {
            assert_eq!(factor(Schedule::Constant, t, 10), 1.0);
            for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
                assert_eq!(factor(schedule, t, 1), 1.0);
                assert_eq!(factor(schedule, t, 0), 1.0);
            }
        }
    }

    #[test]
    fn the_way_between() {
        assert_eq!(factor(Schedule::Linear, 1, 5), 0.75);
        assert_eq!(factor(Schedule::Linear, 2, 5), 0.5);
        let stable = [0, 79, 89, 94, 99].map(|t| factor(Schedule::Wsd, t, 100));
        assert_eq!(stable, [1.0, 1.0, 0.5, 0.25, 0.0]);
        assert!((factor(Schedule::Cosine, 2, 5) - 0.5).abs() < 1e-15);
        assert!((factor(Schedule::Cosine, 1, 5) - (2.0 + 2f64.sqrt()) / 4.0).abs() < 1e-15);
        for schedule in [Schedule::Linear, Schedule::Cosine] {
            for t in 1..50 {
                assert!(factor(schedule, t, 50) < factor(schedule, t - 1, 50), "{schedule:?} at {t}");
            }
        }
    }
}
