//! Parity cases and benches of `grad_norm`.

use super::super::arena::fixture::{alone, bench, tall};
use super::super::arena::{Piece, SHORT, Turns, Update};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, KEPT, poisoned, values};
use crate::optim::Rule;
use crate::params::blocks::{Block, Blocks, Part};
use std::ops::Range;

const LEN: usize = 5003;
const SHIFT: usize = 8;

/// Sums of squares by workgroup and invocation, of a gradient at its place.
fn expected(blocks: &Blocks, grads: &[f32], tuning: &Tuning) -> Vec<f64> {
    let lane = |block: &Block, from: usize, stride: usize| {
        let quads = (from..block.quads()).step_by(stride);
        let element = |quad: usize, i: usize| f64::from(grads[4 * (block.grad as usize + quad) + i]);
        let kept = |i: &usize| block.mask() >> i & 1 == 1;
        quads.flat_map(|quad| (0..4).filter(kept).map(move |i| element(quad, i).powi(2))).sum::<f64>()
    };
    let (long, short): (Vec<&Block>, Vec<&Block>) =
        blocks.list.iter().partition(|block| block.quads() >= SHORT);
    let long = long.into_iter().map(|block| vec![block]);
    let items: Vec<Vec<&Block>> =
        long.chain(short.chunks(tuning.workgroup).map(<[&Block]>::to_vec)).collect();
    let own = Buffer::words("grads", grads.len());
    let Turns { all, turns } = Turns::new(&Piece::new(blocks, &own, &own, &own), tuning);
    let group = |first: usize| {
        let own: Vec<&Vec<&Block>> = items.iter().skip(first * turns).take(turns).collect();
        let share = |item: &Vec<&Block>, at: usize| match item[..] {
            [block] if block.quads() >= SHORT => lane(block, at, tuning.workgroup),
            _ => item.get(at).map_or(0.0, |block| lane(block, 0, 1)),
        };
        let of = |at: usize| own.iter().map(|item| share(item, at)).sum::<f64>();
        let lanes: Vec<f64> = (0..tuning.workgroup).map(of).collect();
        if tuning.shared { vec![lanes.iter().sum()] } else { lanes }
    };
    (0..all).flat_map(group).collect()
}

/// Elements of an arena that has these.
fn len(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(|range| range.end).fold(LEN, usize::max)
}

fn case(name: &str, pieces: &[Vec<Range<usize>>], tuning: &Tuning) -> Case {
    let part = |r: &Range<usize>| Part { elements: r.clone(), grad: r.start + SHIFT, group: 0 };
    let of = |(i, ranges): (u32, &Vec<Range<usize>>)| {
        let blocks = Blocks::new(ranges.iter().map(part)).expect("a fixture");
        (blocks, values(SHIFT + len(ranges), 0.3, 9 + i))
    };
    let pieces: Vec<(Blocks, Vec<f32>)> = (0..).zip(pieces).map(of).collect();
    let sums: Vec<f64> = pieces.iter().flat_map(|(b, g)| expected(b, g, tuning)).collect();
    let (idle, norms) = (Buffer::words("idle", 8), poisoned("norms", 3));
    let state = Buffer::holding("state", &[4u32]);
    let update = Update {
        rule: Rule::Sgd,
        hyper: &idle,
        groups: 1,
        schedule: &idle,
        state: &state,
        norms: &norms,
        ring: 3,
    };
    let own = |(b, g): &(Blocks, Vec<f32>)| {
        let grads = Buffer::holding("grads", g);
        Piece::new(b, &grads, &grads, &grads)
    };
    let own: Vec<Piece> = pieces.iter().map(own).collect();
    let recording = super::record(&own.iter().collect::<Vec<_>>(), &update, tuning);
    let written =
        recording.resources().find(|resource| resource.label() == "partials").expect("partial sums");
    let summed = written.view().expect("a buffer").buffer().clone();
    let norm = sums.iter().sum::<f64>().sqrt();
    Case::new(name, recording).f32(&summed, sums).f32(&norms, vec![KEPT, norm, KEPT])
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
    fn norm(update: &Update, piece: &Piece, tuning: &Tuning) -> Recording {
        super::record(&[piece], update, tuning)
    }
    let elements = 1 << 22;
    let (recording, size) = (bench(elements, norm, tuning), elements as f64);
    vec![Bench { name: "4 Mi".into(), recording, flops: 2.0 * size, bytes: 4.0 * size }]
}
