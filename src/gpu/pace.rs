//! How much goes into a submission.

use std::time::Duration;

/// A submission aims to take so long: short enough for Ctrl-C, a live progress bar and the watchdogs of desktop GPUs, long
/// against its overhead.
const SUBMISSION: Duration = Duration::from_millis(150);

/// Sizes of submissions, by the time that earlier ones took. They must leave no trace in the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Of the next submission: steps, or launches.
    pub size: u64,
    most: u64,
}

impl Pace {
    /// Starts with one, and never takes more than `most`.
    pub fn new(most: u64) -> Self {
        Pace { size: 1, most }
    }

    /// Twice as many while a submission is far under its time, half when far over.
    pub fn took(&mut self, time: Duration) {
        if time > 2 * SUBMISSION {
            self.size = (self.size / 2).max(1);
        } else if time < SUBMISSION / 2 {
            self.size = (self.size * 2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_and_shrink_within_their_bounds() {
        let mut pace = Pace::new(5);
        let sizes: Vec<u64> = [10, 10, 10, 100, 200, 400, 400, 400]
            .map(|ms| {
                pace.took(Duration::from_millis(ms));
                pace.size
            })
            .to_vec();
        assert_eq!(sizes, [2, 4, 5, 5, 5, 2, 1, 1]);
    }
}
