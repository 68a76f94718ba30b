//! The arena on a device: segments no larger than it can bind, tensors at places that views can begin at.

use super::blocks::{Blocks, Part};
use super::{Param, ParamTable, Spans};
use std::ops::Range;

/// Elements that every tensor's place, in a segment and in its gradient's, is a multiple of: 256 bytes of f32, which a
/// view that a kernel binds begins at.
pub const ALIGN: usize = 64;

/// Elements of a tensor that stand together: all of it, or some rows of one that is larger than a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the table's arena, in which tensors follow each other without gaps.
    pub elements: Range<usize>,
    /// Which segment.
    pub segment: usize,
    /// The first one's element of the segment.
    pub offset: usize,
}

/// Where each tensor of a table is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// In the arena's order.
    pub places: Vec<Place>,
    /// Elements of each segment.
    pub lens: Vec<usize>,
}

/// What is trained of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    /// In elements of the segment, and of a gradient that has the trained tensors alone.
    pub blocks: Blocks,
    /// Place of each of the segment's places in that gradient; none where nothing of it is trained.
    pub grads: Vec<Option<usize>>,
    /// Elements of that gradient.
    pub grad_len: usize,
}

impl Segments {
    /// Segments of at most `most` elements.
    ///
    /// # Errors
    /// A row of a tensor, all but its first size, is larger than that; the message names it.
    pub fn new(table: &ParamTable, most: usize) -> Result<Self, String> {
        let mut segments = Segments::default();
        for param in table.params.iter().filter(|param| !param.is_empty()) {
            for elements in rows(param, most)? {
                segments.put(elements, most);
            }
        }
        Ok(segments)
    }

    /// Behind what is there, or in a new segment.
    fn put(&mut self, elements: Range<usize>, most: usize) {
        let start = self.lens.last().map_or(0, |len| len.next_multiple_of(ALIGN));
        let fits = !self.lens.is_empty() && start + elements.len() <= most;
        let offset = if fits { start } else { 0 };
        if !fits {
            self.lens.push(0);
        }
        let segment = self.lens.len() - 1;
        self.lens[segment] = offset + elements.len();
        self.places.push(Place { elements, segment, offset });
    }

    /// Where a tensor is, in its order.
    pub fn of(&self, param: &Param) -> &[Place] {
        let own = param.place();
        let first = self.places.partition_point(|place| place.elements.start < own.start);
        let end = self.places.partition_point(|place| place.elements.start < own.end);
        &self.places[first..end]
    }

    /// What groups of elements train of each segment; an element's group of hyperparameters is its mask's number.
    ///
    /// # Errors
    /// What [`Blocks::new`] can't lay out: two masks in a vec4.
    pub fn trained(&self, masks: &[Spans]) -> Result<Vec<Trained>, String> {
        (0..self.lens.len()).map(|segment| self.trained_in(segment, masks)).collect()
    }

    fn trained_in(&self, segment: usize, masks: &[Spans]) -> Result<Trained, String> {
        let (mut trained, mut parts) = (Trained::default(), Vec::new());
        for place in self.places.iter().filter(|place| place.segment == segment) {
            let mut own: Vec<(Range<usize>, u32)> = Vec::new();
            for (mask, group) in masks.iter().zip(0..) {
                let within = mask.within(place.elements.clone());
                own.extend(within.ranges().iter().map(|range| (range.clone(), group)));
            }
            own.sort_by_key(|(range, _)| range.start);
            let start = trained.grad_len.next_multiple_of(ALIGN);
            trained.grads.push((!own.is_empty()).then_some(start));
            if !own.is_empty() {
                trained.grad_len = start + place.elements.len();
            }
            parts.extend(own.into_iter().map(|(range, group)| {
                let (from, to) = (range.start - place.elements.start, range.end - place.elements.start);
                Part { elements: place.offset + from..place.offset + to, grad: start + from, group }
            }));
        }
        trained.blocks = Blocks::new(parts)?;
        Ok(trained)
    }
}

/// A tensor whole, or as few runs of whole rows as fit.
fn rows(param: &Param, most: usize) -> Result<Vec<Range<usize>>, String> {
    if param.len() <= most {
        return Ok(vec![param.place()]);
    }
    let row = param.len() / param.shape[0];
    if row > most {
        return Err(format!("a row of `{}` has {row} elements; a segment has at most {most}", param.name));
    }
    let step = most / row * row;
    let place = param.place();
    Ok(place.clone().step_by(step).map(|start| start..place.end.min(start + step)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Init;
    use proptest::prelude::*;

    fn table(shapes: &[&[usize]]) -> ParamTable {
        let param = |(i, shape): (usize, &&[usize])| {
            Param::new(format!("t{i}"), shape.to_vec(), Vec::new(), Init::Normal(1.0), String::new())
        };
        ParamTable::new(shapes.iter().enumerate().map(param))
    }

    #[test]
    fn tensors_begin_at_multiples_and_large_ones_are_cut_by_rows() {
        let table = table(&[&[3, 5], &[100, 7], &[10], &[8, 128]]);
        let segments = Segments::new(&table, 512).unwrap();
        let brief = |param: usize| -> Vec<_> {
            let of = segments.of(&table.params[param]).iter();
            of.map(|p| (p.elements.clone(), p.segment, p.offset)).collect()
        };
        assert_eq!(brief(0), [(0..15, 0, 0)]);
        // 73 rows of seven fit in 512; the rest goes where there is room.
        assert_eq!(brief(1), [(15..526, 1, 0), (526..715, 2, 0)]);
        assert_eq!(brief(2), [(715..725, 2, 192)]);
        assert_eq!(brief(3), [(725..1237, 3, 0), (1237..1749, 4, 0)]);
        assert_eq!(segments.lens, [15, 511, 202, 512, 512]);
        let error = Segments::new(&table, 100).unwrap_err();
        assert_eq!(error, "a row of `t3` has 128 elements; a segment has at most 100");
    }

    #[test]
    fn the_gradient_has_trained_tensors_alone() {
        let table = table(&[&[3, 5], &[100, 7], &[2, 5]]);
        let segments = Segments::new(&table, 1 << 20).unwrap();
        let masks = [0..3, 720..725].map(|range| std::iter::once(range).collect::<Spans>());
        let trained = segments.trained(&masks).unwrap().remove(0);
        assert_eq!(trained.grads, [Some(0), None, Some(64)]);
        assert_eq!((trained.grad_len, trained.blocks.trained), (74, 8));
        let groups: Vec<(u32, u32)> = trained.blocks.list.iter().map(|b| (b.param, b.group())).collect();
        // Element 720 is the sixth of the third tensor, which begins at element 64 + 704.
        assert_eq!(groups[0], (0, 0));
        assert_eq!(groups[1], ((768 + 5) / 4, 1));
    }

    proptest! {
        #[test]
        fn every_element_has_a_place_of_its_own(
            shapes in proptest::collection::vec((1usize..20, 1usize..40), 1..12),
            most in 64usize..600,
        ) {
            let shapes: Vec<[usize; 2]> = shapes.into_iter().map(|(a, b)| [a, b]).collect();
            let table = table(&shapes.iter().map(|s| s.as_slice()).collect::<Vec<_>>());
            let segments = Segments::new(&table, most).unwrap();
            let mut seen: Vec<Vec<bool>> = segments.lens.iter().map(|len| vec![false; *len]).collect();
            let mut next = 0;
            for place in &segments.places {
                prop_assert_eq!(place.elements.start, next);
                next = place.elements.end;
                prop_assert_eq!(place.offset % ALIGN, 0);
                for i in 0..place.elements.len() {
                    prop_assert!(!std::mem::replace(&mut seen[place.segment][place.offset + i], true));
                }
            }
            prop_assert_eq!(next, table.len());
            prop_assert!(segments.lens.iter().all(|len| *len <= most));
            let trained = segments.trained(&[Spans::all(table.len())]).unwrap();
            prop_assert_eq!(trained.iter().map(|t| t.blocks.trained).sum::<usize>(), table.len());
        }
    }
}
