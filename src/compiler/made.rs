//! What Vulkan makes of a program on its way to being compiled.

use crate::gpu::{Access, Binding, Program};
use ash::vk;
use std::ffi::CString;

/// What it takes to compile one program; destroyed together, also on the way out of an error.
pub(super) struct Made<'a> {
    device: &'a ash::Device,
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pub pipeline: vk::Pipeline,
}

impl<'a> Made<'a> {
    pub fn new(device: &'a ash::Device) -> Self {
        Made {
            device,
            set: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            module: vk::ShaderModule::null(),
            pipeline: vk::Pipeline::null(),
        }
    }

    pub fn pipeline(
        &mut self,
        code: &[u32],
        program: &Program,
        flags: vk::PipelineShaderStageCreateFlags,
    ) -> std::result::Result<(), vk::Result> {
        let binding = |(at, binding): (usize, &Binding)| {
            let kind = match binding.access {
                Access::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                Access::Read | Access::ReadWrite => vk::DescriptorType::STORAGE_BUFFER,
                Access::TextureRead(_) | Access::TextureWrite(_) => vk::DescriptorType::STORAGE_IMAGE,
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(at as u32)
                .descriptor_type(kind)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = program.bindings.iter().enumerate().map(binding).collect();
        let name = CString::new(program.entry).unwrap_or_default();
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
        let stage = stage.name(&name).flags(flags);
        // SAFETY: the device is alive; each structure and what it points to outlives its call; the words are naga's, for
        // a layout with the program's own bindings.
        unsafe {
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            self.set = self.device.create_descriptor_set_layout(&set, None)?;
            let sets = [self.set];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            self.layout = self.device.create_pipeline_layout(&layout, None)?;
            self.module =
                self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(code), None)?;
            let info = vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .layout(self.layout)
                .stage(stage.module(self.module));
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            self.pipeline = made.map_err(|(_, e)| e)?[0];
        }
        Ok(())
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // SAFETY: each is null, which is ignored, or made on this device and used by nobody any more.
        unsafe {
            self.device.destroy_pipeline(self.pipeline, None);
            self.device.destroy_shader_module(self.module, None);
            self.device.destroy_pipeline_layout(self.layout, None);
            self.device.destroy_descriptor_set_layout(self.set, None);
        }
    }
}
