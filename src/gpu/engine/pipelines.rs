//! Programs compiled.

use super::Engine;
use super::memory::texel_format;
use crate::error::Result;
use crate::gpu::{Access, Program};
use crate::interrupt::{self, Compiling};
use std::cell::Cell;
use std::rc::Rc;

/// A program as the device has it.
pub struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// It has been launched. Some drivers compile a kernel no sooner than that.
    pub launched: Cell<bool>,
}

impl Engine {
    pub(super) fn pipeline(&self, program: &Program, own: bool) -> Result<Rc<Pipeline>> {
        if let Some(made) = self.pipelines.borrow().get(&(program.key(), own)) {
            return Ok(made.clone());
        }
        interrupt::check(|| compilation(program.kernel))?;
        let _compiling = Compiling::begin();
        let module = {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(program.kernel),
                source: wgpu::ShaderSource::Wgsl(program.wgsl.as_str().into()),
            };
            if own {
                // SAFETY: the text, its buffers and the number of workgroups were put together by a kernel of floe's own.
                // Every index is bounded by a constant or a compared count, and every loop by a constant or a uniform
                // count; parity runs with poisoned outputs and canaries.
                unsafe {
                    self.device
                        .create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
                }
            } else {
                self.device.create_shader_module(descriptor)
            }
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = program
            .bindings
            .iter()
            .map(|b| wgpu::BindGroupLayoutEntry {
                binding: b.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: kind(b.access),
                count: None,
            })
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(program.kernel),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(program.entry),
            compilation_options: Default::default(),
            cache: None,
        });
        self.fault.check()?;
        let made = Rc::new(Pipeline { pipeline, layout, launched: Cell::new(false) });
        self.pipelines.borrow_mut().insert((program.key(), own), made.clone());
        Ok(made)
    }
}

/// Where an interruption is heard.
pub fn compilation(kernel: &str) -> String {
    format!("the compilation of kernel `{kernel}`")
}

/// A binding as a layout has it.
fn kind(access: Access) -> wgpu::BindingType {
    let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
    let texture = |access, texels| wgpu::BindingType::StorageTexture {
        access,
        format: texel_format(texels),
        view_dimension: wgpu::TextureViewDimension::D2,
    };
    match access {
        Access::Uniform => buffer(wgpu::BufferBindingType::Uniform),
        Access::Read => buffer(wgpu::BufferBindingType::Storage { read_only: true }),
        Access::ReadWrite => buffer(wgpu::BufferBindingType::Storage { read_only: false }),
        Access::TextureRead(texels) => texture(wgpu::StorageTextureAccess::ReadOnly, texels),
        Access::TextureWrite(texels) => texture(wgpu::StorageTextureAccess::WriteOnly, texels),
    }
}
