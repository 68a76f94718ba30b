//! A set of elements as sorted ranges.

use std::ops::Range;

/// Elements of an arena as ascending ranges that neither overlap nor touch: a mask. The values of a projection of a
/// billion parameters are a few dozen of them, a column of a matrix as many as it has rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Range<usize>>);

impl Spans {
    /// The elements `0..len`.
    pub fn all(len: usize) -> Self {
        std::iter::once(0..len).collect()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether nothing is trained.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// The elements, ascending.
    pub fn elements(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// Whether an element is trained.
    pub fn contains(&self, element: usize) -> bool {
        let at = self.0.partition_point(|own| own.end <= element);
        self.0.get(at).is_some_and(|own| own.start <= element)
    }

    /// The elements that lie in `range`.
    pub fn within(&self, range: Range<usize>) -> Spans {
        let from = self.0.partition_point(|own| own.end <= range.start);
        let inside = self.0[from..].iter().take_while(|own| own.start < range.end);
        inside.map(|own| own.start.max(range.start)..own.end.min(range.end)).collect()
    }

    /// The elements of either.
    pub fn union(&self, other: &Spans) -> Spans {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let in_order = std::iter::from_fn(|| match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if y.start < x.start => b.next(),
            (Some(_), _) => a.next(),
            _ => b.next(),
        });
        in_order.cloned().collect()
    }

    /// The elements that are not in `other`.
    pub fn without(&self, other: &Spans) -> Spans {
        let mut left = Vec::with_capacity(self.0.len());
        let mut taken = other.0.iter().peekable();
        for own in &self.0 {
            let mut start = own.start;
            while let Some(cut) = taken.peek().filter(|cut| cut.start < own.end) {
                if start < cut.start {
                    left.push(start..cut.start);
                }
                start = start.max(cut.end);
                if cut.end > own.end {
                    // It may reach into the next range too.
                    break;
                }
                taken.next();
            }
            if start < own.end {
                left.push(start..own.end);
            }
        }
        Spans(left)
    }
}

/// From ranges whose starts ascend; those that overlap or touch become one, empty ones none.
///
/// # Panics
/// If a range starts before the one in front of it.
impl FromIterator<Range<usize>> for Spans {
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Self {
        let mut made: Vec<Range<usize>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match made.last_mut() {
                Some(last) if range.start <= last.end => {
                    assert!(last.start <= range.start, "ranges in ascending order");
                    last.end = last.end.max(range.end);
                }
                _ => made.push(range),
            }
        }
        Spans(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(set: &[bool]) -> Spans {
        set.iter().enumerate().filter(|(_, s)| **s).map(|(i, _)| i..i + 1).collect()
    }

    fn set(spans: &Spans, len: usize) -> Vec<bool> {
        let mut set = vec![false; len];
        spans.elements().for_each(|e| set[e] = true);
        set
    }

    #[test]
    fn ranges_that_touch_are_one_and_empty_ones_none() {
        let made: Spans = [0..2, 2..3, 5..5, 6..9, 7..8].into_iter().collect();
        assert_eq!(made.ranges(), [0..3, 6..9]);
        assert_eq!((made.len(), Spans::all(0).is_empty()), (6, true));
    }

    proptest! {
        #[test]
        fn operations_are_those_of_sets(
            a in proptest::collection::vec(any::<bool>(), 40),
            b in proptest::collection::vec(any::<bool>(), 40),
            from in 0usize..40,
            len in 0usize..40,
        ) {
            let (x, y) = (spans(&a), spans(&b));
            let of = |f: &dyn Fn(usize) -> bool| (0..40).map(f).collect::<Vec<bool>>();
            prop_assert_eq!((0..40).map(|i| x.contains(i)).collect::<Vec<_>>(), a.clone());
            prop_assert_eq!(set(&x.union(&y), 40), of(&|i| a[i] || b[i]));
            prop_assert_eq!(set(&x.without(&y), 40), of(&|i| a[i] && !b[i]));
            prop_assert_eq!(set(&x.within(from..from + len), 40), of(&|i| a[i] && i >= from && i < from + len));
            for made in [x.union(&y), x.without(&y), x.within(from..from + len)] {
                prop_assert!(made.ranges().windows(2).all(|w| w[0].end < w[1].start));
                prop_assert!(made.ranges().iter().all(|r| r.start < r.end));
            }
        }
    }
}
