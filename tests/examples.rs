//! The programs of examples/, run as a reader would run them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo test` builds examples with the tests, beside the directory that this one stands in; with `--test examples` alone
/// it builds none.
fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test's path");
    let profile = own.parent().and_then(Path::parent).expect("target/<profile>/deps");
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// What an example prints.
fn run(name: &str) -> String {
    let path = built(name);
    let output = Command::new(&path).env("NODEVICE_SELECT", "1").output();
    let output = output.unwrap_or_else(|e| {
        panic!("{}: {e}; `cargo test` of everything builds it, and `cargo build --examples`", path.display())
    });
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The number behind some words.
fn number(text: &str, words: &str) -> f64 {
    let behind = text.split(words).nth(1).unwrap_or_else(|| panic!("`{words}` is not in: {text}"));
    let digits: String = behind.trim().chars().take_while(|c| matches!(c, '0'..='9' | '.' | '-')).collect();
    digits.parse().unwrap_or_else(|e| panic!("behind `{words}` in {text}: {e}"))
}

#[test]
fn a_method_gains_without_demonstrations_and_loses_little_with_them() {
    let said = run("train_method");
    let (before, gain) = (number(&said, "target:"), number(&said, "zero-shot gain:"));
    assert!(before > 0.9 && gain > 0.3, "{said}");
    // All of the error is about 1.1; ten demonstrations leave less of it, also after fine-tuning.
    assert!(number(&said, "loss on fresh tasks:").abs() < 0.2, "{said}");
}

#[test]
fn a_task_of_one_s_own_is_drawn_alike_trained_and_tested() {
    let said = run("own_task");
    assert_eq!(said.matches("drawn alike").count(), 3, "{said}");
    let at =
        |model: &str, task: &str, shots: usize| number(&said, &format!("{model} on {task}, {shots} shots:"));
    // y has variance 1.01. Ten demonstrations help what was pre-trained; fine-tuning gains on its target with none.
    assert!((at("pretrained", "fresh", 0) - 1.01).abs() < 0.15, "{said}");
    assert!(at("pretrained", "fresh", 10) < 0.6, "{said}");
    assert!(at("value", "target", 0) < 0.5 * at("pretrained", "target", 0), "{said}");
    // Least squares on ten demonstrations of three covariates is nearly right, and blind to them it is nothing.
    assert!(at("ridge", "fresh", 10) < 0.05, "{said}");
    assert!((at("pooled", "fresh", 10) - 1.01).abs() < 0.1, "{said}");
}

#[test]
fn a_checkpoint_is_read_back_by_name() {
    let said = run("read_checkpoint");
    for line in ["layers.0.attn.qk [2, 4, 4]", "layers.1.attn.v [2, 4, 4]", "same bits: true"] {
        assert!(said.lines().any(|own| own == line), "`{line}` is not in: {said}");
    }
    assert!(said.contains("fingerprint f") && number(&said, "4 shots:") > 0.0, "{said}");
}

#[test]
fn a_kernel_of_one_s_own_passes_and_a_wrong_reference_does_not() {
    let said = run("own_kernel");
    let outcomes: Vec<bool> = said.lines().map(|line| line.ends_with(": passes")).collect();
    assert_eq!(outcomes, [true, true, true, false], "{said}");
    assert!(said.ends_with("fails: `y` is off\n"), "{said}");
}

/// Code without the lines that documentation hides, and without the mark of a comment.
fn shown<'a>(text: &'a str, fence: &str, mark: &str) -> Vec<&'a str> {
    let block = text.split(fence).nth(1).and_then(|t| t.split("```").next()).expect("a block of code");
    let lines = block.lines().map(|line| line.strip_prefix(mark).unwrap_or(line).trim_end());
    lines.filter(|line| !line.is_empty() && *line != mark.trim() && !line.starts_with("# ")).collect()
}

#[test]
fn linear_attention_is_a_call() {
    let out = run("linear_attention");
    assert!(out.contains("off f64") && out.contains("gradients: |dq|"), "{out}");
}

#[test]
fn the_readme_has_the_example_that_the_documentation_runs() {
    let readme = shown(include_str!("../README.md"), "```rust\n", "");
    let documented = shown(include_str!("../src/lib.rs"), "//! ```\n", "//! ");
    assert!(readme.len() > 15);
    assert_eq!(readme, documented);
}

#[test]
fn the_package_holds_what_builds_and_tests_it_and_nothing_else() {
    let list = ["package", "--list", "--allow-dirty", "--offline"];
    let output =
        Command::new(env!("CARGO")).args(list).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap().replace('\\', "/");
    let files: BTreeSet<&str> = said.lines().collect();
    for file in ["README.md", "src/lib.rs", "src/presets/paper.toml", "shaders/prompt/common/source_own.wgsl"]
    {
        assert!(files.contains(file), "{file} is not in the package");
    }
    assert!(
        files.contains("tests/data/diamonds.csv.gz")
            && files.contains("tests/data/pride_and_prejudice.txt.gz")
            && files.contains("examples/own_task.rs")
    );
    for file in files {
        let outside = ["shared/", "runs/", "target/", ".ci/", ".git", "benches/peers/"];
        assert!(!outside.iter().any(|part| file.starts_with(part)), "{file} is in the package");
    }
}

#[test]
fn every_example_is_run_here() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let found: BTreeSet<String> = files.map(|f| f.file_stem().unwrap().to_str().unwrap().into()).collect();
    let own = include_str!("examples.rs");
    assert!(found.len() >= 4);
    for name in found {
        assert!(own.contains(&format!("run(\"{name}\")")), "{name} is run by no test");
    }
}
