//! How sequences that lie one behind the other are cut into chunks: a table on the device, so that the same programs serve every
//! batch.

use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, View};

/// How much a table has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Tokens of all sequences.
    pub rows: usize,
    /// Sequences.
    pub sequences: usize,
    /// Tokens of the longest.
    pub longest: usize,
}

/// A table of chunks.
#[derive(Clone, Debug)]
pub struct Chunks {
    /// Most tokens of a chunk, a multiple of 16.
    pub length: usize,
    /// What there is room for.
    pub room: Room,
    table: Buffer,
}

/// Words of a chunk's entry: first row, rows, slot of the state it begins with, tokens of its sequence before it, place among
/// all chunks, and three of nothing.
const ENTRY: usize = 8;
/// Words that lists begin at a multiple of: views do.
const ALIGN: usize = 64;
/// Words of a sequence's entry: slot of its first state, chunks, place of its first chunk, and one of nothing.
const SEQUENCE: usize = 4;

impl Chunks {
    /// A table that nothing is written to yet.
    ///
    /// # Panics
    /// If the length is no multiple of 16.
    pub fn new(length: usize, room: Room) -> Self {
        assert!(length > 0 && length.is_multiple_of(16), "chunks of {length} tokens");
        let mut chunks = Chunks { length, room, table: Buffer::words("chunks", 4) };
        chunks.table = Buffer::words("chunks", chunks.words());
        chunks
    }

    /// A table of these sequences, for good.
    pub fn holding(length: usize, sequences: &[usize]) -> Self {
        let room = Room {
            rows: sequences.iter().sum(),
            sequences: sequences.len(),
            longest: sequences.iter().copied().max().unwrap_or(0),
        };
        let chunks = Chunks::new(length, room);
        Chunks { table: Buffer::holding("chunks", &chunks.lay(sequences, 0)), ..chunks }
    }

    /// Puts other sequences in, each behind so many tokens.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn put(&self, engine: &Engine, sequences: &[usize], past: usize) -> Result<()> {
        engine.write(&self.table, &self.lay(sequences, past))
    }

    /// Most chunks that there may be.
    pub fn count(&self) -> usize {
        self.room.rows / self.length + self.room.sequences
    }

    /// Most chunks of a sequence.
    pub fn steps(&self) -> usize {
        self.room.longest.div_ceil(self.length).max(1)
    }

    /// States that there is room for: those before each chunk and behind the last one, of each sequence an even number.
    pub fn slots(&self) -> usize {
        (self.count() + 2 * self.room.sequences).next_multiple_of(2)
    }

    /// The slots of each sequence's first and last state.
    pub fn ends(&self, sequences: &[usize]) -> Vec<[usize; 2]> {
        let mut next = 0;
        let of = |tokens: &usize| {
            let (first, chunks) = (next, tokens.div_ceil(self.length));
            next += (chunks + 1).next_multiple_of(2);
            [first, first + chunks]
        };
        sequences.iter().map(of).collect()
    }

    /// All chunks, in order.
    pub fn all(&self) -> View {
        self.list(0, self.count())
    }

    /// Those whose number in their sequence is even, or odd.
    pub fn every_other(&self, odd: usize) -> View {
        self.list((1 + odd) * self.wide(), self.count())
    }

    /// The n-th of each sequence.
    pub fn step(&self, n: usize) -> View {
        let entries = (ENTRY * self.room.sequences).next_multiple_of(ALIGN);
        self.list(3 * self.wide() + n * entries, self.room.sequences)
    }

    /// Entries of sequences.
    pub fn sequences(&self) -> View {
        let from = self.step(self.steps()).offset() as usize / 4;
        self.table.view(DType::U32).slice(from..from + SEQUENCE * self.room.sequences)
    }

    fn list(&self, from: usize, count: usize) -> View {
        View::new(&self.table, 4 * from as u64, ENTRY * count, DType::U32)
    }

    fn wide(&self) -> usize {
        (ENTRY * self.count()).next_multiple_of(ALIGN)
    }

    fn words(&self) -> usize {
        let entries = (ENTRY * self.room.sequences).next_multiple_of(ALIGN);
        3 * self.wide()
            + self.steps() * entries
            + (SEQUENCE * self.room.sequences).next_multiple_of(ALIGN).max(entries)
    }

    fn lay(&self, sequences: &[usize], past: usize) -> Vec<u32> {
        let Room { rows, longest, .. } = self.room;
        let fits = sequences.len() <= self.room.sequences && sequences.iter().all(|n| *n <= longest);
        assert!(
            fits && sequences.iter().sum::<usize>() <= rows,
            "{} sequences in {:?}",
            sequences.len(),
            self.room
        );
        let mut words = vec![0; self.words()];
        let mut put = |at: usize, entry: &[u32]| words[at..at + entry.len()].copy_from_slice(entry);
        let at = |view: View, n: usize, wide: usize| view.offset() as usize / 4 + n * wide;
        let (mut row, mut place, mut turn) = (0, 0, [0, 0]);
        for (n, (tokens, [slot, _])) in sequences.iter().zip(self.ends(sequences)).enumerate() {
            let chunks = tokens.div_ceil(self.length);
            put(at(self.sequences(), n, SEQUENCE), &[slot as u32, chunks as u32, place as u32, 0]);
            for chunk in 0..chunks {
                let from = chunk * self.length;
                let count = self.length.min(tokens - from);
                let entry = [row + from, count, slot + chunk, past + from, place].map(|word| word as u32);
                let odd = chunk % 2;
                put(at(self.all(), place, ENTRY), &entry);
                put(at(self.every_other(odd), turn[odd], ENTRY), &entry);
                put(at(self.step(chunk), n, ENTRY), &entry);
                place += 1;
                turn[odd] += 1;
            }
            row += tokens;
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_of_one_sequence_each_and_cover_every_token_once() {
        let chunks = Chunks::new(16, Room { rows: 100, sequences: 5, longest: 40 });
        let sequences = [16, 1, 40, 33];
        let words = chunks.lay(&sequences, 0);
        let of = |view: View| -> Vec<[u32; 5]> {
            let from = view.offset() as usize / 4;
            let all = words[from..from + view.len()].chunks(ENTRY).map(|e| [e[0], e[1], e[2], e[3], e[4]]);
            all.filter(|entry| entry[1] > 0).collect()
        };
        let all = of(chunks.all());
        assert_eq!(all.iter().map(|entry| entry[1]).sum::<u32>(), 90);
        assert!(all.windows(2).all(|two| two[0][0] + two[0][1] == two[1][0] && two[0][4] + 1 == two[1][4]));
        assert_eq!(all[2], [17, 16, 4, 0, 2], "the first chunk of the third sequence");
        // Slots: two a sequence of one chunk, four of three.
        assert_eq!(chunks.ends(&sequences), [[0, 1], [2, 3], [4, 7], [8, 11]]);
        assert!(chunks.slots() >= 12);
        let [even, odd] = [0, 1].map(|turn| of(chunks.every_other(turn)));
        assert_eq!(even.len() + odd.len(), all.len());
        assert!(even.iter().all(|entry| entry[2] % 2 == 0) && odd.iter().all(|entry| entry[2] % 2 == 1));
        assert_eq!(of(chunks.step(2)), [[49, 8, 6, 32, 4], [89, 1, 10, 32, 7]]);
        assert_eq!((0..chunks.steps()).map(|n| of(chunks.step(n)).len()).sum::<usize>(), all.len());
    }
}
