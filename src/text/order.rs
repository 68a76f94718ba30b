//! The order in which sequences are trained on: rows of some of them, shuffled anew each epoch.

use crate::random::rng::{Stream, key};
use crate::random::splitmix::SplitMix64;

/// Rows of an endless round of epochs. Which sequences a row has is a function of its number and the seed.
#[derive(Clone, Debug)]
pub struct Rows {
    lengths: Vec<usize>,
    /// Most tokens of a row; none where each sequence is a row.
    most: Option<usize>,
    seed: u64,
    epoch: u64,
    /// Of the epoch's first row.
    first: u64,
    rows: Vec<Vec<usize>>,
}

impl Rows {
    /// Of sequences of such lengths, none longer than `most`.
    pub fn new(lengths: Vec<usize>, most: Option<usize>, seed: u64) -> Self {
        let mut all = Rows { lengths, most, seed, epoch: 0, first: 0, rows: Vec::new() };
        all.rows = all.of(0);
        all
    }

    /// The rows of the sequences as they stand.
    pub fn unshuffled(lengths: &[usize], most: Option<usize>) -> Vec<Vec<usize>> {
        pack(lengths, most, (0..lengths.len()).collect())
    }

    fn of(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        SplitMix64::new(key(self.seed, Stream::Order, epoch).into()).shuffle(&mut order);
        pack(&self.lengths, self.most, order)
    }

    /// Rows of the first epoch.
    pub fn epoch_rows(&self) -> usize {
        self.of(0).len()
    }

    /// The sequences of a row, and its epoch.
    ///
    /// # Panics
    /// If there are no sequences.
    pub fn at(&mut self, row: u64) -> (&[usize], u64) {
        assert!(!self.lengths.is_empty(), "rows of no sequence");
        if row < self.first {
            (self.epoch, self.first) = (0, 0);
            self.rows = self.of(0);
        }
        while row - self.first >= self.rows.len() as u64 {
            self.first += self.rows.len() as u64;
            self.epoch += 1;
            self.rows = self.of(self.epoch);
        }
        (&self.rows[(row - self.first) as usize], self.epoch)
    }
}

/// Sequences in order, each behind the one before it as long as a row has room.
fn pack(lengths: &[usize], most: Option<usize>, order: Vec<usize>) -> Vec<Vec<usize>> {
    let Some(most) = most else { return order.into_iter().map(|one| vec![one]).collect() };
    let (mut rows, mut used) = (Vec::<Vec<usize>>::new(), 0);
    for one in order {
        match rows.last_mut() {
            Some(row) if used + lengths[one] <= most => row.push(one),
            _ => {
                rows.push(vec![one]);
                used = 0;
            }
        }
        used += lengths[one];
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_has_every_sequence_once_in_an_order_of_its_own() {
        let lengths: Vec<usize> = (0..50).map(|i| 3 + i * 7 % 11).collect();
        for most in [None, Some(13), Some(40)] {
            let mut rows = Rows::new(lengths.clone(), most, 5);
            let (mut epochs, mut row) = (vec![Vec::<usize>::new(); 3], 0);
            loop {
                let (own, epoch) = rows.at(row);
                if epoch == 3 {
                    break;
                }
                let used: usize = own.iter().map(|i| lengths[*i]).sum();
                assert!(most.is_none_or(|most| used <= most) && (most.is_some() || own.len() == 1));
                epochs[epoch as usize].extend(own);
                row += 1;
            }
            assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
            for epoch in &mut epochs {
                epoch.sort_unstable();
                assert_eq!(*epoch, (0..50).collect::<Vec<_>>());
            }
            // A row is a function of its number.
            let late = rows.at(60).0.to_vec();
            assert_eq!(rows.at(3).0, Rows::new(lengths.clone(), most, 5).at(3).0);
            assert_eq!(rows.at(60).0, late);
            assert_ne!(
                Rows::new(lengths.clone(), most, 6).at(0).0,
                Rows::new(lengths.clone(), most, 5).at(0).0
            );
        }
    }
}
