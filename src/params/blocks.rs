//! Spans as the device takes them: blocks of whole vec4, 16 bytes a block.

use super::Spans;
use std::ops::Range;

/// Most vec4 of a block.
pub const QUADS: usize = 512;

/// Most groups of hyperparameters.
pub const GROUPS: usize = 1 << 12;

/// Neighbouring vec4 that a workgroup updates, all masked alike.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Block {
    /// The first vec4 among the parameters.
    pub param: u32,
    /// The same among the gradient's.
    pub grad: u32,
    /// And among the moments'.
    pub moment: u32,
    /// Number of vec4, then 4 bits for the elements of each that are trained, then the group: 16, 4 and 12 bits.
    pub info: u32,
}

impl Block {
    /// Number of vec4.
    pub fn quads(&self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// Bit i is element i of each vec4.
    pub fn mask(&self) -> u32 {
        self.info >> 16 & 15
    }

    /// Group of hyperparameters.
    pub fn group(&self) -> u32 {
        self.info >> 20
    }

    fn trained(&self) -> usize {
        self.quads() * self.mask().count_ones() as usize
    }
}

/// Trained elements of one piece of an arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Elements of the piece.
    pub elements: Range<usize>,
    /// Where the gradient of the first of them is: in a vec4, it stands where the parameter does.
    pub grad: usize,
    /// Group of hyperparameters.
    pub group: u32,
}

/// What is updated, as blocks in ascending order, no vec4 in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// In ascending order.
    pub list: Vec<Block>,
    /// vec4 of a moment: as many as the blocks have.
    pub quads: usize,
    /// Trained elements.
    pub trained: usize,
}

/// One vec4, or a run of whole ones.
#[derive(Clone, Copy, PartialEq)]
struct Run {
    param: usize,
    grad: usize,
    quads: usize,
    mask: u32,
    group: u32,
}

impl Blocks {
    /// Blocks of parts whose elements ascend.
    ///
    /// # Errors
    /// What can't be laid out so: a gradient that stands elsewhere in its vec4 than its parameter, two groups in a vec4,
    /// more groups or elements than a block has bits for.
    pub fn new(parts: impl IntoIterator<Item = Part>) -> Result<Blocks, String> {
        let mut runs: Vec<Run> = Vec::new();
        for part in parts {
            let Part { elements, grad, group } = &part;
            if grad % 4 != elements.start % 4 {
                return Err(format!(
                    "the gradient of element {} is element {grad}, at another place of its vec4",
                    elements.start
                ));
            }
            if *group as usize >= GROUPS {
                return Err(format!("group {group} of at most {GROUPS}"));
            }
            split(&part).try_for_each(|run| push(&mut runs, run))?;
        }
        let mut blocks = Blocks::default();
        for run in join(runs) {
            blocks.cut(run)?;
        }
        Ok(blocks)
    }

    /// Blocks of all elements of a mask, whose gradients stand as they do.
    ///
    /// # Errors
    /// More elements than a block has bits for.
    pub fn of(mask: &Spans) -> Result<Blocks, String> {
        Blocks::new(mask.ranges().iter().map(|r| Part { elements: r.clone(), grad: r.start, group: 0 }))
    }

    fn cut(&mut self, run: Run) -> Result<(), String> {
        let word = |quad: usize| u32::try_from(quad).map_err(|_| format!("vec4 {quad} is beyond 32 bits"));
        for from in (0..run.quads).step_by(QUADS) {
            let quads = QUADS.min(run.quads - from);
            let block = Block {
                param: word(run.param + from)?,
                grad: word(run.grad + from)?,
                moment: word(self.quads)?,
                info: quads as u32 | run.mask << 16 | run.group << 20,
            };
            self.trained += block.trained();
            self.quads += quads;
            self.list.push(block);
        }
        Ok(())
    }

    /// Moments as files have them, [states, trained], from those of the device, [quads, states] vec4.
    pub fn dense(&self, words: &[f32], states: usize) -> Vec<f32> {
        (0..states).flat_map(|state| self.places(states).map(move |at| words[at + 4 * state])).collect()
    }

    /// Moments as the device has them, from those of a file; zeros where nothing is trained.
    pub fn spread(&self, moments: &[f32], states: usize) -> Vec<f32> {
        let mut words = vec![0.0; 4 * self.quads * states];
        for (state, own) in moments.chunks(self.trained.max(1)).enumerate() {
            self.places(states).zip(own).for_each(|(at, moment)| words[at + 4 * state] = *moment);
        }
        words
    }

    /// Where the first moment of each trained element is among the device's words.
    fn places(&self, states: usize) -> impl Iterator<Item = usize> {
        let of = move |block: &Block| {
            let (from, mask) = (block.moment as usize, block.mask());
            let quads = from..from + block.quads();
            quads.flat_map(move |quad| {
                (0..4).filter(move |lane| mask >> lane & 1 == 1).map(move |lane| 4 * quad * states + lane)
            })
        };
        self.list.iter().flat_map(of)
    }
}

/// The vec4 of a part: one in which it begins, whole ones, one in which it ends.
fn split(part: &Part) -> impl Iterator<Item = Run> + use<> {
    let Part { elements, grad, group } = part.clone();
    let (first, last) = (elements.start.div_ceil(4), elements.end / 4);
    let partly = |quad: usize, lanes: Range<usize>| {
        let mask = lanes.fold(0, |mask, lane| mask | 1 << (lane % 4));
        (mask != 0).then_some((quad, 1, mask))
    };
    let pieces = if first > last {
        [partly(last, elements), None, None]
    } else {
        let whole = (first < last).then(|| (first, last - first, 15));
        let begin = partly(first.saturating_sub(1), elements.start..4 * first);
        [begin, whole, partly(last, 4 * last..elements.end)]
    };
    let (at, begin) = (grad / 4, part.elements.start / 4);
    let run = move |(param, quads, mask)| Run { param, grad: at + param - begin, quads, mask, group };
    pieces.into_iter().flatten().map(run)
}

/// Adds a run, which may lie in the vec4 of the one before it.
fn push(runs: &mut Vec<Run>, run: Run) -> Result<(), String> {
    match runs.last_mut().filter(|last| last.param + last.quads > run.param) {
        None => runs.push(run),
        Some(last) if (run.group, run.grad) == (last.group, last.grad) => last.mask |= run.mask,
        Some(_) => {
            return Err(format!("vec4 {} of the parameters is shared by two groups or tensors", run.param));
        }
    }
    Ok(())
}

/// Runs that go on each other as one.
fn join(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut().filter(|last| goes_on(last, &run)) {
            Some(last) => last.quads += run.quads,
            None => joined.push(run),
        }
    }
    joined
}

fn goes_on(before: &Run, run: &Run) -> bool {
    let alike = |r: &Run| (r.mask, r.group);
    alike(before) == alike(run)
        && before.param + before.quads == run.param
        && before.grad + before.quads == run.grad
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(blocks: &Blocks) -> Vec<usize> {
        let of = |block: &Block| {
            let (from, mask) = (block.param as usize, block.mask());
            (from..from + block.quads())
                .flat_map(move |quad| {
                    (0..4).filter(move |lane| mask >> lane & 1 == 1).map(move |l| 4 * quad + l)
                })
                .collect::<Vec<_>>()
        };
        blocks.list.iter().flat_map(of).collect()
    }

    #[test]
    fn a_span_is_its_whole_vec4_and_its_ends() {
        let blocks = Blocks::of(&[3..18, 20..21].into_iter().collect()).unwrap();
        let brief: Vec<_> = blocks.list.iter().map(|b| (b.param, b.quads(), b.mask(), b.moment)).collect();
        assert_eq!(brief, [(0, 1, 8, 0), (1, 3, 15, 1), (4, 1, 3, 4), (5, 1, 1, 5)]);
        assert_eq!((blocks.quads, blocks.trained), (6, 16));
        let whole = Blocks::of(&Spans::all(4 * (QUADS + 3))).unwrap();
        assert_eq!(whole.list.iter().map(Block::quads).collect::<Vec<_>>(), [QUADS, 3]);
        // A billion of a projection's elements are as many blocks as fit, not as many as elements.
        let large = Blocks::of(&Spans::all(1 << 30)).unwrap();
        assert_eq!((large.list.len(), large.trained), ((1 << 28) / QUADS, 1 << 30));
    }

    #[test]
    fn what_can_t_be_laid_out_is_said() {
        let part = |elements, grad, group| Part { elements, grad, group };
        let error = |parts: Vec<Part>| Blocks::new(parts).unwrap_err();
        assert!(error(vec![part(4..8, 1, 0)]).contains("another place of its vec4"));
        assert!(error(vec![part(0..2, 0, 0), part(2..4, 2, 1)]).contains("two groups"));
        assert!(error(vec![part(0..2, 0, 0), part(2..4, 6, 0)]).contains("two groups or tensors"));
        assert!(error(vec![part(0..2, 0, 4096)]).contains("at most 4096"));
        let apart = Blocks::new([part(0..4, 0, 0), part(4..8, 100, 1), part(8..12, 104, 1)]).unwrap();
        assert_eq!(apart.list.iter().map(|b| (b.grad, b.group())).collect::<Vec<_>>(), [(0, 0), (25, 1)]);
    }

    proptest! {
        #[test]
        fn blocks_are_the_mask_and_no_vec4_is_in_two(
            set in proptest::collection::vec(any::<bool>(), 0..200),
            long in 0usize..3,
        ) {
            let ones = set.iter().enumerate().filter(|(_, s)| **s).map(|(i, _)| i..i + 1);
            let start = set.len() + 1;
            let spans: Spans = ones.chain(std::iter::once(start..start + long * 3000)).collect();
            let blocks = Blocks::of(&spans).unwrap();
            prop_assert_eq!(elements(&blocks), spans.elements().collect::<Vec<_>>());
            prop_assert_eq!(blocks.trained, spans.len());
            let ends = |b: &Block| (b.param as usize, b.param as usize + b.quads());
            prop_assert!(blocks.list.windows(2).all(|w| ends(&w[0]).1 <= ends(&w[1]).0));
            prop_assert!(blocks.list.iter().all(|b| b.param == b.grad && b.quads() <= QUADS && b.quads() > 0));
            let moments: Vec<usize> = blocks.list.iter().map(|b| b.moment as usize).collect();
            let wanted = blocks.list.iter().scan(0, |at, b| { let own = *at; *at += b.quads(); Some(own) });
            prop_assert_eq!(moments, wanted.collect::<Vec<_>>());
            for states in [1, 2] {
                let dense: Vec<f32> = (0..states * spans.len()).map(|i| i as f32 + 1.0).collect();
                let words = blocks.spread(&dense, states);
                prop_assert_eq!(words.iter().filter(|x| **x != 0.0).count(), dense.len());
                prop_assert_eq!(blocks.dense(&words, states), dense);
            }
        }
    }
}
