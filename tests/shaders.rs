//! naga reads every program that a parity case launches and compares it with what the host declares of it.

use floe::gpu::{Access, Program};
use floe::kernels::{KERNELS, VARIANTS};
use naga::{AddressSpace, StorageAccess};
use std::collections::BTreeMap;

/// Every program of every case of every variant, by key.
fn programs() -> BTreeMap<u64, Program> {
    let cases = VARIANTS.iter().flat_map(|v| KERNELS.iter().flat_map(|k| (k.cases)(v)));
    let dispatches = cases.flat_map(|case| case.recording.dispatches);
    dispatches.map(|d| (d.program.key(), d.program)).collect()
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
