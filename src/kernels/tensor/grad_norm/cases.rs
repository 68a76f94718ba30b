//! Parity cases and benches of `grad_norm`.

use super::super::block_update::cases::{alone, tall};
use super::super::records;
use super::*;
use crate::kernels::case::{Bench, Case, KEPT, poisoned, values};
use crate::params::Spans;
use crate::params::blocks::{Block, Blocks, Part};
use std::ops::Range;

const LEN: usize = 5003;
const SHIFT: usize = 8;

/// Sums of squares by block and invocation, of a gradient at its place.
fn expected(blocks: &Blocks, grads: &[f32], tuning: &Tuning) -> Vec<f64> {
    let of = |block: &Block| {
        let lane = |lane: usize| {
            let quads = (lane..block.quads()).step_by(tuning.workgroup);
            let element = |quad: usize, i: usize| grads[4 * (block.grad as usize + quad) + i] as f64;
            let kept = |i: &usize| block.mask() >> i & 1 == 1;
            quads.flat_map(|quad| (0..4).filter(kept).map(move |i| element(quad, i).powi(2))).sum::<f64>()
        };
        let lanes: Vec<f64> = (0..tuning.workgroup).map(lane).collect();
        if tuning.shared { vec![lanes.iter().sum()] } else { lanes }
    };
    blocks.list.iter().flat_map(of).collect()
}

/// Elements of an arena that has these.
fn len(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(|range| range.end).fold(LEN, usize::max)
}

fn case(name: &str, pieces: &[Vec<Range<usize>>], tuning: &Tuning) -> Case {
    let part = |r: &Range<usize>| Part { elements: r.clone(), grad: r.start + SHIFT, group: 0 };
    let blocks: Vec<Blocks> =
        pieces.iter().map(|ranges| Blocks::new(ranges.iter().map(part)).expect("a fixture")).collect();
    let grads: Vec<Vec<f32>> =
        (0..).zip(pieces).map(|(i, ranges)| values(SHIFT + len(ranges), 0.3, 9 + i)).collect();
    let buffers: Vec<[Buffer; 2]> =
        blocks.iter().zip(&grads).map(|(b, g)| [records(b), Buffer::holding("grads", g)]).collect();
    let own: Vec<Piece> = blocks
        .iter()
        .zip(&buffers)
        .map(|(b, [blocks, grads])| Piece { blocks, count: b.list.len(), grads })
        .collect();
    let sums: Vec<f64> = blocks.iter().zip(&grads).flat_map(|(b, g)| expected(b, g, tuning)).collect();
    let (summed, norms) = (poisoned("partials", sums.len()), poisoned("norms", 3));
    let state = Buffer::holding("state", &[4u32]);
    let b = Buffers { partials: &summed, state: &state, norms: &norms, ring: 3 };
    let norm = sums.iter().sum::<f64>().sqrt();
    Case::new(name, record(&own, &b, tuning)).f32(&summed, sums).f32(&norms, vec![KEPT, norm, KEPT])
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let columns = || (0..40).map(|row| 37 * row + 5..37 * row + 6).collect::<Vec<_>>();
    vec![
        case("all of 5003", &[alone(0..LEN)], tuning),
        case("one element", &[alone(101..102)], tuning),
        case("a column of a [40, 37]", &[columns()], tuning),
        case("more blocks than go in x", &[tall()], tuning),
        case("three segments", &[vec![1..18, 30..4001], columns(), vec![0..3, 9..LEN]], tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let elements = 1 << 22;
    let blocks = Blocks::of(&Spans::all(elements)).expect("blocks of all");
    let (own, grads) = (records(&blocks), Buffer::words("grads", elements));
    let count = blocks.list.len();
    let partials = Buffer::words("partials", partials(count, tuning));
    let (state, norms) = (Buffer::words("state", 1), Buffer::words("norms", 1));
    let b = Buffers { partials: &partials, state: &state, norms: &norms, ring: 1 };
    let recording = record(&[Piece { blocks: &own, count, grads: &grads }], &b, tuning);
    let size = elements as f64;
    vec![Bench { name: "4 Mi".into(), recording, flops: 2.0 * size, bytes: 4.0 * size }]
}
