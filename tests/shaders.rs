//! naga reads every program that a parity case launches, compares it with what the host declares of it, and translates it
//! for every backend.

#[path = "common/texels.rs"]
mod texels;

use floe::gpu::{Access, Binding, Program, Texels};
use floe::kernels::{Case, KERNELS, VARIANTS};
use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::{AddressSpace, StorageAccess};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;

/// A program as naga reads it.
struct Parsed {
    program: Program,
    module: naga::Module,
    info: naga::valid::ModuleInfo,
}

/// Every program of every case of every variant, once: naga takes the longer, the more one function does.
static PROGRAMS: LazyLock<Vec<Parsed>> = LazyLock::new(|| {
    let cases = VARIANTS.iter().flat_map(|v| KERNELS.iter().flat_map(|k| (k.cases)(v)));
    let of = |case: Case| case.recording.dispatches().map(|d| d.program.clone()).collect::<Vec<_>>();
    let programs: BTreeMap<u64, Program> =
        cases.flat_map(of).map(|program| (program.key(), program)).collect();
    let textures = texels::program(Texels::Rgba32Float);
    let programs: Vec<Program> = programs.into_values().chain([textures]).collect();
    assert!(programs.len() >= 20, "{} programs", programs.len());
    each(&programs, |program| {
        let (module, info) = read(program);
        Parsed { program: program.clone(), module, info }
    })
});

/// Does the same to each item, on all cores.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let share = |t: usize| items.iter().skip(t).step_by(threads).map(&work).collect::<Vec<R>>();
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || share(t))).collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    })
}

fn read(program: &Program) -> (naga::Module, naga::valid::ModuleInfo) {
    let module = naga::front::wgsl::parse_str(&program.wgsl)
        .unwrap_or_else(|e| panic!("{}: {}", program.kernel, e.emit_to_string(&program.wgsl)));
    use naga::valid::Capabilities;
    // What a program needs beyond subgroups it says by a directive.
    let mut able = Capabilities::SUBGROUP;
    able.set(Capabilities::SHADER_FLOAT16, program.wgsl.contains("enable f16;"));
    able.set(Capabilities::COOPERATIVE_MATRIX, program.wgsl.contains("enable wgpu_cooperative_matrix;"));
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), able)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {e:?}", program.kernel));
    (module, info)
}

#[test]
fn bindings_and_workgroups_are_what_the_host_declares() {
    for Parsed { program, module, info } in PROGRAMS.iter() {
        let name = format!("{}::{}", program.kernel, program.entry);
        let at = module.entry_points.iter().position(|e| e.name == program.entry).expect(&name);
        let entry = &module.entry_points[at];
        assert_eq!(entry.workgroup_size, [program.workgroup, 1, 1], "{name}");
        let uses = info.get_entry_point(at);
        let mut found = BTreeMap::new();
        let mut shared = 0;
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).expect(&name);
        for (handle, global) in module.global_variables.iter() {
            if uses[handle].is_empty() {
                continue;
            }
            if global.space == AddressSpace::WorkGroup {
                shared += layouter[global.ty].size;
            }
            let Some(binding) = global.binding else { continue };
            assert_eq!(binding.group, 0, "{name}");
            let access = match global.space {
                AddressSpace::Uniform => Access::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                AddressSpace::Storage { .. } => Access::Read,
                AddressSpace::Handle => texture(&module.types[global.ty].inner).expect(&name),
                other => panic!("{name}: {other:?}"),
            };
            found.insert(binding.binding, (global.name.clone().unwrap_or_default(), access));
        }
        let declared: BTreeMap<u32, (String, Access)> =
            program.bindings.iter().map(|b| (b.index, (b.name.to_string(), b.access))).collect();
        assert_eq!(found, declared, "{name}");
        assert_eq!(shared, program.shared_bytes, "{name}: workgroup memory");
    }
}

/// A storage texture's texels and how they are used.
fn texture(ty: &naga::TypeInner) -> Option<Access> {
    let naga::TypeInner::Image { class: naga::ImageClass::Storage { format, access }, .. } = ty else {
        return None;
    };
    let texels = match format {
        naga::StorageFormat::Rgba32Float => Texels::Rgba32Float,
        naga::StorageFormat::Rgba16Float => Texels::Rgba16Float,
        naga::StorageFormat::R32Float => Texels::R32Float,
        _ => return None,
    };
    let read = *access == StorageAccess::LOAD;
    Some(if read { Access::TextureRead(texels) } else { Access::TextureWrite(texels) })
}

#[test]
fn the_optimizers_numbers_stand_where_the_shader_reads_them() {
    let found = PROGRAMS.iter().find(|p| p.program.kernel == "masked_update");
    let module = &found.expect("a program").module;
    let (_, hyper) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Hyper")).expect("Hyper");
    let naga::TypeInner::Struct { members, .. } = &hyper.inner else { panic!("Hyper is no struct") };
    let found: Vec<(u32, &str)> =
        members.iter().map(|m| (m.offset, m.name.as_deref().unwrap_or(""))).collect();
    // The order of `masked_update::hyper`.
    let names = ["momentum", "beta1", "beta2", "eps", "decay", "clip", "rest1", "rest2"];
    let expected: Vec<(u32, &str)> = names.into_iter().enumerate().map(|(i, n)| (4 * i as u32, n)).collect();
    assert_eq!(found, expected);
}

#[test]
fn no_loop_starts_at_a_variable() {
    // Mesa 22.3 miscompiles them when it unrolls (docs/LOG.md).
    let mut loops = 0;
    for Parsed { program, .. } in PROGRAMS.iter() {
        for line in program.wgsl.lines().filter(|l| l.contains("for (var ")) {
            loops += 1;
            let start = line.split(" = ").nth(1).and_then(|s| s.split(';').next()).unwrap_or("");
            let strided = line.contains("+= LANES") || line.contains("+= WG");
            assert!(start == "0u" || strided, "{}: {line}", program.kernel);
        }
    }
    assert!(loops > 100, "{loops} loops are found");
}

/// What `create_shader_module_trusted` without checks leaves of them, on every backend.
const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// Built-in functions over a subgroup.
const SUMS: [&str; 4] = ["subgroupAdd(", "subgroupShuffle(", "subgroupShuffleXor(", "subgroupBroadcast("];

impl Parsed {
    fn name(&self) -> String {
        format!("{}::{}", self.program.kernel, self.program.entry)
    }

    fn place(index: u32) -> naga::ResourceBinding {
        naga::ResourceBinding { group: 0, binding: index }
    }

    fn stage(&self) -> (naga::ShaderStage, String) {
        (naga::ShaderStage::Compute, self.program.entry.to_string())
    }

    /// Whether it takes sums over a subgroup, which is offered where the backend has them alone.
    fn sums(&self) -> bool {
        let code =
            |line: &str| line.split("//").next().is_some_and(|code| SUMS.iter().any(|f| code.contains(f)));
        self.program.wgsl.lines().any(code)
    }

    fn enables(&self, extension: &str) -> bool {
        self.program.wgsl.contains(&format!("enable {extension};"))
    }
}

/// As wgpu's Vulkan backend writes it, with what it tells naga of the device: subgroup operations only where they are used.
fn spirv(parsed: &Parsed) {
    use spv::Capability::*;
    let mut capabilities = vec![Shader, Matrix, Sampled1D, Image1D, ImageQuery, DerivativeControl];
    capabilities.push(StorageImageExtendedFormats);
    if parsed.sums() {
        capabilities.extend([GroupNonUniform, GroupNonUniformVote, GroupNonUniformArithmetic]);
        capabilities.extend([GroupNonUniformBallot, GroupNonUniformShuffle, GroupNonUniformShuffleRelative]);
    }
    if parsed.enables("f16") {
        capabilities.extend([Float16, StorageBuffer16BitAccess, UniformAndStorageBuffer16BitAccess]);
        capabilities.push(StorageInputOutput16);
    }
    if parsed.enables("wgpu_cooperative_matrix") {
        capabilities.extend([CooperativeMatrixKHR, VulkanMemoryModel, VulkanMemoryModelDeviceScope]);
    }
    let bindings = parsed.program.bindings.iter().zip(0..).map(|(b, binding)| {
        (Parsed::place(b.index), spv::BindingInfo { descriptor_set: 0, binding, binding_array_size: None })
    });
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: false,
        binding_map: bindings.collect(),
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: UNCHECKED,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..spv::Options::default()
    };
    let (shader_stage, entry_point) = parsed.stage();
    let stage = spv::PipelineOptions { shader_stage, entry_point };
    let words = spv::write_vec(&parsed.module, &parsed.info, &options, Some(&stage));
    let words = words.unwrap_or_else(|e| panic!("{}: SPIR-V: {e}", parsed.name()));
    assert_eq!((words[0], words[1]), (0x0723_0203, 0x0001_0300), "{}", parsed.name());
}

/// As wgpu's Metal backend writes it, for the oldest language of what floe runs on (macOS 12).
fn metal(parsed: &Parsed) {
    let (mut buffers, mut textures) = (0..31u8, 0..128u8);
    let mut target = |b: &Binding| {
        let (mutable, texture) = (b.access.writes(), b.access.texels().is_some());
        let buffer = (!texture).then(|| buffers.next().expect("a slot"));
        let texture = texture.then(|| textures.next().expect("a slot"));
        (Parsed::place(b.index), msl::BindTarget { buffer, texture, mutable, ..Default::default() })
    };
    let count = parsed.program.bindings.iter().filter(|b| b.access.texels().is_none()).count() as u8;
    // Metal has 31 slots, and the last one taken holds the lengths of arrays.
    assert!(count < 31, "{}: {count} buffers", parsed.name());
    let resources = msl::EntryPointResources {
        resources: parsed.program.bindings.iter().map(&mut target).collect(),
        sizes_buffer: Some(count),
        ..Default::default()
    };
    let options = msl::Options {
        lang_version: (2, 4),
        per_entry_point_map: [(parsed.program.entry.to_string(), resources)].into(),
        fake_missing_bindings: false,
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: true,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let stage = msl::PipelineOptions { entry_point: Some(parsed.stage()), ..Default::default() };
    let written = msl::write_string(&parsed.module, &parsed.info, &options, &stage);
    let (text, told) = written.unwrap_or_else(|e| panic!("{}: MSL: {e}", parsed.name()));
    let name = told.entry_point_names[0].as_ref().unwrap_or_else(|e| panic!("{}: MSL: {e}", parsed.name()));
    assert!(text.contains(&format!("kernel void {name}(")), "{}: MSL", parsed.name());
}

/// As wgpu's DirectX 12 backend writes it for a compiler's shader model.
fn directx(parsed: &Parsed, shader_model: hlsl::ShaderModel) {
    let (mut registers, mut bindings) = ([0; 3], hlsl::BindingMap::default());
    for b in &parsed.program.bindings {
        // Constants, read-only buffers and what else is there are counted apart.
        let register = match b.access {
            Access::Uniform => &mut registers[0],
            Access::Read => &mut registers[1],
            Access::ReadWrite | Access::TextureRead(_) | Access::TextureWrite(_) => &mut registers[2],
        };
        bindings
            .insert(Parsed::place(b.index), hlsl::BindTarget { register: *register, ..Default::default() });
        *register += 1;
    }
    let constants = hlsl::BindTarget { register: registers[0], ..Default::default() };
    let options = hlsl::Options {
        shader_model,
        binding_map: bindings,
        fake_missing_bindings: false,
        special_constants_binding: Some(constants),
        zero_initialize_workgroup_memory: true,
        restrict_indexing: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let stage = hlsl::PipelineOptions { entry_point: Some(parsed.stage()) };
    let mut text = String::new();
    let written = hlsl::Writer::new(&mut text, &options, &stage).write(&parsed.module, &parsed.info, None);
    let told = written.unwrap_or_else(|e| panic!("{}: HLSL: {e}", parsed.name()));
    let name = told.entry_point_names[0].as_ref().unwrap_or_else(|e| panic!("{}: HLSL: {e}", parsed.name()));
    let workgroup = format!("[numthreads({}, 1, 1)]", parsed.program.workgroup);
    assert!(text.contains(&workgroup) && text.contains(&format!("void {name}(")), "{}: HLSL", parsed.name());
    assert_eq!(
        text.contains("Wave"),
        parsed.sums(),
        "{}: wave intrinsics need shader model 6",
        parsed.name()
    );
}

#[test]
fn every_program_translates_for_vulkan_metal_and_directx() {
    assert!(PROGRAMS.iter().any(Parsed::sums), "a program with sums over a subgroup");
    each(&PROGRAMS, |parsed| {
        spirv(parsed);
        // DirectX has none, Metal none of 16 × 16: what uses them is for Vulkan alone.
        if parsed.enables("wgpu_cooperative_matrix") {
            return;
        }
        metal(parsed);
        let half = parsed.enables("f16");
        directx(parsed, if half { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V6_0 });
        // Without dxcompiler.dll there is FXC, which stops at 5.1; wgpu then offers no subgroup operations.
        if !parsed.sums() && !half {
            directx(parsed, hlsl::ShaderModel::V5_1);
        }
    });
}

/// Expressions that read a float of a uniform and take its bits for an integer. Small integers are subnormal floats, which
/// some GPUs take for 0 on the way.
fn floats_taken_for_integers(module: &naga::Module) -> usize {
    use naga::{Expression as E, ScalarKind, TypeInner};
    let functions = module.functions.iter().map(|(_, f)| f);
    let all = functions.chain(module.entry_points.iter().map(|e| &e.function));
    let mut found = 0;
    for function in all {
        let uniform = |mut at: naga::Handle<E>| loop {
            at = match function.expressions[at] {
                E::Load { pointer } => pointer,
                E::Access { base, .. } | E::AccessIndex { base, .. } => base,
                E::Swizzle { vector, .. } => vector,
                E::GlobalVariable(global) => {
                    let global = &module.global_variables[global];
                    let mut ty = &module.types[global.ty].inner;
                    while let TypeInner::Array { base, .. } = ty {
                        ty = &module.types[*base].inner;
                    }
                    let kind = ty.scalar_kind();
                    return global.space == AddressSpace::Uniform
                        && kind.is_none_or(|k| k == ScalarKind::Float);
                }
                _ => return false,
            }
        };
        let bits = |e: &E| match *e {
            E::As { expr, kind, convert: None } => kind != ScalarKind::Float && uniform(expr),
            _ => false,
        };
        found += function.expressions.iter().filter(|(_, e)| bits(e)).count();
    }
    found
}

#[test]
fn no_integer_travels_as_a_float() {
    let of = |text: &str| floats_taken_for_integers(&naga::front::wgsl::parse_str(text).unwrap());
    let kernel = "@group(0) @binding(0) var<uniform> task: array<vec4f, 2>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(1) fn main(@builtin(local_invocation_index) i: u32) { ";
    for bad in ["out[0] = bitcast<u32>(task[0].y);", "out[0] = bitcast<vec4u>(task[i])[i];"] {
        assert_eq!(of(&format!("{kernel}{bad} }}")), 1, "{bad}");
    }
    for good in ["out[0] = u32(task[0].y);", "let x = task[0].x + 1.0; out[0] = bitcast<u32>(x);"] {
        assert_eq!(of(&format!("{kernel}{good} }}")), 0, "{good}");
    }
    for Parsed { program, module, .. } in PROGRAMS.iter() {
        assert_eq!(floats_taken_for_integers(module), 0, "{}", program.kernel);
    }
}

#[test]
fn functions_are_of_a_size_that_compilers_take() {
    // naga's front end takes time that grows with the square of a function's expressions (docs/LOG.md).
    for Parsed { program, module, .. } in PROGRAMS.iter() {
        let entries = module.entry_points.iter().map(|e| (&e.name, &e.function));
        let named = module.functions.iter().filter_map(|(_, f)| f.name.as_ref().map(|name| (name, f)));
        for (name, function) in entries.chain(named) {
            let count = function.expressions.len();
            assert!(count < 12_000, "{}: `{name}` has {count} expressions", program.kernel);
        }
    }
}
