//! Sequences as the batches of a step.

use crate::models::learn::{Batch, Capacity};
use crate::text::{Rows, Sequence};

/// Which sequences a step takes.
pub struct Batches<'a> {
    all: &'a [Sequence],
    rows: Rows,
    /// Rows of a pass, and passes of a step.
    batch: usize,
    accumulate: usize,
}

impl<'a> Batches<'a> {
    /// `most` tokens of a row, or a sequence each.
    pub fn new(all: &'a [Sequence], most: Option<usize>, [batch, accumulate]: [usize; 2], seed: u64) -> Self {
        let rows = Rows::new(lengths(all), most, seed);
        Batches { all, rows, batch, accumulate }
    }

    /// A step's passes. Every token that counts has the same weight, whichever pass it is in: the loss is the mean over the step.
    pub fn of(&mut self, step: u64) -> Vec<Batch> {
        let first = step * (self.batch * self.accumulate) as u64;
        let mut passes = Vec::new();
        for pass in 0..self.accumulate {
            let mut batch = Batch::default();
            for row in 0..self.batch {
                let at = first + (pass * self.batch + row) as u64;
                for one in self.rows.at(at).0 {
                    let sequence = &self.all[*one];
                    batch.add(&sequence.ids, &sequence.counted);
                }
            }
            passes.push(batch);
        }
        mean(&mut passes);
        passes
    }
}

/// Makes the sum of losses the mean over all that counts.
fn mean(passes: &mut [Batch]) {
    let counted: usize = passes.iter().map(|batch| batch.counted.len()).sum();
    let weight = (1.0 / counted.max(1) as f64) as f32;
    passes.iter_mut().flat_map(|batch| &mut batch.counted).for_each(|own| own.weight = weight);
}

fn lengths(all: &[Sequence]) -> Vec<usize> {
    all.iter().map(|sequence| sequence.ids.len()).collect()
}

/// What a pass of `batch` rows takes at most of these sequences.
pub fn capacity(all: &[Sequence], most: Option<usize>, batch: usize) -> Capacity {
    let largest = |mut sizes: Vec<usize>| {
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        sizes.into_iter().take(batch).sum::<usize>()
    };
    let (longest, counts) = (largest(lengths(all)), largest(all.iter().map(Sequence::counts).collect()));
    let one = lengths(all).into_iter().max().unwrap_or(0);
    match most {
        // Epochs meet in a pass, so that a sequence may be there twice.
        None => {
            let both = |f: fn(&Sequence) -> usize| all.iter().map(f).max().unwrap_or(0) * batch;
            let few = all.len() < batch;
            Capacity {
                rows: if few { both(|s| s.ids.len()) } else { longest },
                counted: if few { both(Sequence::counts) } else { counts },
                sequences: batch,
                longest: one,
            }
        }
        Some(most) => Capacity {
            rows: most * batch,
            counted: most * batch,
            sequences: shortest(lengths(all), most, batch),
            longest: one,
        },
    }
}

/// Sequences of a batch.
pub fn counts_of(batch: &Batch) -> usize {
    batch.starts.iter().enumerate().filter(|(row, start)| *row == **start as usize).count()
}

/// How many of the shortest sequences fit into `batch` rows, of as many epochs as may meet in them.
fn shortest(mut sizes: Vec<usize>, most: usize, batch: usize) -> usize {
    let epoch = Rows::unshuffled(&sizes, Some(most)).len().max(1);
    let times = batch.div_ceil(epoch) + 1;
    sizes.sort_unstable();
    let (mut count, mut left) = (0, most * batch);
    for size in sizes {
        let fit = (left / size.max(1)).min(times);
        count += fit;
        left -= fit * size;
    }
    count.max(1)
}

/// Batches of sequences as they stand, of at most so many rows each, each with the weight 1 a token.
pub fn in_order(
    all: &[Sequence],
    room: Capacity,
    most: Option<usize>,
    rows: usize,
) -> Vec<(Batch, Vec<usize>)> {
    let mut found: Vec<(Batch, Vec<usize>)> = Vec::new();
    let chosen = Rows::unshuffled(&lengths(all), most).into_iter().take(rows).flatten();
    for one in chosen {
        let sequence = &all[one];
        let fits = |(batch, _): &&mut (Batch, Vec<usize>)| {
            batch.ids.len() + sequence.ids.len() <= room.rows
                && counts_of(batch) < room.sequences
                && batch.counted.len() + sequence.counts() <= room.counted
        };
        if found.last_mut().filter(fits).is_none() {
            found.push(Default::default());
        }
        let (batch, counts) = found.last_mut().expect("pushed above");
        batch.add(&sequence.ids, &sequence.counted);
        counts.push(sequence.counts());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences() -> Vec<Sequence> {
        let one = |i: usize| {
            let ids: Vec<u32> = (0..3 + i * 5 % 7).map(|k| (i * 10 + k) as u32).collect();
            let counted = std::iter::once(1 + i % 2..ids.len()).collect();
            Sequence { ids, counted }
        };
        (0..11).map(one).collect()
    }

    #[test]
    fn accumulated_passes_are_one_batch_in_parts() {
        let all = sequences();
        for most in [None, Some(12)] {
            let whole = Batches::new(&all, most, [4, 1], 7).of(3).remove(0);
            let parts = Batches::new(&all, most, [2, 2], 7).of(3);
            assert_eq!(parts.len(), 2);
            let ids: Vec<u32> = parts.iter().flat_map(|part| part.ids.clone()).collect();
            assert_eq!(ids, whole.ids);
            let weight = |batch: &Batch| batch.counted.iter().map(|own| own.weight).sum::<f32>();
            assert!((parts.iter().map(weight).sum::<f32>() - 1.0).abs() < 1e-6);
            assert_eq!(parts[0].counted[0].weight, whole.counted[0].weight);
        }
    }

    #[test]
    fn a_pass_has_room_for_every_step() {
        let all = sequences();
        for (most, batch) in [(None, 3), (None, 30), (Some(10), 4)] {
            let room = capacity(&all, most, batch);
            let mut batches = Batches::new(&all, most, [batch, 1], 1);
            for step in 0..40 {
                let pass = batches.of(step).remove(0);
                assert!(
                    pass.ids.len() <= room.rows
                        && pass.counted.len() <= room.counted
                        && counts_of(&pass) <= room.sequences,
                    "{most:?} {batch}"
                );
                assert!(
                    pass.counted.iter().all(|own| pass.ids.get(own.row as usize + 1) == Some(&own.target))
                );
            }
            let judged = in_order(&all, room, most, usize::MAX);
            assert_eq!(
                judged.iter().flat_map(|(_, counts)| counts).sum::<usize>(),
                all.iter().map(Sequence::counts).sum::<usize>()
            );
        }
    }
}
