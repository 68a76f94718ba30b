//! What the kernels of this wing read and write: rows in a buffer, or in a storage texture where those are read faster.

use crate::gpu::{Access, Binding, Buffer, DType, Recording, Resource, TexelRows, Texels, Texture, View};
use crate::kernels::Tuning;

/// f32 that a row's length in a buffer is a multiple of: copies to textures ask for 256 bytes.
pub const PITCH: usize = 64;
/// Rows that a texture's height is a multiple of: tiles of every variant end with it.
const HEIGHT: usize = 64;
/// Texels behind a row: rows at a power of two would share a set of a processor's cache (measured on llvmpipe).
const BEHIND: usize = 4;
/// Texels that a row's length in a texture is a multiple of, before those: blocks of K of every variant end with it.
const QUADS: usize = 16;

/// A matrix in a buffer, row-major: `[rows, cols]` f32, a row every `pitch`. What is between `cols` and the next multiple of
/// four is zero, and kernels that write it keep it so.
#[derive(Clone, Debug)]
pub struct Rows {
    /// `[rows, pitch]`; of the last row `cols` rounded up to a vec4 are enough.
    pub view: View,
    /// How many rows.
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Numbers from a row's start to the next one's; a multiple of 4.
    pub pitch: usize,
}

impl Rows {
    /// A new buffer, each row at a multiple of [`PITCH`].
    pub fn new(label: &'static str, rows: usize, cols: usize) -> Self {
        let pitch = cols.next_multiple_of(PITCH);
        Rows::of(Buffer::words(label, rows * pitch).view(DType::F32), rows, cols, pitch)
    }

    /// A part of a buffer.
    ///
    /// # Panics
    /// If the pitch is no multiple of four or less than a row, or the view is too short.
    pub fn of(view: View, rows: usize, cols: usize, pitch: usize) -> Self {
        let row = cols.next_multiple_of(4);
        let fits = view.len() >= (rows.max(1) - 1) * pitch + row;
        assert!(pitch.is_multiple_of(4) && row <= pitch && fits, "[{rows}, {cols}] every {pitch}");
        Rows { view, rows, cols, pitch }
    }

    /// Some of the columns: from a multiple of [`PITCH`] on.
    ///
    /// # Panics
    /// If they are not there.
    pub fn columns(&self, from: usize, cols: usize) -> Self {
        assert!(from + cols <= self.cols, "columns {from} to {} of {}", from + cols, self.cols);
        Rows::of(self.view.slice(from..self.view.len()), self.rows, cols, self.pitch)
    }

    /// The numbers of an `[rows, cols]` array, as the buffer has them.
    pub fn lay(&self, data: &[f32]) -> Vec<f32> {
        lay(data, self.cols, self.pitch)
    }

    /// Words that a kernel reaches of `rows` rows.
    pub(in crate::kernels) fn words(&self, rows: usize) -> usize {
        (rows.max(1) - 1) * self.pitch + self.cols.next_multiple_of(4)
    }
}

/// Rows of `cols` numbers, each followed by zeros up to `pitch`.
pub fn lay(data: &[f32], cols: usize, pitch: usize) -> Vec<f32> {
    let mut laid = vec![0.0; data.len() / cols.max(1) * pitch];
    for (to, from) in laid.chunks_mut(pitch).zip(data.chunks(cols.max(1))) {
        to[..cols].copy_from_slice(from);
    }
    laid
}

/// A matrix in a storage texture of vec4: row `r` begins at texel (`left`, `r`). Texels behind a row and below the last one
/// are there up to what tiles read, and zero as long as nobody writes them.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Of `rgba32float`.
    pub texture: Texture,
    /// How many rows.
    pub rows: usize,
    /// Numbers of a row, four in a texel.
    pub cols: usize,
    /// Texels before each row.
    pub left: usize,
}

/// Texels from a row's start to where another may begin beside it.
pub fn stride(cols: usize) -> usize {
    cols.div_ceil(4).next_multiple_of(QUADS) + BEHIND
}

impl Panel {
    /// A new texture.
    pub fn new(label: &'static str, rows: usize, cols: usize) -> Self {
        Panel::beside(label, rows, cols, usize::MAX).remove(0)
    }

    /// A new texture of at most so many rows, in which further ones stand beside the first: a panel each.
    pub fn beside(label: &'static str, rows: usize, cols: usize, most: usize) -> Vec<Self> {
        let high = rows.min(most).max(1);
        let (count, height) = (rows.div_ceil(high).max(1), high.next_multiple_of(HEIGHT));
        let size = [(count * stride(cols)) as u32, height as u32];
        let texture = Texture::new(label, size, Texels::Rgba32Float);
        let panel = |i: usize| Panel {
            texture: texture.clone(),
            rows: (rows - i * high).min(high),
            cols,
            left: i * stride(cols),
        };
        (0..count).map(panel).collect()
    }
}

/// A matrix in either form.
#[derive(Clone, Debug)]
pub enum Operand {
    /// In a buffer.
    Rows(Rows),
    /// In a texture.
    Panel(Panel),
}

/// Whether a variant's kernels read matrices from textures.
pub fn textured(tuning: &Tuning) -> bool {
    tuning.subgroup > 1
}

impl Operand {
    /// A new one in the form that a variant's products read.
    pub fn new(label: &'static str, rows: usize, cols: usize, tuning: &Tuning) -> Self {
        match textured(tuning) {
            true => Operand::Panel(Panel::new(label, rows, cols)),
            false => Operand::Rows(Rows::new(label, rows, cols)),
        }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        match self {
            Operand::Rows(rows) => rows.rows,
            Operand::Panel(panel) => panel.rows,
        }
    }

    /// Numbers of a row.
    pub fn cols(&self) -> usize {
        match self {
            Operand::Rows(rows) => rows.cols,
            Operand::Panel(panel) => panel.cols,
        }
    }

    /// Its first columns.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn narrow(&self, cols: usize) -> Self {
        assert!(cols <= self.cols(), "{cols} columns of {}", self.cols());
        match self {
            Operand::Rows(rows) => Operand::Rows(Rows { cols, ..rows.clone() }),
            Operand::Panel(panel) => Operand::Panel(Panel { cols, ..panel.clone() }),
        }
    }

    /// Some of its columns, from a multiple of [`PITCH`] on.
    ///
    /// # Panics
    /// If they are not there, or begin elsewhere.
    pub fn columns(&self, from: usize, cols: usize) -> Self {
        assert!(from.is_multiple_of(PITCH), "columns from {from}");
        match self {
            Operand::Rows(rows) => Operand::Rows(rows.columns(from, cols)),
            Operand::Panel(panel) => {
                assert!(from + cols <= panel.cols, "columns {from} to {} of {}", from + cols, panel.cols);
                Operand::Panel(Panel { cols, left: panel.left + from / 4, ..panel.clone() })
            }
        }
    }

    /// Its first rows.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn first(&self, rows: usize) -> Self {
        assert!(rows <= self.rows(), "{rows} rows of {}", self.rows());
        match self {
            Operand::Rows(all) => Operand::Rows(Rows { rows, ..all.clone() }),
            Operand::Panel(panel) => Operand::Panel(Panel { rows, ..panel.clone() }),
        }
    }

    /// So many of its rows, from one on that a view can begin at.
    pub fn some(&self, from: usize, count: usize) -> Self {
        match self {
            Operand::Rows(all) => {
                let view = all.view.slice(from * all.pitch..all.view.len());
                Operand::Rows(Rows::of(view, count, all.cols, all.pitch))
            }
            Operand::Panel(panel) => {
                assert_eq!(from, 0, "panels are cut when they are made");
                Operand::Panel(Panel { rows: count, ..panel.clone() })
            }
        }
    }

    /// It in a texture: itself, or a copy that the recording makes.
    pub fn panel(&self, recording: &mut Recording) -> Panel {
        match self {
            Operand::Panel(panel) => panel.clone(),
            Operand::Rows(rows) => {
                let panel = Panel::new("panel", rows.rows, rows.cols);
                recording.fill_texture(texels(rows, &panel, 0));
                panel
            }
        }
    }

    /// The text that declares it at a binding, with `get_<name>(row, quad)` or `put_<name>(row, quad, value)`.
    pub(in crate::kernels) fn declare(
        &self,
        index: u32,
        name: &'static str,
        writes: bool,
        reach: usize,
    ) -> Declared {
        let (mode, access) = match (self, writes) {
            (Operand::Rows(_), true) => ("read_write", Access::ReadWrite),
            (Operand::Rows(_), false) => ("read", Access::Read),
            (Operand::Panel(panel), true) => ("write", Access::TextureWrite(panel.texture.texels())),
            (Operand::Panel(panel), false) => ("read", Access::TextureRead(panel.texture.texels())),
        };
        let binding = Binding::new(index, name, access);
        let (variable, get, put, binding, resource) = match self {
            Operand::Rows(rows) => {
                let half = rows.view.dtype() == DType::F16;
                assert!(!(half && writes), "`{name}` is written in half precision");
                let (kind, wide, share) = if half { ("vec4<f16>", "vec4f", 2) } else { ("vec4f", "", 1) };
                let at = format!("{name}[row * {}u + quad]", rows.pitch / 4);
                (
                    format!("var<storage, {mode}> {name}: array<{kind}>"),
                    format!("return {wide}({at})"),
                    format!("{at} = value"),
                    binding.words(rows.words(reach) / share),
                    rows.view.clone().into(),
                )
            }
            Operand::Panel(panel) => {
                let at = match panel.left {
                    0 => "vec2u(quad, row)".to_string(),
                    left => format!("vec2u({left}u + quad, row)"),
                };
                (
                    format!("var {name}: texture_storage_2d<rgba32float, {mode}>"),
                    format!("return textureLoad({name}, {at})"),
                    format!("textureStore({name}, {at}, value)"),
                    binding,
                    panel.texture.clone().into(),
                )
            }
        };
        let function = match writes {
            true => format!("fn put_{name}(row: u32, quad: u32, value: vec4f) {{ {put}; }}"),
            false => format!("fn get_{name}(row: u32, quad: u32) -> vec4f {{ {get}; }}"),
        };
        let text = format!("@group(0) @binding({index}) {variable};\n{function}\n");
        Declared { text, binding, resource }
    }
}

/// The one of two that a sum so far does not stand in: a texture can't be read and written at once.
pub fn other<'a>(two: &'a [Operand; 2], sum: Option<&Operand>) -> &'a Operand {
    let first = sum.is_some_and(|sum| std::ptr::eq(sum, &two[0]));
    &two[usize::from(first)]
}

/// A copy of rows to a panel, from one of its rows on, or back.
pub fn texels(rows: &Rows, panel: &Panel, from: usize) -> TexelRows {
    TexelRows {
        view: rows.view.clone(),
        pitch: (rows.pitch / 4) as u32,
        texture: panel.texture.clone(),
        at: [panel.left as u32, from as u32],
        size: [rows.cols.div_ceil(4) as u32, rows.rows as u32],
    }
}

/// A binding as text, host side and what is bound.
pub(in crate::kernels) struct Declared {
    pub text: String,
    pub binding: Binding,
    pub resource: Resource,
}

/// Declared bindings and others, in the order of a launch.
#[derive(Default)]
pub(in crate::kernels) struct Bound {
    pub text: String,
    pub bindings: Vec<Binding>,
    pub resources: Vec<Resource>,
}

impl Bound {
    pub fn declared(mut self, declared: Declared) -> Self {
        self.text += &declared.text;
        self.bindings.push(declared.binding);
        self.resources.push(declared.resource);
        self
    }

    pub fn read(self, operand: &Operand, index: u32, name: &'static str, reach: usize) -> Self {
        self.declared(operand.declare(index, name, false, reach))
    }

    pub fn write(self, operand: &Operand, index: u32, name: &'static str, reach: usize) -> Self {
        self.declared(operand.declare(index, name, true, reach))
    }

    /// What is added to what comes out, by `other_of(row, quad)`.
    pub fn plus(mut self, other: Option<&Operand>, index: u32, reach: usize) -> Self {
        let mut value = "vec4f()";
        if let Some(other) = other {
            self = self.read(other, index, "other", reach);
            value = "get_other(row, quad)";
        }
        self.text += &format!("fn other_of(row: u32, quad: u32) -> vec4f {{ return {value}; }}\n");
        self
    }

    /// A binding whose declaration stands in the shader.
    pub fn with(mut self, binding: Binding, resource: impl Into<Resource>) -> Self {
        self.bindings.push(binding);
        self.resources.push(resource.into());
        self
    }
}
