//! A run that is killed or interrupted ends, resumed, with the bits of one that was not.

mod common;

use common::*;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// SGD with momentum, then Adam, then a schedule: all the state there is. Long enough to be hit half-way.
const EXPERIMENT: &str = r#"
[task]
dim = 2
[pretrain]
steps = 12000
batch = 64
shots = 3
[finetune]
steps = 8000
batch = 64
shots = 3
[eval]
prompts = 200
seeds = 1
shots = 3
[record]
every = 7
checkpoint_every = 250
[[methods]]
name = "adam"
loss = "zs"
train = ["*"]
[methods.optimizer]
rule = "adam"
lr = 0.001
[[methods]]
name = "value"
loss = "zs+fs"
train = ["*.v"]
schedule = "cosine"
"#;

fn experiment() -> String {
    experiment_file("resume-experiment", EXPERIMENT)
}

/// The run that nothing stopped.
fn uninterrupted() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let dir = shared("resume-uninterrupted");
        succeed("run", &[&[experiment()][..], &out(&dir)].concat());
        dir
    })
}

fn start(args: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.env("FLOE_CACHE_DIR", no_cache());
    command.args(args).env_remove("RUST_LOG").stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("floe starts")
}

fn run_args(run: &Path, resume: bool) -> Vec<String> {
    let mut args = vec!["run".to_string(), experiment()];
    args.extend(out(run));
    args.extend(resume.then(|| "--resume".to_string()));
    args
}

/// Waits for a file, which says that training has come so far.
fn wait_for(path: &Path, child: &mut Child) {
    let began = Instant::now();
    while !path.exists() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("over ({status}) before {} was there: {err}", path.display());
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn state(run: &Path, model: &str) -> PathBuf {
    run.join("checkpoints").join(format!("{model}.state.safetensors"))
}

/// Starts a run and kills it when `model` is under way.
fn kill_in(run: &Path, resume: bool, model: &str) {
    let mut child = start(&run_args(run, resume));
    wait_for(&state(run, model), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!run.join("eval.csv").exists(), "killed too late to test anything");
    assert!(!run.join("checkpoints").join(format!("{model}.safetensors")).exists(), "killed too late");
}

/// Starts a command, sends SIGINT once `file` is there, and returns what it said.
#[cfg(unix)]
fn interrupt(args: &[String], file: &Path) -> Said {
    let mut child = start(args);
    wait_for(file, &mut child);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::new(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn killed_twice_and_resumed_has_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    kill_in(&run, false, "pretrained");
    kill_in(&run, true, "adam");
    // What a process killed while it writes can leave: a line torn in the middle.
    let metrics = run.join("metrics.jsonl");
    std::fs::write(&metrics, read(&metrics) + "{\"phase\":\"finetune\",\"meth").unwrap();
    let said = said_of(&run_args(&run, true));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("pretrained: finished before"), "{}", said.err);
    assert!(said.err.contains("adam: going on at step "), "{}", said.err);
    assert_same_run(uninterrupted(), &run);
    let info: serde_json::Value = serde_json::from_str(&read(run.join("run.json"))).unwrap();
    for phase in info["phases"].as_array().unwrap() {
        assert!(phase["wall_s"].as_f64().unwrap() > 0.0, "the time of a phase survives: {phase}");
    }
}

#[cfg(unix)]
#[test]
fn interrupted_says_how_to_go_on_and_going_on_has_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let said = interrupt(&run_args(&run, false), &state(&run, "pretrained"));
    said.refuses(130, &["interrupted at step ", " of 12000 of pretrained", "the checkpoint is saved"]);
    assert!(!run.join("checkpoints/pretrained.safetensors").exists(), "interrupted too late");

    // Not by accident, and not as another experiment.
    succeeds_not(&run_args(&run, false), 2, &["holds a run already", "--resume", "--out"]);
    let mut other = run_args(&run, true);
    other.extend(["--set".into(), "pretrain.optimizer.lr=0.02".into()]);
    succeeds_not(&other, 2, &["config.toml", "pretrain.optimizer.lr is 0.01 there, 0.02 here", "--out"]);

    // A state that is torn or altered is told from a good one.
    let path = state(&run, "pretrained");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() - 20]).unwrap();
    succeeds_not(&run_args(&run, true), 1, &["pretrained.state.safetensors", "is truncated"]);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    succeeds_not(&run_args(&run, true), 1, &["pretrained.state.safetensors", "torn or was altered"]);
    std::fs::write(&path, good).unwrap();

    // The command that the message gave.
    let told = said.error(130).split('`').nth(1).expect("a command in the message").to_string();
    assert_eq!(told, format!("floe run {} --resume", run.display()));
    succeed(told.strip_prefix("floe ").unwrap(), &[] as &[String]);
    assert_same_run(uninterrupted(), &run);
}

#[cfg(unix)]
#[test]
fn single_steps_resume_too() {
    let dir = tempfile::tempdir().unwrap();
    let (model, kept) = (dir.path().join("p.safetensors"), dir.path().join("p.state.safetensors"));
    let args = |more: &[&str]| -> Vec<String> {
        let mut args = vec!["pretrain".to_string(), experiment()];
        args.extend(out(&model));
        args.extend(more.iter().map(|m| m.to_string()));
        args
    };
    let said = interrupt(&args(&[]), &kept);
    said.refuses(130, &["interrupted at step ", "--resume"]);
    assert!(!model.exists());
    let before = std::fs::read(&kept).unwrap();
    succeeds_not(&args(&["--resume", "--set", "seed=5"]), 2, &["p.state", "seed is 0 there, 5 here"]);
    // The state knows which variant it was trained with.
    for variant in ["cpu-lane", "gpu"] {
        let adapter = floe::gpu::open("auto").unwrap_or_else(|e| panic!("{e}")).adapter().clone();
        let began = floe::kernels::Tuning::of(&adapter).name;
        if variant != began {
            succeeds_not(&args(&["--resume", "--variant", variant]), 2, &[variant, &format!("`{began}`")]);
        }
    }
    let from = uninterrupted().join("checkpoints/pretrained.safetensors");
    let mut finetune = vec!["finetune".into(), "--from".into(), text(from), "--resume".into()];
    finetune.extend(["--method".to_string(), "value".into()]);
    finetune.extend(out(&model));
    succeeds_not(&finetune, 2, &["p.state", "phase `pretrain`, not `finetune`"]);
    assert!(std::fs::read(&kept).unwrap() == before, "what was refused is untouched");

    let said = said_of(&args(&["--resume"]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!kept.exists());
    let whole = uninterrupted().join("checkpoints/pretrained.safetensors");
    assert!(std::fs::read(&model).unwrap() == std::fs::read(whole).unwrap());
    succeeds_not(&args(&["--resume"]), 1, &["p.state.safetensors", "there is no such file"]);
}

fn said_of(args: &[String]) -> Said {
    said(floe().args(args))
}

fn succeeds_not(args: &[String], code: i32, parts: &[&str]) {
    said_of(args).refuses(code, parts);
}
