//! Programs: complete WGSL of one entry point, and what it binds.

use super::Texels;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<uniform>`.
    Uniform,
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
    /// `texture_storage_2d<…, read>`: on software adapters a load of a vec4 costs a fifth of a buffer's.
    TextureRead(Texels),
    /// `texture_storage_2d<…, write>`.
    TextureWrite(Texels),
}

impl Access {
    /// The texels of a texture's binding; none of a buffer's.
    pub fn texels(self) -> Option<Texels> {
        match self {
            Access::TextureRead(texels) | Access::TextureWrite(texels) => Some(texels),
            Access::Uniform | Access::Read | Access::ReadWrite => None,
        }
    }

    /// Whether a kernel may write what it binds so.
    pub fn writes(self) -> bool {
        matches!(self, Access::ReadWrite | Access::TextureWrite(_))
    }

    /// Whether it counts among an adapter's storage buffers.
    pub fn is_storage(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }
}

/// One binding of an entry point: `@group(0) @binding(index)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Of `@binding(index)`.
    pub index: u32,
    /// The variable's name in the text.
    pub name: &'static str,
    /// How the kernel uses it.
    pub access: Access,
    /// Bytes of a buffer that the kernel reaches, where its host side says so: a launch with fewer is refused.
    pub least: u64,
}

impl Binding {
    /// A binding whose buffer may have any length.
    pub const fn new(index: u32, name: &'static str, access: Access) -> Self {
        Binding { index, name, access, least: 0 }
    }

    /// The same of a buffer that has so many words at least.
    pub const fn words(self, words: usize) -> Self {
        Binding { least: 4 * words as u64, ..self }
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
    /// The kernel's stem.
    pub kernel: &'static str,
    /// The entry point's name.
    pub entry: &'static str,
    /// The whole text.
    pub wgsl: String,
    /// In the order in which a launch gives its resources.
    pub bindings: Vec<Binding>,
    /// Invocations in a workgroup.
    pub workgroup: u32,
    /// Bytes of workgroup memory.
    pub shared_bytes: u32,
    /// Most times that the loops of an invocation go round between them.
    pub loops: u64,
}

impl Program {
    /// A program, known by its text and its entry.
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
    /// A whole number.
    pub fn u32(mut self, name: &str, value: usize) -> Self {
        let _ = writeln!(self.0, "const {name}: u32 = {value}u;");
        self
    }

    /// A number, rounded to f32.
    pub fn f32(mut self, name: &str, value: f64) -> Self {
        let _ = writeln!(self.0, "const {name}: f32 = {:?}f;", value as f32);
        self
    }

    /// An array of truths.
    pub fn flags(mut self, name: &str, values: &[bool]) -> Self {
        let _ = writeln!(self.0, "const {name} = array<bool, {}>{:?};", values.len(), Tuple(values));
        self
    }

    /// An array of whole numbers.
    pub fn indexes(mut self, name: &str, values: &[usize]) -> Self {
        let _ = writeln!(self.0, "const {name} = array<u32, {}>{:?};", values.len(), Tuple(values));
        self
    }

    /// An array of numbers, rounded to f32.
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
