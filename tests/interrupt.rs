//! Ctrl-C and SIGTERM, sent to the program: heard while it evaluates and while it compiles, with a line that says so.
#![cfg(unix)]

mod common;

use common::*;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than the second that it takes, for machines with much else to do; far less than the work that is broken off.
const SOON: Duration = Duration::from_secs(20);

/// An evaluation of hours.
const ENDLESS: [&str; 2] = ["--set", "eval.seeds=100000000"];

/// Starts the program, its kernels compiled anew.
fn start(args: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.env("FLOE_CACHE_DIR", no_cache()).env("MESA_SHADER_CACHE_DISABLE", "true");
    command.args(args).env_remove("RUST_LOG").stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("floe starts")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Starts the program, sends it a signal once `when` holds, and returns what it said and how long it took to end.
fn interrupt(args: &[String], name: &str, mut when: impl FnMut(&str) -> bool) -> (Said, Duration) {
    let mut child = start(args);
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !when(&err) {
        assert!(reader.read_line(&mut err).unwrap() > 0, "over too soon: {err}");
    }
    let sent = Instant::now();
    signal(&child, name);
    reader.read_to_string(&mut err).unwrap();
    let status = child.wait().unwrap();
    (Said { code: status.code().unwrap_or(-1), out: String::new(), err }, sent.elapsed())
}

fn software() -> bool {
    floe::gpu::open("auto").unwrap_or_else(|e| panic!("{e}")).adapter().is_software()
}

fn args(line: &str, more: &[&str]) -> Vec<String> {
    line.split_whitespace().chain(more.iter().copied()).map(String::from).collect()
}

fn pause(ms: u64) -> bool {
    std::thread::sleep(Duration::from_millis(ms));
    true
}

#[test]
fn an_evaluation_is_broken_off_and_the_run_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let asked = |out: &Path, more: &[&str]| {
        let only =
            ["--set", "eval.seeds=40", "--set", "eval.prompts=1000000", "--out", out.to_str().unwrap()];
        [vec!["run".to_string()], tiny("paper"), args("", &only), args("", more)].concat()
    };
    // The last line of training is said just before the evaluation.
    let last = |line: &str| line.contains("zsfs-v ") && line.contains(" steps, ");
    let trained = |err: &str| err.lines().any(last) && pause(300);
    let (said, took) = interrupt(&asked(&cut, &[]), "INT", trained);
    said.refuses(130, &["interrupted at the ", "the checkpoint is saved, go on with `floe run "]);
    let error = said.error(130);
    assert!(error.contains("the evaluation") || error.contains("kernel `prompt_eval`"), "{error}");
    assert!(said.err.contains("interrupted; stopping "), "{}", said.err);
    assert!(took < SOON, "{took:?}");
    assert!(cut.join("checkpoints/zsfs-v.safetensors").exists() && !cut.join("eval.csv").exists());

    let small = ["--set", "eval.seeds=2", "--set", "eval.prompts=1000000"];
    let with = |out: &Path| asked(out, &small);
    succeed("", &with(&whole));
    let (said, _) = interrupt(&with(&dir.path().join("again")), "TERM", trained);
    // It may have been over before it heard.
    assert!(said.code == 130 || said.code == 0, "{}", said.err);
    succeed("", &[with(&dir.path().join("again")), vec!["--resume".into()]].concat());
    assert_same_run(&whole, &dir.path().join("again"));
}

#[test]
fn single_evaluations_end_soon_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (model, table) = (text(dir.path().join("m.safetensors")), text(dir.path().join("t.csv")));
    succeed("pretrain", &[tiny("paper"), out(&model).to_vec()].concat());
    for name in ["INT", "TERM"] {
        let args = args(&format!("eval {model} --out {table}"), &ENDLESS);
        let (said, took) = interrupt(&args, name, |err| err.contains('(') && pause(1500));
        said.refuses(130, &["interrupted at the "]);
        assert!(said.err.contains("interrupted; stopping "), "{}", said.err);
        assert!(took < SOON && !Path::new(&table).exists(), "{took:?}");
    }
}

/// Sizes that take seconds to compile.
#[test]
fn a_compilation_is_heard_and_said_and_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(dir.path().join("m.safetensors"));
    let line = format!("pretrain paper --set pretrain.steps=3 --set task.dim=12 --out {out}");
    let (said, took) = interrupt(&args(&line, &[]), "INT", |err| err.contains('(') && pause(400));
    said.refuses(130, &["interrupted at step 0 of 3 of pretrained", "--resume"]);
    if software() {
        let line = "interrupted; stopping after the kernel that is being compiled";
        assert!(said.err.contains(line), "{}", said.err);
    }
    assert!(took < SOON, "{took:?}");
    succeed(&format!("{line} --resume"), &[] as &[&str]);
    let other = text(dir.path().join("other.safetensors"));
    succeed(&line.replace(&out, &other), &[] as &[&str]);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&other).unwrap());
}

#[test]
fn commands_that_measure_and_compare_hear_too() {
    for line in ["check", "bench", "tune --dry-run"] {
        let (said, took) = interrupt(&args(line, &[]), "INT", |err| err.contains('(') && pause(1000));
        said.refuses(130, &["interrupted at the "]);
        assert!(said.err.contains("interrupted; stopping "), "{line}: {}", said.err);
        assert!(took < SOON, "{line}: {took:?}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut child = start(&args("check", &[]));
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains('(') {
        assert!(reader.read_line(&mut err).unwrap() > 0, "over too soon: {err}");
    }
    pause(1500);
    signal(&child, "INT");
    while !err.contains("once more to end at once") {
        assert!(reader.read_line(&mut err).unwrap() > 0, "{err}");
    }
    signal(&child, "INT");
    let sent = Instant::now();
    let status = child.wait().unwrap();
    assert!(status.code() == Some(130) && sent.elapsed() < SOON, "{status}");
}
