//! Storage textures: what software adapters read fastest.

use super::buffer::next_id;
use std::sync::Arc;

/// What a texel of a storage texture is. These are read-only or write-only in a kernel on every adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Texels {
    /// Four f32: `rgba32float`.
    Rgba32Float,
    /// Four f16, loaded as f32: `rgba16float`.
    Rgba16Float,
    /// One f32: `r32float`.
    R32Float,
}

impl Texels {
    /// Bytes of a texel.
    pub fn bytes(self) -> u64 {
        match self {
            Texels::Rgba32Float => 16,
            Texels::Rgba16Float => 8,
            Texels::R32Float => 4,
        }
    }

    /// As WGSL spells it.
    pub fn wgsl(self) -> &'static str {
        match self {
            Texels::Rgba32Float => "rgba32float",
            Texels::Rgba16Float => "rgba16float",
            Texels::R32Float => "r32float",
        }
    }
}

/// A two-dimensional texture's handle, [height, width] texels. The engine allocates it, zeroed, at its first use and frees
/// it with its last handle.
#[derive(Clone, Debug)]
pub struct Texture(Arc<TextureDesc>);

#[derive(Debug)]
struct TextureDesc {
    id: u64,
    label: &'static str,
    size: [u32; 2],
    texels: Texels,
}

impl Texture {
    /// A texture of so many texels in x and y (at least one each).
    pub fn new(label: &'static str, [width, height]: [u32; 2], texels: Texels) -> Self {
        let size = [width.max(1), height.max(1)];
        Texture(Arc::new(TextureDesc { id: next_id(), label, size, texels }))
    }

    /// Unique in this process, among buffers too.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// What it is called in messages, ledgers and debuggers.
    pub fn label(&self) -> &'static str {
        self.0.label
    }

    /// Texels in x and y.
    pub fn size(&self) -> [u32; 2] {
        self.0.size
    }

    /// What they are.
    pub fn texels(&self) -> Texels {
        self.0.texels
    }

    /// Of all texels, without what a device pads them with.
    pub fn bytes(&self) -> u64 {
        self.size().into_iter().map(u64::from).product::<u64>() * self.texels().bytes()
    }

    /// Whether no other handle is left.
    pub(super) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
