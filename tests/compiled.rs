//! `floe bench --compiled`: what drivers' compilers make of the kernels, on cards that needn't be there.

mod common;

use common::*;

#[cfg(target_os = "linux")]
mod radeon {
    use super::common::*;
    use floe::bench::compiled::{Report, Row};
    use floe::kernels::VARIANTS;
    use std::collections::HashMap;
    use std::path::{Path, PathBuf};

    /// The manifest of Mesa's AMD driver, which comes with its software driver. A test without it fails.
    fn manifest() -> PathBuf {
        let data = std::env::var_os("XDG_DATA_DIRS").filter(|v| !v.is_empty());
        let data = data.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
        let places = std::env::split_paths(&data).chain([Path::new("/etc").to_path_buf()]);
        let files = places.flat_map(|p| std::fs::read_dir(p.join("vulkan/icd.d")).into_iter().flatten());
        let mut found = files.filter_map(|e| Some(e.ok()?.path())).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let native = name == "radeon_icd.json" || name.contains(std::env::consts::ARCH);
            name.starts_with("radeon_icd") && name.ends_with(".json") && native
        });
        found.next().unwrap_or_else(|| {
            panic!("there is no radeon_icd.*.json in {data:?}/vulkan/icd.d: install Mesa's AMD driver (Debian: mesa-vulkan-drivers, \
                    Fedora: mesa-vulkan-drivers, Arch: vulkan-radeon)")
        })
    }

    fn floe_for(chip: &str) -> assert_cmd::Command {
        let mut command = floe();
        command.env("RADV_FORCE_FAMILY", chip).env("VK_DRIVER_FILES", manifest());
        // By the name that loaders from before 2022 know.
        command.env("VK_ICD_FILENAMES", manifest());
        command
    }

    /// No `gpu` variant spills a register at the paper's sizes, and there are subgroups to hide memory behind.
    fn nothing_spills(chip: &str) {
        for variant in VARIANTS.iter().filter(|v| v.name.starts_with("gpu") && !v.half) {
            let said =
                said(floe_for(chip).args(["bench", "--compiled", "--json", "-", "--variant", variant.name]));
            assert_eq!(said.code, 0, "{}", said.err);
            let report: Report = serde_json::from_str(&said.out).unwrap();
            assert!(
                report.adapter.to_lowercase().contains(chip) && report.variant == variant.name,
                "{report:?}"
            );
            for stem in ["prompt_step", "prompt_eval", "masked_update", "prompt_sample"] {
                assert!(report.compiled.iter().any(|row| row.kernel == stem), "{stem} of {}", variant.name);
            }
            for row in &report.compiled {
                let name = format!("{chip}, {}, {}: {}", variant.name, row.kernel, row.case);
                assert_eq!(
                    (row.spilled, row.scratch),
                    (Some(0.0), Some(0.0)),
                    "{name}: {:?}",
                    row.statistics
                );
                let told = |f: fn(&Row) -> Option<f64>| f(row).unwrap_or_else(|| panic!("{name}: {row:?}"));
                assert!(told(|r| r.registers) > 0.0 && told(|r| r.instructions) > 0.0, "{name}");
                assert!(told(|r| r.waves) >= 4.0, "{name}: {} subgroups a SIMD", told(|r| r.waves));
            }
        }
    }

    #[test]
    fn nothing_spills_on_rdna2() {
        nothing_spills("navi21");
    }

    #[test]
    fn nothing_spills_on_rdna3() {
        nothing_spills("gfx1100");
    }

    /// Of a program's assembly the smallest loop that multiplies and adds: its vector instructions, and those that do.
    fn inner_loop(assembly: &str) -> Option<[usize; 2]> {
        let (mut labels, mut code) = (HashMap::new(), Vec::new());
        for line in assembly.lines().map(str::trim) {
            match line.strip_suffix(':') {
                Some(label) if label.starts_with("BB") => {
                    labels.insert(label, code.len());
                }
                _ => code.push(line),
            }
        }
        let back = code
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("s_cbranch") || line.starts_with("s_branch"));
        let loops = back.filter_map(|(end, line)| {
            let start = *labels.get(line.split_whitespace().nth(1)?)?;
            (start <= end).then(|| &code[start..=end])
        });
        let count = |code: &[&str]| {
            let vector = code.iter().filter(|line| line.starts_with("v_"));
            [
                vector.clone().count(),
                vector.filter(|line| line.contains("fma") || line.contains("fmac")).count(),
            ]
        };
        loops.map(count).filter(|[_, adds]| *adds > 0).min_by_key(|[all, _]| *all)
    }

    /// At least 70 % of the vector instructions of the product's inner loop are multiply-adds.
    #[test]
    fn products_multiply_and_add() {
        for chip in ["navi21", "gfx1100"] {
            let mut command = floe_for(chip);
            // Mesa writes what it compiles to standard error, and nothing of what it has kept.
            command.env("RADV_DEBUG", "shaders").env("MESA_SHADER_CACHE_DISABLE", "true");
            let said = said(command.args([
                "bench",
                "--compiled",
                "--only",
                "matmul,chunk_product",
                "--variant",
                "gpu",
            ]));
            assert_eq!(said.code, 0, "{}", said.err);
            let loops: Vec<[usize; 2]> = said.err.split("disasm:").skip(1).filter_map(inner_loop).collect();
            assert!(loops.len() >= 9, "{chip}: {loops:?}");
            // Loops of a few are no products': a state's, a row's of the inverse.
            let products: Vec<[usize; 2]> = loops.into_iter().filter(|[_, adds]| *adds >= 16).collect();
            assert!(products.len() >= 20, "{chip}: {products:?}");
            for [all, adds] in products {
                assert!(10 * adds >= 7 * all, "{chip}: {adds} of {all} are multiply-adds");
            }
        }
    }

    #[test]
    fn a_table_and_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let (json, csv) = (dir.path().join("a.json"), dir.path().join("a.csv"));
        let mut command = floe_for("gfx1100");
        command.args([
            "bench",
            "--compiled",
            "--only",
            "masked_update,prompt_step: zs",
            "--variant",
            "gpu-fused",
        ]);
        let said = said(command.arg("--json").arg(&json).arg("--csv").arg(&csv));
        assert_eq!(said.code, 0, "{}", said.err);
        let head = said.out.lines().next().unwrap();
        for column in ["kernel", "registers", "spilled", "waves", "instructions", "inverse", "case"] {
            assert!(head.split_whitespace().any(|c| c == column), "{column}: {head}");
        }
        assert!(
            said.out.contains("compiled for ") && said.out.contains("variant `gpu-fused`"),
            "{}",
            said.out
        );
        let report: Report = serde_json::from_str(&read(&json)).unwrap();
        assert!(report.compiled.iter().any(|row| row.kernel == "masked_update" && row.lds > Some(0.0)));
        assert!(report.compiled.iter().all(|row| row.kernel != "roof" && row.statistics.len() > 5));
        let mut lines = csv::Reader::from_path(&csv).unwrap();
        assert_eq!(
            lines.records().map(|r| r.unwrap().len()).collect::<Vec<_>>(),
            vec![14; report.compiled.len()]
        );
        // It takes a device as other commands do, of what Vulkan has.
        for (device, code) in [("0", 0), ("gfx1100", 0), ("7", 2), ("voodoo", 2)] {
            let said = super::said(floe_for("gfx1100").args([
                "bench",
                "--compiled",
                "--only",
                "qk",
                "--device",
                device,
            ]));
            assert_eq!(said.code, code, "--device {device}: {}", said.err);
        }
    }
}

#[test]
fn who_does_not_tell_says_so() {
    say("bench --compiled --variant gpu-9", &[""; 0]).refuses(2, &["`gpu-9`", "gpu-fused"]);
    let mut command = floe();
    command
        .args(["bench", "--compiled"])
        .env("VK_DRIVER_FILES", "gone.json")
        .env("VK_ICD_FILENAMES", "gone.json");
    let metal = cfg!(target_vendor = "apple");
    said(&mut command)
        .refuses(1, &[if metal { "Metal doesn't tell" } else { "gone.json, which is not there" }]);
}
