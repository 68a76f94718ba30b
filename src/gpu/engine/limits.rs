//! What a launch needs beside what the adapter offers.

use super::Engine;
use crate::error::{Error, Limit, Result};
use crate::gpu::{Access, Dispatch, View};

impl Engine {
    /// Compares what a launch needs with what the adapter offers.
    pub(super) fn check_limits(&self, dispatch: &Dispatch) -> Result<()> {
        let (program, limits) = (&dispatch.program, &self.limits);
        let largest = |uniform: bool| {
            let bound = program.bindings.iter().zip(&dispatch.resources);
            let of_kind = bound.filter(|(b, _)| (b.access == Access::Uniform) == uniform);
            of_kind.filter_map(|(_, resource)| resource.view()).map(View::bytes).max().unwrap_or(0)
        };
        let count = |of: fn(Access) -> bool| program.bindings.iter().filter(|b| of(b.access)).count() as u64;
        let storage = count(Access::is_storage);
        let textures = count(|access| access.texels().is_some());
        let table = [
            (
                Limit::WorkgroupMemory,
                program.shared_bytes.into(),
                limits.max_compute_workgroup_storage_size.into(),
            ),
            (
                Limit::Invocations,
                program.workgroup.into(),
                limits.max_compute_invocations_per_workgroup.into(),
            ),
            (Limit::WorkgroupSize, program.workgroup.into(), limits.max_compute_workgroup_size_x.into()),
            (
                Limit::Workgroups,
                dispatch.groups.into_iter().max().unwrap_or(0).into(),
                limits.max_compute_workgroups_per_dimension.into(),
            ),
            (Limit::StorageBuffers, storage, limits.max_storage_buffers_per_shader_stage.into()),
            (Limit::StorageTextures, textures, limits.max_storage_textures_per_shader_stage.into()),
            (Limit::StorageBinding, largest(false), limits.max_storage_buffer_binding_size),
            (Limit::UniformBinding, largest(true), limits.max_uniform_buffer_binding_size),
            (Limit::Loops, program.loops, self.summary.loops),
        ];
        for (limit, need, have) in table {
            if need > have {
                let (kernel, device) = (program.kernel.into(), self.summary.name.clone());
                return Err(Error::Limit { kernel, limit, need, have, device });
            }
        }
        Ok(())
    }
}
