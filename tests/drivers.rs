//! What the environment says of drivers: lists of them that are wrong, layers that talk, subgroups of other sizes.

#![cfg(target_os = "linux")]

mod common;

use common::*;
use std::path::{Path, PathBuf};

/// The manifest of Mesa's software driver. A test without it fails.
fn manifest() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_DIRS").filter(|v| !v.is_empty());
    let data = data.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    let places = std::env::split_paths(&data).chain([Path::new("/etc").to_path_buf()]);
    let files = places.flat_map(|p| std::fs::read_dir(p.join("vulkan/icd.d")).into_iter().flatten());
    let mut found = files.filter_map(|e| Some(e.ok()?.path())).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let native = name == "lvp_icd.json" || name.contains(std::env::consts::ARCH);
        name.starts_with("lvp_icd") && name.ends_with(".json") && native
    });
    found.next().unwrap_or_else(|| {
        panic!("there is no lvp_icd.*.json in {data:?}/vulkan/icd.d: install Mesa's software driver (Debian, Fedora: \
                mesa-vulkan-drivers, Arch: vulkan-swrast)")
    })
}

/// A command that hears of no driver but those of the list, by the name that `of` has for it.
fn listed(of: &str, list: &str) -> assert_cmd::Command {
    let mut command = floe();
    for name in
        ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE"]
    {
        command.env_remove(name);
    }
    command.env(of, list);
    command
}

#[test]
fn a_wrong_list_of_drivers_is_named_before_what_to_install() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| {
        std::fs::write(dir.path().join(name), contents).unwrap();
        text(dir.path().join(name))
    };
    let gone = text(dir.path().join("gone.json"));
    let empty = text(dir.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    let icd = |library: &str| {
        format!(
            r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.0"}}}}"#
        )
    };
    let mut lists = vec![
        (empty.clone(), "a directory without a driver's .json file".to_string()),
        (gone.clone(), format!("{gone}, which is not there")),
        (format!("{gone}:{gone}2"), format!("{gone}, which is not there")),
    ];
    for (name, contents, part) in [
        ("ini.json", "[ICD]\nlibrary_path=libvulkan_lvp.so", "which is not JSON"),
        ("layer.json", r#"{"layer": {"name": "VK_LAYER_x"}}"#, "it has no ICD.library_path"),
        ("lost.json", &icd("libvulkan_lost.so"), "libvulkan_lost.so can't be loaded"),
        ("away.json", &icd("/nowhere/libvulkan_lvp.so"), "/nowhere/libvulkan_lvp.so is not there"),
        ("near.json", &icd("./libvulkan_lvp.so"), "libvulkan_lvp.so is not there"),
    ] {
        lists.push((file(name, contents), part.into()));
    }
    for (list, part) in &lists {
        for of in ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"] {
            let said = said(listed(of, list).arg("devices"));
            said.refuses(1, &["no Vulkan", of, part, "mend or unset it", "apt install mesa-vulkan-drivers"]);
            let error = said.error(1);
            assert!(error.find(part) < error.find("nstall a driver"), "first what is wrong: {error}");
        }
    }
    // Control characters of a path reach no terminal.
    let hostile = said(listed("VK_DRIVER_FILES", "\u{1b}[2Jgone.json").arg("devices"));
    assert!(
        hostile.err.contains("\\u{1b}[2Jgone.json") && !hostile.err.contains('\u{1b}'),
        "{}",
        hostile.err
    );
    // The loader hears the newer name alone where both are set; an empty list is none to some, and no driver to others.
    let mut both = listed("VK_DRIVER_FILES", &gone);
    said(both.env("VK_ICD_FILENAMES", manifest()).arg("devices")).refuses(1, &["VK_DRIVER_FILES names"]);
    let empty = said(listed("VK_DRIVER_FILES", "").arg("devices"));
    assert!(empty.code == 0 || empty.error(1).contains("VK_DRIVER_FILES is set, and empty"), "{}", empty.err);
}

#[test]
fn one_wrong_driver_beside_one_that_works_is_a_warning() {
    for list in ["/gone.json:{}", "{}:/gone.json"] {
        let said = said(listed("VK_DRIVER_FILES", &list.replace("{}", &text(manifest()))).arg("devices"));
        assert_eq!(said.code, 0, "{}", said.err);
        let warned: Vec<&str> = said.err.lines().filter(|l| l.starts_with("warn: ")).collect();
        assert!(
            matches!(warned[..], [w] if w.contains("VK_DRIVER_FILES names /gone.json, which is not there"))
        );
    }
    let said = said(listed("VK_DRIVER_FILES", &text(manifest())).arg("devices"));
    assert!(said.code == 0 && !said.err.contains("warn"), "{}", said.err);
}

#[test]
fn without_a_desktop_nothing_is_said_of_it() {
    let said = said(floe().args(["devices"]).env_remove("XDG_RUNTIME_DIR").env_remove("NODEVICE_SELECT"));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.starts_with("#  name"));
}

/// Small cases of the kernels that sum over a subgroup, and of what becomes of their sums, on a processor's vectors of
/// `bits`: with the variant that is for them, and with another.
fn checked(bits: u32, own: &str, other: &str) {
    let listed = || {
        let mut command = listed("VK_DRIVER_FILES", &text(manifest()));
        command.env("VK_ICD_FILENAMES", manifest()).env("LP_NATIVE_VECTOR_WIDTH", bits.to_string());
        command
    };
    let sums = "prompt_step: d = 1,prompt_step: tables,masked_update,grad_reduce";
    for variant in [own, other] {
        // Resident steps are a subgroup's: only a variant that knows its size has cases of them.
        let only = if variant == own { &format!("{sums},prompt_train: d = 1") } else { sums };
        let said = said(listed().args(["check", "--only", only, "--variant", variant]));
        assert_eq!(said.code, 0, "{bits} bits, `{variant}`: {}{}", said.out, said.err);
        assert!(
            said.err.contains(&format!("{bits} bits")),
            "the driver has vectors of {bits} bits: {}",
            said.err
        );
        let rows = |kernel: &str| {
            let of = |line: &&str| line.starts_with("ok") && line.split_whitespace().nth(1) == Some(kernel);
            said.out.lines().filter(of).count()
        };
        assert!(rows("prompt_step") > 3 && rows("masked_update") > 3 && rows("qk") == 0, "{}", said.out);
        assert_eq!(rows("prompt_train") > 0, variant == own, "{}", said.out);
    }
    // The first of the variants that fit is the one that is taken.
    let refused = said(listed().args(["check", "--variant", "no-such"]));
    refused.refuses(2, &[&format!("none of this adapter's: {own}, cpu-lane, ")]);
}

#[test]
fn check_takes_parts_of_names() {
    say("check --only qk,warp", &[""; 0]).refuses(2, &["--only `warp`", "prompt_step"]);
    say("check --variant cpu-lane --only prompt_train", &[""; 0]).refuses(2, &["`cpu-lane`", "no case"]);
    let said = succeed("check --only", &["qk: forward"]);
    let rows: Vec<&str> = said.out.lines().filter(|line| line.starts_with("ok")).collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row.contains("qk") && row.contains("forward")),
        "{}",
        said.out
    );
}

#[test]
fn subgroups_of_4() {
    checked(128, "cpu-4", "gpu");
}

#[test]
fn subgroups_of_8() {
    checked(256, "cpu", "cpu-lane");
}

#[test]
fn subgroups_of_16() {
    checked(512, "cpu-16", "gpu-fused");
}
