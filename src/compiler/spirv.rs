//! A program as the SPIR-V that wgpu's Vulkan backend would hand to the driver.

use crate::error::{Error, Result};
use crate::gpu::{Binding, Program};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{ResourceBinding, ShaderStage, front};

/// What of a device decides how the text is written.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// SPIR-V's version, major and minor.
    pub version: (u8, u8),
    /// Whether the device zeroes workgroup memory by itself.
    pub zeroes: bool,
}

/// Words of a program's entry point, unchecked as the engine asks for it. Binding i of the program is binding i of set 0.
///
/// # Errors
/// naga's, if the program is not valid: a bug in a shader.
pub fn words(program: &Program, dialect: Dialect) -> Result<Vec<u32>> {
    let wrong = |e: String| Error::Device(format!("kernel `{}` does not translate: {e}", program.kernel));
    let module = front::wgsl::parse_str(&program.wgsl).map_err(|e| wrong(e.to_string()))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
        .validate(&module)
        .map_err(|e| wrong(e.to_string()))?;
    let stage =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: program.entry.into() };
    spv::write_vec(&module, &info, &options(program, dialect), Some(&stage)).map_err(|e| wrong(e.to_string()))
}

/// As `wgpu-hal` has them for a module without runtime checks.
fn options(program: &Program, dialect: Dialect) -> spv::Options<'static> {
    let place = |(at, b): (usize, &Binding)| {
        let from = ResourceBinding { group: 0, binding: b.index };
        (from, spv::BindingInfo { descriptor_set: 0, binding: at as u32, binding_array_size: None })
    };
    let unchecked = BoundsCheckPolicy::Unchecked;
    spv::Options {
        lang_version: dialect.version,
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: false,
        binding_map: program.bindings.iter().enumerate().map(place).collect(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: if dialect.zeroes {
            spv::ZeroInitializeWorkgroupMemoryMode::Native
        } else {
            spv::ZeroInitializeWorkgroupMemoryMode::Polyfill
        },
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..spv::Options::default()
    }
}
