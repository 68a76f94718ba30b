//! Which sequences are trained on, and which are kept to validate.

use super::Sequence;
use sha2::{Digest, Sha256};

/// A number of [0, 1) that a sequence has wherever it stands, so that what is there twice is not on both sides.
fn place(sequence: &Sequence) -> f64 {
    let bytes: Vec<u8> = sequence.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let hash = Sha256::digest(&bytes);
    let first = u64::from_le_bytes(hash[..8].try_into().expect("eight bytes"));
    first as f64 / 2f64.powi(64)
}

/// Sequences to train on, and about `share` of them to validate on: one at least, if there are two that differ.
pub fn split(all: Vec<Sequence>, share: f64) -> (Vec<Sequence>, Vec<Sequence>) {
    if all.is_empty() {
        return (all, Vec::new());
    }
    let places: Vec<f64> = all.iter().map(place).collect();
    let (least, most) = places.iter().fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
    // All alike stay to be trained on.
    let bound = if least == most { 0.0 } else { share.clamp(least.next_up(), most) };
    let mut sides = (Vec::new(), Vec::new());
    for (sequence, place) in all.into_iter().zip(places) {
        let side = if place < bound { &mut sides.1 } else { &mut sides.0 };
        side.push(sequence);
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_on_one_side_wherever_it_stands() {
        let sequence = |i: u32| Sequence::whole(vec![i, i + 1, i * i]);
        let all: Vec<Sequence> = (0..1000).map(sequence).collect();
        let (train, kept) = split(all.clone(), 0.1);
        assert_eq!(train.len() + kept.len(), 1000);
        assert!((70..130).contains(&kept.len()), "{}", kept.len());
        let more: Vec<Sequence> = (0..2000).rev().map(sequence).collect();
        assert!(kept.iter().all(|one| split(more.clone(), 0.1).1.contains(one)));
        for n in [2, 3, 10] {
            let (train, kept) = split(all[..n].to_vec(), 1e-9);
            assert_eq!((train.len(), kept.len()), (n - 1, 1));
        }
        assert_eq!(split(vec![sequence(1); 5], 0.5).1.len(), 0);
        assert_eq!(split(all[..1].to_vec(), 0.5).0.len(), 1);
    }
}
