//! What the device is asked to do, as plain data. Built without touching wgpu.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    Uniform,
    Read,
    ReadWrite,
}

/// One binding of an entry point: `@group(0) @binding(index)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    pub index: u32,
    pub name: &'static str,
    pub access: Access,
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

    /// A buffer that starts with these words.
    pub fn holding<T: bytemuck::NoUninit>(label: &'static str, words: &[T]) -> Self {
        let contents: Vec<u32> = bytemuck::pod_collect_to_vec(words);
        Self::make(label, contents.len(), contents)
    }

    fn make(label: &'static str, words: usize, contents: Vec<u32>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let bytes = (words.max(1) as u64).next_multiple_of(4) * 4;
        Buffer(Arc::new(BufferDesc { id: NEXT.fetch_add(1, Ordering::Relaxed), label, bytes, contents }))
    }

    /// What the buffer starts with; zeros follow.
    pub fn contents(&self) -> &[u32] {
        &self.0.contents
    }

    /// Unique in this process.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    pub fn label(&self) -> &'static str {
        self.0.label
    }

    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether no other handle is left.
    pub(super) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// A kernel's entry point with its constants filled in: complete WGSL.
#[derive(Clone, Debug)]
pub struct Program {
    desc: Arc<ProgramDesc>,
    key: u64,
}

/// What a [`Program`] is made of.
#[derive(Debug)]
pub struct ProgramDesc {
    pub kernel: &'static str,
    pub entry: &'static str,
    pub wgsl: String,
    pub bindings: Vec<Binding>,
    /// Invocations in a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory.
    pub shared_bytes: u32,
    /// Most times that the loops of an invocation go round between them.
    pub loops: u64,
}

impl Program {
    pub fn new(desc: ProgramDesc) -> Self {
        let mut hasher = DefaultHasher::new();
        (&desc.wgsl, desc.entry).hash(&mut hasher);
        Program { key: hasher.finish(), desc: Arc::new(desc) }
    }

    /// Hash of the text and the entry: programs of the same key are the same.
    pub fn key(&self) -> u64 {
        self.key
    }
}

impl std::ops::Deref for Program {
    type Target = ProgramDesc;
    fn deref(&self) -> &ProgramDesc {
        &self.desc
    }
}

/// Shape constants of a program, written as WGSL `const` declarations in front of its text.
///
/// Constants and not `override`s: WGSL sizes private arrays, and [`crate::kernels`] unrolls loops, by constants alone.
#[derive(Clone, Debug, Default)]
pub struct Consts(String);

impl Consts {
    pub fn u32(mut self, name: &str, value: usize) -> Self {
        let _ = writeln!(self.0, "const {name}: u32 = {value}u;");
        self
    }

    pub fn f32(mut self, name: &str, value: f64) -> Self {
        let _ = writeln!(self.0, "const {name}: f32 = {:?}f;", value as f32);
        self
    }

    pub fn flags(mut self, name: &str, values: &[bool]) -> Self {
        let _ = writeln!(self.0, "const {name} = array<bool, {}>{:?};", values.len(), Tuple(values));
        self
    }

    pub fn indexes(mut self, name: &str, values: &[usize]) -> Self {
        let _ = writeln!(self.0, "const {name} = array<u32, {}>{:?};", values.len(), Tuple(values));
        self
    }

    pub fn floats(mut self, name: &str, values: &[f64]) -> Self {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        let _ = writeln!(self.0, "const {name} = array<f32, {}>{:?};", values.len(), Tuple(&values));
        self
    }

    /// The declarations.
    pub fn text(&self) -> &str {
        &self.0
    }
}

struct Tuple<'a, T>(&'a [T]);

impl<T: fmt::Debug> fmt::Debug for Tuple<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let items: Vec<String> = self.0.iter().map(|v| format!("{v:?}")).collect();
        write!(f, "({})", items.join(", "))
    }
}

/// Workgroups of a launch in x, y and z; z is 1 where two are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups(pub [u32; 3]);

impl From<[u32; 2]> for Groups {
    fn from([x, y]: [u32; 2]) -> Self {
        Groups([x, y, 1])
    }
}

impl From<[u32; 3]> for Groups {
    fn from(groups: [u32; 3]) -> Self {
        Groups(groups)
    }
}

/// One kernel launch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    pub program: Program,
    /// One buffer per binding, in the program's order.
    pub buffers: Vec<Buffer>,
    /// Workgroups in x, y and z.
    pub groups: [u32; 3],
    /// What a kernel of floe's own put together; none of what came in by [`Recording::dispatch`].
    seal: Option<u64>,
}

impl Dispatch {
    /// Whether it is, unaltered, a kernel's of floe's own with that kernel's buffers: it runs without checks of indexes.
    pub fn is_own(&self) -> bool {
        self.seal == Some(self.print())
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.buffers.iter().for_each(|buffer| buffer.id().hash(&mut hasher));
        (self.program.key, &self.program.bindings, self.groups).hash(&mut hasher);
        hasher.finish()
    }
}

/// Launches in order; each sees what the ones before it wrote.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub dispatches: Vec<Dispatch>,
}

impl Recording {
    /// Appends a launch of so many workgroups. Its indexes are checked on the device: one out of bounds reads
    /// or writes some element of the same buffer or array, or nothing.
    ///
    /// # Panics
    /// If the buffers are not one per binding.
    pub fn dispatch(&mut self, program: Program, buffers: Vec<Buffer>, groups: impl Into<Groups>) {
        assert_eq!(buffers.len(), program.bindings.len(), "bindings of kernel `{}`", program.kernel);
        let Groups(groups) = groups.into();
        self.dispatches.push(Dispatch { program, buffers, groups, seal: None });
    }

    /// The same of a kernel of floe's own, whose indexes are known to be in bounds: none is checked.
    ///
    /// # Panics
    /// If the buffers are not one per binding: a bug in a kernel's `record`.
    pub(crate) fn launch(&mut self, program: Program, buffers: Vec<Buffer>, groups: impl Into<Groups>) {
        self.dispatch(program, buffers, groups);
        let own = self.dispatches.last_mut().expect("the one just made");
        own.seal = Some(own.print());
    }

    /// Appends another recording.
    pub fn extend(&mut self, other: Recording) {
        self.dispatches.extend(other.dispatches);
    }
}
