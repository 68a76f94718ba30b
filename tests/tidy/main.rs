//! The rules of the house, held over the source tree: who may use whom, sizes, kernels with all their parts.

mod rooms;

use floe::kernels::KERNELS;
use rooms::ROOMS;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files under a directory of the package with one of these extensions.
fn files(directory: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(directory)];
    while let Some(directory) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|e| e.unwrap().path()) {
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                todo.push(path);
            } else if extensions.contains(&extension.as_str()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every text of the package that people write.
fn texts() -> Vec<PathBuf> {
    let kinds = ["rs", "wgsl", "toml", "md", "py", "html", "css", "sh", "yml"];
    let mut all: Vec<PathBuf> = ["src", "shaders", "tests", "benches", "docs", "examples", ".ci", ".github"]
        .iter()
        .flat_map(|directory| files(directory, &[&kinds[..], &[""]].concat()))
        .collect();
    for entry in std::fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && kinds.iter().any(|kind| path.extension().is_some_and(|e| e == *kind)) {
            all.push(path);
        }
    }
    all
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string().replace('\\', "/")
}

/// Rust without its comments.
fn code(path: &Path) -> String {
    read(path).lines().map(|line| line.split("//").next().unwrap_or("").to_string() + "\n").collect()
}

/// The top-level module of a file under src/, and how deep its own module lies: `src/gpu/engine.rs` is (gpu, 2).
fn place(path: &Path) -> (String, usize) {
    let name = short(path);
    let parts: Vec<&str> = name.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    (parts[0].to_string(), parts.len())
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Top-level modules that a file names, by `crate::` or by enough `super::`.
fn uses(path: &Path, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    let (own, depth) = place(path);
    let text = code(path);
    let mut found = BTreeSet::new();
    let mut note = |name: &str| {
        let name = match name {
            "Error" | "Result" => "error",
            "Config" => "config",
            name => name,
        };
        if modules.contains(name) && name != own {
            found.insert(name.to_string());
        }
    };
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        assert!(!rest.starts_with('{'), "{}: write one module a `use`, this test reads them", short(path));
        note(word(rest));
    }
    for (at, _) in text.match_indices("super::") {
        let mut rest = &text[at..];
        let mut ups = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            (rest, ups) = (after, ups + 1);
        }
        if ups >= depth && !text[..at].ends_with("super::") {
            note(word(rest));
        }
    }
    found
}

#[test]
fn dependencies_point_down_only() {
    let rooms = || ROOMS.iter().enumerate().flat_map(|(row, room)| room.iter().map(move |m| (row, m)));
    let row: BTreeMap<&str, usize> = rooms().map(|(row, (name, _))| (*name, row)).collect();
    let modules: BTreeSet<&str> = row.keys().copied().collect();
    let declared: BTreeSet<String> = code(&root().join("src/lib.rs"))
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(String::from)
        .collect();
    let listed: BTreeSet<String> = modules.iter().map(|m| m.to_string()).collect();
    assert_eq!(declared, listed, "src/lib.rs and the table of this test name the same modules");

    for (at, (name, allowed)) in rooms() {
        for used in *allowed {
            assert!(row[used] <= at, "{name} may not use {used}, which lies above it");
        }
    }
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files("src", &["rs"]) {
        let (own, _) = place(&file);
        if own == "lib" || own == "main" {
            continue;
        }
        let allowed = rooms().find(|(_, m)| m.0 == own).map(|(_, m)| m.1).unwrap();
        let found = uses(&file, &modules);
        for name in &found {
            assert!(
                allowed.contains(&name.as_str()),
                "{} uses {name}, which {own} may not: it may use {allowed:?}",
                short(&file)
            );
        }
        used.entry(own).or_default().extend(found);
    }
    for (_, (name, allowed)) in rooms() {
        let allowed: BTreeSet<String> = allowed.iter().map(|a| a.to_string()).collect();
        assert_eq!(used[*name], allowed, "the table of this test lists what {name} uses, and no more");
    }
}

/// A way from a module back to itself, if there is one.
fn circle<'a>(uses: &BTreeMap<&'a str, &[&'a str]>) -> Option<Vec<&'a str>> {
    // What uses nothing that is left is in no circle; what stays when there is no such module leads into one.
    let mut left: BTreeMap<&str, Vec<&str>> =
        uses.iter().map(|(name, used)| (*name, used.to_vec())).collect();
    while let Some(free) =
        left.iter().find(|(_, used)| !used.iter().any(|u| left.contains_key(u))).map(|(n, _)| *n)
    {
        left.remove(free);
    }
    let mut way = vec![*left.keys().next()?];
    loop {
        let last = way[way.len() - 1];
        let next = *left[last].iter().find(|used| left.contains_key(*used))?;
        way.push(next);
        if let Some(start) = way[..way.len() - 1].iter().position(|name| *name == next) {
            return Some(way.split_off(start));
        }
    }
}

#[test]
fn no_circle_within_a_row() {
    let uses: BTreeMap<&str, &[&str]> = ROOMS.iter().flat_map(|row| row.iter().copied()).collect();
    assert_eq!(circle(&uses), None, "modules that need each other are one, or have a third below both");
    let small = |uses: &[(&'static str, &'static [&'static str])]| circle(&uses.iter().copied().collect());
    assert_eq!(small(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]), None);
    assert_eq!(small(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["b"])]), Some(vec!["b", "c", "b"]));
    assert_eq!(small(&[("a", &["a"])]), Some(vec!["a", "a"]));
}

#[test]
fn the_reader_of_uses_sees_them() {
    let modules = BTreeSet::from(["gpu", "error", "config", "cli"]);
    let dir = root().join("src/cli");
    assert_eq!(uses(&dir.join("source.rs"), &modules), ["config", "error", "gpu"].map(String::from).into());
    assert_eq!(place(&dir.join("source.rs")), ("cli".into(), 2));
}

#[test]
fn wgpu_is_named_in_one_room() {
    for file in files("src", &["rs"]) {
        let inside = short(&file).starts_with("src/gpu/") || short(&file) == "src/gpu.rs";
        assert!(inside || !code(&file).contains("wgpu"), "{} names wgpu; only src/gpu may", short(&file));
    }
}

/// What is around a training step: it serves every family, so it names none.
const AROUND: &[&str] = &["train", "store", "profile", "job/family", "job/machine", "job/run", "job/sweep"];

#[test]
fn what_is_around_a_step_knows_no_family() {
    let own = |file: &str| {
        AROUND.iter().any(|place| {
            let place = format!("src/{place}");
            file == format!("{place}.rs") || file.starts_with(&format!("{place}/"))
        })
    };
    let around: Vec<PathBuf> = files("src", &["rs"]).into_iter().filter(|file| own(&short(file))).collect();
    assert!(around.len() > AROUND.len(), "{around:?}");
    for file in around {
        let text = code(&file);
        for family in ["models::prompt", "kernels::prompt", "crate::prompt", "Experiment", "tasks::"] {
            assert!(!text.contains(family), "{} names {family}; only a family's own files may", short(&file));
        }
    }
}

/// The library's errors are for callers: flags are the command line's.
#[test]
fn only_the_command_line_names_its_flags() {
    for file in files("src", &["rs"]).into_iter().filter(|file| !short(file).starts_with("src/cli")) {
        for line in code(&file).lines() {
            let flag = line.match_indices("--").find(|(at, _)| {
                let behind = line[at + 2..].starts_with(|c: char| c.is_ascii_lowercase());
                behind && !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '-')
            });
            assert!(flag.is_none(), "{} names a flag: {}", short(&file), line.trim());
        }
    }
}

#[test]
fn the_program_is_thin() {
    let main = code(&root().join("src/main.rs"));
    assert!(main.lines().count() <= 20, "src/main.rs parses, runs and gives an exit code");
    let named: BTreeSet<&str> = main.match_indices("floe::").map(|(at, _)| word(&main[at + 6..])).collect();
    assert_eq!(named, BTreeSet::from(["cli"]));
}

#[test]
fn files_stay_small() {
    for (directory, kind, most) in [
        ("src", "rs", 400),
        ("tests", "rs", 400),
        ("benches", "rs", 400),
        ("examples", "rs", 150),
        ("shaders", "wgsl", 250),
    ] {
        for file in files(directory, &[kind]) {
            let lines = read(&file).lines().count();
            assert!(lines <= most, "{} has {lines} lines; at most {most}", short(&file));
        }
    }
}

#[test]
fn rooms_stay_small() {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for file in files("src", &["rs"]) {
        // A wing of kernels is a room, and a family of models; so are commands and pages of language models.
        let name = short(&file);
        let parts: Vec<&str> = name.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
        let room = match parts.as_slice() {
            [whole @ ("kernels" | "models"), part, ..] => format!("{whole}/{part}"),
            [whole @ ("cli" | "report" | "config"), "language", ..] => format!("{whole}/language"),
            parts => parts[0].to_string(),
        };
        *lines.entry(room).or_default() += read(&file).lines().count();
    }
    for (room, lines) in lines {
        assert!(lines <= 2500, "{room} has {lines} lines; at most 2500");
    }
}

/// Paths that `include_str!` names in the sources, from the package's root.
fn included() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files("src", &["rs"]) {
        let text = read(&file);
        for (at, start) in text.match_indices("include_str!(\"") {
            let path = text[at + start.len()..].split('"').next().unwrap();
            let full = file.parent().unwrap().join(path).canonicalize();
            let full = full.unwrap_or_else(|e| panic!("{} includes {path}: {e}", short(&file)));
            let package = root().canonicalize().unwrap();
            found.insert(full.strip_prefix(package).unwrap().display().to_string().replace('\\', "/"));
        }
    }
    found
}

#[test]
fn every_kernel_has_its_parts_and_every_shader_is_used() {
    let stems: BTreeSet<&str> = KERNELS.iter().map(|kernel| kernel.stem).collect();
    assert_eq!(stems.len(), KERNELS.len(), "a stem is listed once");
    for (wing, stem) in KERNELS.iter().map(|kernel| (kernel.wing, kernel.stem)) {
        for part in [format!("shaders/{wing}/{stem}.wgsl"), format!("src/kernels/{wing}/{stem}.rs")] {
            assert!(root().join(&part).is_file(), "kernel `{stem}` has no {part}");
        }
        let host = read(&root().join(format!("src/kernels/{wing}/{stem}.rs")));
        let shader = format!("shaders/{wing}/{stem}.wgsl");
        assert!(host.contains(&shader), "src/kernels/{wing}/{stem}.rs includes its shader");
    }
    let included = included();
    for file in files("shaders", &["wgsl"]) {
        let name = short(&file);
        assert!(included.contains(&name), "{name} is used by nothing");
        let stem = file.file_stem().unwrap().to_str().unwrap().split('.').next().unwrap().to_string();
        let common = name.contains("/common/");
        assert!(common || stems.contains(stem.as_str()), "{name} is no kernel of KERNELS");
        let first = read(&file).lines().next().unwrap_or_default().to_string();
        assert!(first.starts_with("//") && first.len() > 20, "{name} begins with what it computes");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    // In two parts, so that this file does not hold what it looks for.
    let marks = [
        ("todo", "!("),
        ("unimplemented", "!("),
        ("dbg", "!("),
        ("#[ig", "nore"),
        ("TO", "DO"),
        ("FIX", "ME"),
    ];
    for directory in ["src", "tests", "benches", "examples", "shaders"] {
        for file in files(directory, &["rs", "wgsl", "py"]) {
            let text = read(&file);
            for mark in marks.map(|(a, b)| a.to_string() + b) {
                assert!(!text.contains(&mark), "{} holds `{mark}`", short(&file));
            }
        }
    }
}

#[test]
fn no_path_of_one_machine_and_no_stray_space() {
    let machines =
        [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/wo", "rk/"), ("/tm", "p/"), ("C:\\", "Users")];
    let texts = texts();
    assert!(texts.len() > 80, "the tree is read: {}", texts.len());
    for file in texts {
        for (number, line) in read(&file).lines().enumerate() {
            let place = format!("{}:{}", short(&file), number + 1);
            for machine in machines.map(|(a, b)| a.to_string() + b) {
                assert!(!line.contains(&machine), "{place}: a path of one machine: {machine}");
            }
            assert!(!line.contains('\t'), "{place}: a tab");
            assert!(line.trim_end() == line, "{place}: space at the line's end");
        }
    }
}
