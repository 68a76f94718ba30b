//! Commands made ready for a device, and put into an encoder.

use super::{Engine, Pipeline};
use crate::error::Result;
use crate::gpu::{Command, Dispatch, Recording, Resource, TexelRows, View};
use std::num::NonZeroU64;
use std::rc::Rc;

/// A command with what the device has for it.
pub(super) enum Ready {
    Launch(Launched),
    Copy { from: Piece, to: Piece },
    Clear(Piece),
    FillTexture { from: Lines, to: wgpu::Texture },
    ReadTexture { from: wgpu::Texture, to: Lines },
}

/// A launch made ready.
pub(super) struct Launched {
    kernel: &'static str,
    group: wgpu::BindGroup,
    pipeline: Rc<Pipeline>,
    groups: [u32; 3],
}

/// A range of bytes.
pub(super) struct Piece {
    buffer: wgpu::Buffer,
    offset: u64,
    bytes: u64,
}

/// TexelRows in a buffer, as a copy from or to a texture takes them.
pub(super) struct Lines {
    buffer: wgpu::Buffer,
    layout: wgpu::TexelCopyBufferLayout,
    at: wgpu::Origin3d,
    size: wgpu::Extent3d,
}

/// What a launch binds, on the device.
enum Bound {
    Piece(Piece),
    Texture(wgpu::TextureView),
}

impl Bound {
    fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Bound::Piece(piece) => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &piece.buffer,
                offset: piece.offset,
                size: NonZeroU64::new(piece.bytes),
            }),
            Bound::Texture(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

impl Ready {
    /// The launch; none of a copy.
    pub fn launch(&self) -> Option<&Launched> {
        match self {
            Ready::Launch(launch) => Some(launch),
            _ => None,
        }
    }

    /// The kernel and pipeline of a launch that a driver may still have to compile.
    pub fn fresh(&self) -> Option<(&'static str, &Pipeline)> {
        let launch = self.launch().filter(|launch| !launch.pipeline.launched.get())?;
        Some((launch.kernel, &launch.pipeline))
    }

    /// Puts a command that is no launch into an encoder.
    pub fn copy(&self, encoder: &mut wgpu::CommandEncoder) {
        match self {
            Ready::Launch(_) => {}
            Ready::Copy { from, to } => {
                let ends = (&from.buffer, from.offset, &to.buffer, to.offset);
                encoder.copy_buffer_to_buffer(ends.0, ends.1, ends.2, ends.3, from.bytes);
            }
            Ready::Clear(piece) => encoder.clear_buffer(&piece.buffer, piece.offset, Some(piece.bytes)),
            Ready::FillTexture { from, to } => {
                encoder.copy_buffer_to_texture(from.info(), from.within(to), from.size);
            }
            Ready::ReadTexture { from, to } => {
                encoder.copy_texture_to_buffer(to.within(from), to.info(), to.size);
            }
        }
    }
}

impl Launched {
    /// Puts the launch into a pass.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}

impl Lines {
    fn info(&self) -> wgpu::TexelCopyBufferInfo<'_> {
        wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout: self.layout }
    }

    fn within<'a>(&self, texture: &'a wgpu::Texture) -> wgpu::TexelCopyTextureInfo<'a> {
        wgpu::TexelCopyTextureInfo { origin: self.at, ..texture.as_image_copy() }
    }
}

/// Puts commands into an encoder, launches that follow each other into one pass.
pub(super) fn all(encoder: &mut wgpu::CommandEncoder, commands: &[&Ready]) {
    for run in commands.chunk_by(|a, b| a.launch().is_some() && b.launch().is_some()) {
        if run[0].launch().is_none() {
            run[0].copy(encoder);
            continue;
        }
        let mut pass = encoder.begin_compute_pass(&Default::default());
        run.iter().filter_map(|command| command.launch()).for_each(|launch| launch.dispatch(&mut pass));
    }
}

impl Engine {
    /// The commands of a recording, with their buffers, bind groups and pipelines.
    pub(super) fn ready(&self, recording: &Recording) -> Result<Vec<Ready>> {
        self.sweep();
        let ready = |command: &Command| {
            Ok(match command {
                Command::Dispatch(dispatch) => Ready::Launch(self.launched(dispatch)?),
                Command::Copy { from, to } => Ready::Copy { from: self.piece(from)?, to: self.piece(to)? },
                Command::Clear(view) => Ready::Clear(self.piece(view)?),
                Command::FillTexture(rows) => {
                    Ready::FillTexture { from: self.lines(rows)?, to: self.texture(&rows.texture)?.0 }
                }
                Command::ReadTexture(rows) => {
                    Ready::ReadTexture { from: self.texture(&rows.texture)?.0, to: self.lines(rows)? }
                }
            })
        };
        recording.commands.iter().map(ready).collect()
    }

    fn piece(&self, view: &View) -> Result<Piece> {
        Ok(Piece { buffer: self.realize(view.buffer())?, offset: view.offset(), bytes: view.bytes() })
    }

    fn lines(&self, rows: &TexelRows) -> Result<Lines> {
        let [width, height] = rows.size;
        Ok(Lines {
            buffer: self.realize(rows.view.buffer())?,
            layout: wgpu::TexelCopyBufferLayout {
                offset: rows.view.offset(),
                // Of one row there is no next, and its length need be no multiple of 256.
                bytes_per_row: (height > 1).then(|| rows.pitch * rows.texture.texels().bytes() as u32),
                rows_per_image: None,
            },
            at: wgpu::Origin3d { x: rows.at[0], y: rows.at[1], z: 0 },
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        })
    }

    fn launched(&self, dispatch: &Dispatch) -> Result<Launched> {
        self.check_limits(dispatch)?;
        let pipeline = self.pipeline(&dispatch.program, dispatch.is_own())?;
        let group = self.bind(dispatch, &pipeline)?;
        Ok(Launched { kernel: dispatch.program.kernel, group, pipeline, groups: dispatch.groups })
    }

    fn bind(&self, dispatch: &Dispatch, pipeline: &Pipeline) -> Result<wgpu::BindGroup> {
        let bound = |resource: &Resource| {
            Ok(match resource {
                Resource::View(view) => Bound::Piece(self.piece(view)?),
                Resource::Texture(texture) => Bound::Texture(self.texture(texture)?.1),
            })
        };
        let resources = dispatch.resources.iter().map(bound).collect::<Result<Vec<_>>>()?;
        let bound = dispatch.program.bindings.iter().zip(&resources);
        let entries: Vec<_> = bound
            .map(|(binding, bound)| wgpu::BindGroupEntry {
                binding: binding.index,
                resource: bound.resource(),
            })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.program.kernel),
            layout: &pipeline.layout,
            entries: &entries,
        }))
    }
}
