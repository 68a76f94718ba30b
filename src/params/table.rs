//! The table of parameters: every tensor's name, shape, axes and place in the one arena that holds them all.

use super::Spans;
use crate::random::rng::{self, Stream};
use crate::random::splitmix::SplitMix64;
use std::ops::Range;

/// A name by which a mask selects part of a tensor: index i stands for entries `i·block … (i + 1)·block` of dimension
/// `dim`. Several may share a dimension, as the rows and the heads of a query projection do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// As patterns call it: `h`, `row`, `col` …
    pub name: &'static str,
    /// Which of the shape's sizes it runs over.
    pub dim: usize,
    /// Entries along `dim` that are one of the axis.
    pub block: usize,
}

impl Axis {
    /// An axis of single entries.
    pub const fn of(name: &'static str, dim: usize) -> Self {
        Axis { name, dim, block: 1 }
    }
}

/// What a tensor holds before the first step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Independent normal numbers of mean 0 and this standard deviation.
    Normal(f64),
    /// The same number everywhere: 1 for the gains of a norm, 0 for a bias.
    Constant(f32),
    /// Logarithms of numbers that are uniform between two.
    LogUniform([f64; 2]),
    /// What softplus makes numbers of whose logarithms are uniform between those of two.
    InverseSoftplus([f64; 2]),
}

/// One tensor, row-major from element `offset` of the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// As patterns and files have it: `layers.0.attn.v`.
    pub name: String,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
    /// What its indexes are called.
    pub axes: Vec<Axis>,
    /// What it holds before the first step.
    pub init: Init,
    /// What it is counted under, such as its layer.
    pub group: String,
    /// Where it starts in the arena.
    pub offset: usize,
}

impl Param {
    /// A tensor that finds its place when it enters a [`ParamTable`].
    pub fn new(name: String, shape: Vec<usize>, axes: Vec<Axis>, init: Init, group: String) -> Self {
        Param { name, shape, axes, init, group, offset: 0 }
    }

    /// Elements in it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// It has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements of the arena.
    pub fn place(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// How far `axis` counts.
    pub fn size(&self, axis: &Axis) -> usize {
        self.shape[axis.dim] / axis.block
    }
}

/// What training asks of the backward pass about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// No gradient: nothing of it is trained.
    None,
    /// All of it.
    Whole,
    /// These elements of the arena.
    Part(Spans),
}

/// All parameters in arena order, each directly after the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamTable {
    /// In the arena's order.
    pub params: Vec<Param>,
}

impl ParamTable {
    /// Tensors in the order given.
    pub fn new(params: impl IntoIterator<Item = Param>) -> Self {
        let mut next = 0;
        let place = |param: Param| {
            let offset = next;
            next += param.len();
            Param { offset, ..param }
        };
        ParamTable { params: params.into_iter().map(place).collect() }
    }

    /// Elements in the arena.
    pub fn len(&self) -> usize {
        self.params.last().map_or(0, |last| last.place().end)
    }

    /// The arena has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The arena before the first step. An element's normal number is a function of the seed and its place.
    pub fn init(&self, seed: u64) -> Vec<f32> {
        let key = rng::key(seed, Stream::Init, 0);
        let normals = rng::normals(0, 0, 0, key, self.len());
        let uniform = |param: &Param| {
            let mut chance = SplitMix64::new(u64::from(key) << 32 ^ param.offset as u64);
            (0..param.len()).map(|_| chance.uniform()).collect::<Vec<f64>>()
        };
        let start = |param: &Param| -> Vec<f32> {
            match param.init {
                Init::LogUniform([from, to]) => {
                    uniform(param).into_iter().map(|u| (from + u * (to - from)).ln() as f32).collect()
                }
                Init::InverseSoftplus([from, to]) => {
                    let of = |u: f64| (from.ln() + u * (to / from).ln()).exp().exp_m1().ln() as f32;
                    uniform(param).into_iter().map(of).collect()
                }
                Init::Normal(std) => normals[param.place()].iter().map(|x| (x * std) as f32).collect(),
                Init::Constant(value) => vec![value; param.len()],
            }
        };
        self.params.iter().flat_map(start).collect()
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// What a mask needs of a parameter.
    pub fn need(&self, param: &Param, mask: &Spans) -> Need {
        let own = mask.within(param.place());
        match own.len() {
            0 => Need::None,
            n if n == param.len() => Need::Whole,
            _ => Need::Part(own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ParamTable {
        let axes = || vec![Axis::of("row", 0), Axis::of("col", 1), Axis { name: "h", dim: 0, block: 2 }];
        let param = |name: &str, rows| {
            Param::new(name.into(), vec![rows, 3], axes(), Init::Normal(0.1), "all".into())
        };
        ParamTable::new([param("q", 4), param("k", 2), param("none", 0)])
    }

    #[test]
    fn parameters_follow_each_other_in_arena_order() {
        let table = table();
        let places: Vec<Range<usize>> = table.params.iter().map(Param::place).collect();
        assert_eq!(places, [0..12, 12..18, 18..18]);
        assert_eq!(table.len(), 18);
        assert_eq!(table.get("k").map(|p| p.offset), Some(12));
        assert_eq!(table.get("v"), None);
        let q = &table.params[0];
        assert_eq!(q.axes.iter().map(|axis| q.size(axis)).collect::<Vec<_>>(), [4, 3, 2]);
    }

    #[test]
    fn a_need_is_none_whole_or_a_part() {
        let table = table();
        let mask: Spans = [3..6, 12..18].into_iter().collect();
        let of = |name: &str| table.need(table.get(name).unwrap(), &mask);
        assert_eq!(of("q"), Need::Part(std::iter::once(3..6).collect()));
        assert_eq!(of("k"), Need::Whole);
        assert_eq!(of("none"), Need::None);
        assert_eq!(table.need(&table.params[1], &Spans::default()), Need::None);
    }

    #[test]
    fn what_a_tensor_starts_with_does_not_hang_on_the_others() {
        let mut table = table();
        let normal = table.init(7);
        assert!(normal.iter().all(|x| *x != 0.0 && x.abs() < 0.6));
        table.params[0].init = Init::Constant(1.0);
        let mixed = table.init(7);
        assert_eq!((&mixed[..12], &mixed[12..]), (&[1.0; 12][..], &normal[12..]));
        assert_ne!(table.init(8)[12..], normal[12..]);
    }
}
