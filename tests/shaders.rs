//! naga reads every program that a parity case launches and compares it with what the host declares of it.

use floe::gpu::{Access, Program};
use floe::kernels::{KERNELS, VARIANTS};
use naga::{AddressSpace, StorageAccess};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Every program of every case of every variant, by key.
fn programs() -> &'static BTreeMap<u64, Program> {
    static PROGRAMS: OnceLock<BTreeMap<u64, Program>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let cases = VARIANTS.iter().flat_map(|v| KERNELS.iter().flat_map(|k| (k.cases)(v)));
        let dispatches = cases.flat_map(|case| case.recording.dispatches);
        dispatches.map(|d| (d.program.key(), d.program)).collect()
    })
}

fn read(program: &Program) -> (naga::Module, naga::valid::ModuleInfo) {
    let module = naga::front::wgsl::parse_str(&program.wgsl)
        .unwrap_or_else(|e| panic!("{}: {}", program.kernel, e.emit_to_string(&program.wgsl)));
    let info =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::SUBGROUP)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}: {e:?}", program.kernel));
    (module, info)
}

#[test]
fn bindings_and_workgroups_are_what_the_host_declares() {
    let programs = programs();
    assert!(programs.len() >= 20, "{} programs", programs.len());
    for program in programs.values() {
        let (module, info) = read(program);
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

#[test]
fn the_optimizers_numbers_stand_where_the_shader_reads_them() {
    let programs = programs();
    let program = programs.values().find(|p| p.kernel == "masked_update").expect("a program");
    let (module, _) = read(program);
    let (_, hyper) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Hyper")).expect("Hyper");
    let naga::TypeInner::Struct { members, .. } = &hyper.inner else { panic!("Hyper is no struct") };
    let found: Vec<(u32, &str)> =
        members.iter().map(|m| (m.offset, m.name.as_deref().unwrap_or(""))).collect();
    // The order of `masked_update::hyper`.
    let names = ["momentum", "beta1", "beta2", "eps", "decay", "clip", "unused1", "unused2"];
    let expected: Vec<(u32, &str)> = names.into_iter().enumerate().map(|(i, n)| (4 * i as u32, n)).collect();
    assert_eq!(found, expected);
}

#[test]
fn no_loop_starts_at_a_variable() {
    // Mesa 22.3 miscompiles them when it unrolls (docs/LOG.md).
    for program in programs().values() {
        for line in program.wgsl.lines().filter(|l| l.contains("for (var ")) {
            let start = line.split(" = ").nth(1).and_then(|s| s.split(';').next()).unwrap_or("");
            let strided = line.contains("+= LANES") || line.contains("+= WG");
            assert!(start == "0u" || strided, "{}: {line}", program.kernel);
        }
    }
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
    for program in programs().values() {
        let module = naga::front::wgsl::parse_str(&program.wgsl).unwrap();
        assert_eq!(floats_taken_for_integers(&module), 0, "{}", program.kernel);
    }
}

#[test]
fn functions_are_of_a_size_that_compilers_take() {
    // naga's front end takes time that grows with the square of a function's expressions (docs/LOG.md).
    for program in programs().values() {
        let (module, _) = read(program);
        let entries = module.entry_points.iter().map(|e| (&e.name, &e.function));
        let named = module.functions.iter().filter_map(|(_, f)| f.name.as_ref().map(|name| (name, f)));
        for (name, function) in entries.chain(named) {
            let count = function.expressions.len();
            assert!(count < 12_000, "{}: `{name}` has {count} expressions", program.kernel);
        }
    }
}
