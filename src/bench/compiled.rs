//! What a driver's compiler makes of the kernels at the paper's sizes: registers, spills, instructions. Nothing runs, so
//! the card need not be there (Mesa's `RADV_FORCE_FAMILY`), and nothing here is a time.

use super::work;
use crate::compiler::{Compiled, Compiler};
use crate::error::{Error, Result};
use crate::gpu::Program;
use crate::kernels::{Tuning, VARIANTS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A program as its driver compiled it. What a driver doesn't tell is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The kernel's stem.
    pub kernel: String,
    /// The bench or the step that launches it.
    pub case: String,
    /// Invocations in a workgroup and in a subgroup.
    pub workgroup: u32,
    /// Invocations in a subgroup.
    pub subgroup: u32,
    /// Vector registers an invocation.
    pub registers: Option<f64>,
    /// Registers, of vectors and scalars, that had no place.
    pub spilled: Option<f64>,
    /// Bytes of memory that an invocation spills to, and of workgroup memory.
    pub scratch: Option<f64>,
    /// Bytes of workgroup memory.
    pub lds: Option<f64>,
    /// Subgroups that fit on a SIMD at a time, to hide each other's waiting.
    pub waves: Option<f64>,
    /// Machine instructions.
    pub instructions: Option<f64>,
    /// The compiler's estimates, cycles a subgroup: from its first instruction to its last, and of the busiest unit.
    pub latency: Option<f64>,
    /// Cycles between two subgroups, as the compiler reckons.
    pub inverse_throughput: Option<f64>,
    /// Wall time of the compilation.
    pub compile_ms: f64,
    /// Everything the driver told, by its own names.
    pub statistics: BTreeMap<String, f64>,
}

/// The rows of one variant, and who compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// floe's version.
    pub floe: String,
    /// The device's name.
    pub adapter: String,
    /// Its driver, with the version.
    pub driver: String,
    /// How kernels split their work.
    pub variant: String,
    /// A program each.
    pub compiled: Vec<Row>,
}

/// The variant to compile: one by its name, or the GPUs' default.
///
/// # Errors
/// There is none of that name.
pub fn variant(name: Option<&str>) -> Result<Tuning> {
    let name = name.unwrap_or("gpu");
    VARIANTS.iter().find(|v| v.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = VARIANTS.iter().map(|v| v.name).collect();
        Error::Usage(format!("`{name}` is none of {}", names.join(", ")))
    })
}

/// Compiles every program that [`super::run`] would time and whose name contains one of `only` (all if empty), each once.
///
/// # Errors
/// A program that the driver refuses.
pub fn run(compiler: &Compiler, tuning: &Tuning, only: &[String]) -> Result<Report> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let mut rows = Vec::new();
    for (case, program) in programs(tuning)? {
        if wanted(&case) || wanted(program.kernel) {
            log::debug!("compiling {}: {case}", program.kernel);
            rows.push(row(&case, &program, &compiler.compile(&program)?));
        }
    }
    Ok(Report {
        floe: env!("CARGO_PKG_VERSION").into(),
        adapter: compiler.name().into(),
        driver: compiler.driver().into(),
        variant: tuning.name.into(),
        compiled: rows,
    })
}

/// The programs of every bench of every kernel, and of a step of every phase of the paper, under the name of the first
/// that launches each.
fn programs(tuning: &Tuning) -> Result<Vec<(String, Program)>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for work in work::all(tuning)? {
        for program in work.programs().into_iter().filter(|p| seen.insert(p.key())) {
            let case = work
                .name
                .strip_prefix(program.kernel)
                .map_or(work.name.as_str(), |n| n.trim_start_matches(": "));
            found.push((case.to_string(), program));
        }
    }
    Ok(found)
}

fn row(case: &str, program: &Program, compiled: &Compiled) -> Row {
    let told = |names: &[&str]| {
        let of =
            |name: &&str| compiled.statistics.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|s| s.1);
        names.iter().find_map(of)
    };
    let sum = |part: &str| {
        let of = |s: &&(String, f64)| s.0.to_ascii_lowercase().contains(part);
        let mut parts = compiled.statistics.iter().filter(of).map(|s| s.1).peekable();
        parts.peek().is_some().then(|| parts.sum())
    };
    // Names of RADV, ANV and NVIDIA, in that order.
    Row {
        kernel: program.kernel.into(),
        case: case.into(),
        workgroup: program.workgroup,
        subgroup: compiled.subgroup,
        registers: told(&["VGPRs", "Max live registers", "Register Count"]),
        spilled: sum("spill"),
        scratch: told(&["Scratch size", "Scratch Memory Size", "Local Memory Size"]),
        lds: told(&["LDS size", "Workgroup Memory Size", "Shared Memory Size"]),
        waves: told(&["Subgroups per SIMD", "Max Waves"]),
        instructions: told(&["Instructions", "Instruction Count"]),
        latency: told(&["Latency", "Cycle Count"]),
        inverse_throughput: told(&["Inverse Throughput"]),
        compile_ms: compiled.ms,
        statistics: compiled.statistics.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(statistics: &[(&str, f64)]) -> Row {
        let statistics = statistics.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        let program = programs(&variant(None).unwrap()).unwrap().remove(0).1;
        row("a", &program, &Compiled { subgroup: 32, ms: 1.0, statistics })
    }

    #[test]
    fn drivers_names_are_understood() {
        let amd = told(&[("SGPRs", 50.0), ("VGPRs", 60.0), ("Spilled SGPRs", 1.0), ("Spilled VGPRs", 2.0)]);
        assert_eq!((amd.registers, amd.spilled, amd.scratch), (Some(60.0), Some(3.0), None));
        let intel = told(&[("Instruction Count", 7.0), ("Spill Count", 0.0), ("Fill Count", 4.0)]);
        assert_eq!((intel.instructions, intel.spilled, intel.registers), (Some(7.0), Some(0.0), None));
        let nvidia = told(&[("Register Count", 40.0), ("Local Memory Size", 16.0)]);
        assert_eq!((nvidia.registers, nvidia.scratch, nvidia.spilled), (Some(40.0), Some(16.0), None));
    }

    #[test]
    fn each_program_of_a_variant_once() {
        let gpu = variant(None).unwrap();
        assert_eq!(gpu.name, "gpu");
        let all = programs(&gpu).unwrap();
        let keys: BTreeSet<u64> = all.iter().map(|(_, p)| p.key()).collect();
        assert_eq!(keys.len(), all.len());
        let kernels: BTreeSet<&str> = all.iter().map(|(_, p)| p.kernel).collect();
        for stem in ["prompt_step", "prompt_eval", "grad_reduce", "masked_update"] {
            assert!(kernels.contains(stem), "{stem} is not in {kernels:?}");
        }
        // A kernel that the variant doesn't use isn't there.
        assert!(!kernels.contains("prompt_train"));
        assert!(all.iter().any(|(case, p)| p.kernel == "prompt_step" && case.starts_with("step:")));
        let refused = variant(Some("gpu-9")).unwrap_err();
        assert!(refused.exit_code() == 2 && refused.to_string().contains("gpu-fused"));
    }
}
