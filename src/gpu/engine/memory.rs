//! What a device holds: buffers and textures by handle, and their ledger.

use super::Engine;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Ledger, Texels, Texture, View};
use std::collections::HashMap;

/// Bytes that go to a device, or come from it, at a time: what a large transfer takes of the host's memory.
pub(super) const PIECE: u64 = 16 << 20;

/// Buffers and textures by id.
#[derive(Default)]
pub(super) struct Memory {
    buffers: HashMap<u64, (Buffer, wgpu::Buffer)>,
    textures: HashMap<u64, (Texture, (wgpu::Texture, wgpu::TextureView))>,
    ledger: Ledger,
}

impl Engine {
    /// Writes numbers at the start of a view, behind the work submitted so far. Much of it goes in pieces that are waited
    /// for, so that no second copy of the whole is made.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If the view is smaller than the data, or those are not whole words.
    pub fn write<T: bytemuck::NoUninit>(&self, to: impl Into<View>, data: &[T]) -> Result<()> {
        let (to, bytes): (View, &[u8]) = (to.into(), bytemuck::cast_slice(data));
        let fits = bytes.len() as u64 <= to.bytes() && bytes.len().is_multiple_of(4);
        assert!(fits, "{} bytes to {} of buffer `{}`", bytes.len(), to.bytes(), to.buffer().label());
        let target = self.realize(to.buffer())?;
        self.write_pieces(&target, to.offset(), bytes)
    }

    fn write_pieces(&self, target: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut at = offset;
        for piece in bytes.chunks(PIECE as usize) {
            self.queue.write_buffer(target, at, piece);
            at += piece.len() as u64;
            if bytes.len() as u64 > PIECE {
                let submission = self.queue.submit([]);
                self.poll(Some(submission))?;
            }
        }
        self.fault.check()
    }

    /// What is held now, by label, and how much it was at most.
    pub fn ledger(&self) -> Ledger {
        self.sweep();
        self.memory.borrow().ledger.clone()
    }

    pub(super) fn realize(&self, buffer: &Buffer) -> Result<wgpu::Buffer> {
        if let Some((_, made)) = self.memory.borrow().buffers.get(&buffer.id()) {
            return Ok(made.clone());
        }
        if buffer.bytes() > self.limits.max_buffer_size {
            return Err(Error::OutOfMemory {
                what: format!("buffer `{}`", buffer.label()),
                need: Some(buffer.bytes()),
                have: Some(self.limits.max_buffer_size),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let uniform = if buffer.bytes() <= self.limits.max_uniform_buffer_binding_size {
            wgpu::BufferUsages::UNIFORM
        } else {
            wgpu::BufferUsages::empty()
        };
        let made = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(buffer.label()),
            size: buffer.bytes(),
            usage: usage | uniform,
            mapped_at_creation: false,
        });
        self.write_pieces(&made, 0, bytemuck::cast_slice(buffer.contents()))?;
        let mut memory = self.memory.borrow_mut();
        memory.ledger.add(buffer.label(), buffer.bytes());
        memory.buffers.insert(buffer.id(), (buffer.clone(), made.clone()));
        Ok(made)
    }

    pub(super) fn texture(&self, texture: &Texture) -> Result<(wgpu::Texture, wgpu::TextureView)> {
        if let Some((_, made)) = self.memory.borrow().textures.get(&texture.id()) {
            return Ok(made.clone());
        }
        let [width, height] = texture.size();
        let most = self.limits.max_texture_dimension_2d;
        if width.max(height) > most {
            return Err(Error::OutOfMemory {
                what: format!("a side of texture `{}`, in texels,", texture.label()),
                need: Some(width.max(height).into()),
                have: Some(most.into()),
            });
        }
        let usage = wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::COPY_DST
            | wgpu::TextureUsages::COPY_SRC;
        let made = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(texture.label()),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: texel_format(texture.texels()),
            usage,
            view_formats: &[],
        });
        let view = made.create_view(&Default::default());
        self.fault.check()?;
        let mut memory = self.memory.borrow_mut();
        memory.ledger.add(texture.label(), texture.bytes());
        memory.textures.insert(texture.id(), (texture.clone(), (made.clone(), view.clone())));
        Ok((made, view))
    }

    /// Frees buffers and textures whose handles are all gone.
    pub(super) fn sweep(&self) {
        let Memory { buffers, textures, ledger } = &mut *self.memory.borrow_mut();
        buffers.retain(|_, (handle, _)| {
            if handle.is_last() {
                ledger.remove(handle.label(), handle.bytes());
            }
            !handle.is_last()
        });
        textures.retain(|_, (handle, _)| {
            if handle.is_last() {
                ledger.remove(handle.label(), handle.bytes());
            }
            !handle.is_last()
        });
    }
}

/// wgpu's name.
pub(super) fn texel_format(texels: Texels) -> wgpu::TextureFormat {
    match texels {
        Texels::Rgba32Float => wgpu::TextureFormat::Rgba32Float,
        Texels::Rgba16Float => wgpu::TextureFormat::Rgba16Float,
        Texels::R32Float => wgpu::TextureFormat::R32Float,
    }
}
