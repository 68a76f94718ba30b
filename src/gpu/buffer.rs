//! Buffers on the device, and views into them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no other buffer or texture of this process has.
pub(super) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A device buffer's handle. The engine allocates it, zeroed, at its first use and frees it with its last handle.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<BufferDesc>);

#[derive(Debug)]
struct BufferDesc {
    id: u64,
    label: &'static str,
    bytes: u64,
    contents: Vec<u32>,
}

impl Buffer {
    /// A buffer of `words` 4-byte words (at least one; rounded up to a vec4, which uniform bindings need).
    pub fn words(label: &'static str, words: usize) -> Self {
        Self::make(label, words, Vec::new())
    }

    /// A buffer that starts with these words. They stay in memory as long as it does.
    pub fn holding<T: bytemuck::NoUninit>(label: &'static str, words: &[T]) -> Self {
        let contents: Vec<u32> = bytemuck::pod_collect_to_vec(words);
        Self::make(label, contents.len(), contents)
    }

    fn make(label: &'static str, words: usize, contents: Vec<u32>) -> Self {
        let bytes = (words.max(1) as u64).next_multiple_of(4) * 4;
        Buffer(Arc::new(BufferDesc { id: next_id(), label, bytes, contents }))
    }

    /// What the buffer starts with; zeros follow.
    pub fn contents(&self) -> &[u32] {
        &self.0.contents
    }

    /// Unique in this process.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// What it is called in messages, ledgers and debuggers.
    pub fn label(&self) -> &'static str {
        self.0.label
    }

    /// A multiple of 16.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The whole of it as numbers of a type.
    pub fn view(&self, dtype: DType) -> View {
        View { buffer: self.clone(), offset: 0, len: (self.bytes() / dtype.bytes()) as usize, dtype }
    }

    /// Whether no other handle is left.
    pub(super) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// What the numbers of a view are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Whole numbers, or words of any meaning.
    U32,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

impl DType {
    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            DType::U32 | DType::F32 => 4,
            DType::F16 => 2,
        }
    }
}

/// Bytes that the offset of a view that a kernel binds is a multiple of, on every adapter.
pub const ALIGN: u64 = 256;

/// A range of a buffer, as numbers of a type.
#[derive(Clone, Debug)]
pub struct View {
    buffer: Buffer,
    offset: u64,
    len: usize,
    dtype: DType,
}

impl View {
    /// `len` numbers of a buffer from byte `offset` on.
    ///
    /// # Panics
    /// If they don't begin at a word, or reach beyond the buffer.
    pub fn new(buffer: &Buffer, offset: u64, len: usize, dtype: DType) -> Self {
        let view = View { buffer: buffer.clone(), offset, len, dtype };
        let end = (len as u64).checked_mul(dtype.bytes()).and_then(|bytes| bytes.checked_add(offset));
        assert!(
            offset.is_multiple_of(4) && end.is_some_and(|end| end.next_multiple_of(4) <= buffer.bytes()),
            "{len} of {dtype:?} at byte {offset} of `{}`, which has {} bytes",
            buffer.label(),
            buffer.bytes()
        );
        view
    }

    /// Some of its numbers.
    ///
    /// # Panics
    /// If they don't begin at a word, or reach beyond the view.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.len, "{range:?} of {} in `{}`", self.len, self.buffer.label());
        let offset = self.offset + range.start as u64 * self.dtype.bytes();
        View::new(&self.buffer, offset, range.len(), self.dtype)
    }

    /// It as pieces of at most so many bytes, in order.
    pub fn pieces(&self, bytes: u64) -> impl Iterator<Item = View> {
        let step = ((bytes.max(4) / 4 * 4) / self.dtype.bytes()) as usize;
        (0..self.len).step_by(step).map(move |at| self.slice(at..self.len.min(at + step)))
    }

    /// What it is a range of.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Bytes from the buffer's start; a multiple of 4.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What they are.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Bytes of its numbers, rounded up to a word.
    pub fn bytes(&self) -> u64 {
        (self.len as u64 * self.dtype.bytes()).next_multiple_of(4)
    }

    /// Whether it is its buffer from end to end.
    pub fn is_whole(&self) -> bool {
        self.offset == 0 && self.bytes() == self.buffer.bytes()
    }

    /// Whether the two have bytes of a buffer in common.
    pub fn overlaps(&self, other: &View) -> bool {
        self.buffer.id() == other.buffer.id()
            && self.offset < other.offset + other.bytes()
            && other.offset < self.offset + self.bytes()
    }
}

impl From<&Buffer> for View {
    fn from(buffer: &Buffer) -> Self {
        buffer.view(DType::U32)
    }
}

impl From<&View> for View {
    fn from(view: &View) -> Self {
        view.clone()
    }
}
