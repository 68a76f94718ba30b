//! What the suites that start the program share: a tiny experiment, and what the program said.
#![allow(dead_code)] // Every suite uses a part of it.

use assert_cmd::Command;
use floe::store::checkpoint::{self, Checkpoint};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Two covariates, twenty steps: compiles and runs in a second or two on a processor. The same sizes everywhere let the
/// driver's shader cache help.
pub const SMALL: &[&str] = &[
    "pretrain.steps=20",
    "pretrain.batch=64",
    "pretrain.shots=3",
    "finetune.steps=20",
    "finetune.batch=64",
    "finetune.shots=3",
    "eval.prompts=200",
    "eval.seeds=1",
    "eval.shots=3",
    "record.every=5",
    "record.checkpoint_every=8",
];

/// What a finished program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn floe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.env_remove("RUST_LOG").env("FLOE_CACHE_DIR", no_cache());
    command
}

/// A directory for `FLOE_CACHE_DIR` that is never made: no test depends on what its user has tuned.
pub fn no_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-cache")
}

/// A preset at tiny sizes: the arguments after `floe run` or `floe pretrain`.
pub fn tiny(preset: &str) -> Vec<String> {
    let mut args = vec![preset.to_string()];
    if preset != "tables" {
        args.extend(["--set".into(), "task.dim=2".into()]);
    }
    args.extend(SMALL.iter().flat_map(|set| ["--set".to_string(), set.to_string()]));
    args
}

/// Runs `floe` with the words of `line` and then `more`.
pub fn say<S: AsRef<str>>(line: &str, more: &[S]) -> Said {
    said(floe().args(line.split_whitespace()).args(more.iter().map(AsRef::as_ref)))
}

pub fn said(command: &mut Command) -> Said {
    let output = command.output().expect("floe starts");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs what must succeed.
pub fn succeed<S: AsRef<str>>(line: &str, more: &[S]) -> Said {
    let said = say(line, more);
    assert_eq!(said.code, 0, "floe {line}: {}", said.err);
    said
}

impl Said {
    /// The error, which is the last line and the only one: behind the lines that start a run nothing else is said.
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "exit code; {}", self.err);
        let last = self.err.lines().last().unwrap_or_default();
        let errors = self.err.lines().filter(|line| line.starts_with("floe: ") || line.contains("panicked"));
        assert_eq!(errors.collect::<Vec<_>>(), [last], "one line of error, the last: {}", self.err);
        last
    }

    /// Holds that it went well.
    pub fn error_free(&self) {
        assert_eq!(self.code, 0, "{}", self.err);
    }

    /// [`Said::error`] with every one of `parts` in it.
    pub fn refuses(&self, code: i32, parts: &[&str]) {
        let error = self.error(code);
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}

/// A path as an argument.
pub fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().expect("UTF-8").to_string()
}

/// `--out` and a path.
pub fn out(path: impl AsRef<Path>) -> [String; 2] {
    ["--out".into(), text(path)]
}

/// A directory for what several tests of a suite read; its contents are from this run of the suite.
pub fn shared(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// A finished model, without the moments that it could be trained on with.
pub fn model(run: &Path, name: &str) -> Checkpoint {
    let path = run.join("checkpoints").join(format!("{name}.safetensors"));
    let mut checkpoint = checkpoint::read(&path).expect("a checkpoint");
    checkpoint.tensors.remove(checkpoint::MOMENTS).expect("moments");
    checkpoint
}

pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// File names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Holds that two runs have the same bits: configuration, metrics, checkpoints, test errors, references.
pub fn assert_same_run(a: &Path, b: &Path) {
    let checkpoints = names(&a.join("checkpoints"));
    assert_eq!(checkpoints, names(&b.join("checkpoints")));
    let files = checkpoints.iter().map(|name| format!("checkpoints/{name}"));
    let top = ["config.toml", "metrics.jsonl", "eval.csv", "baselines.csv"].map(String::from);
    for file in files.chain(top) {
        let (x, y) = (std::fs::read(a.join(&file)).expect(&file), std::fs::read(b.join(&file)).expect(&file));
        assert!(x == y, "{file} differs between {} and {}", a.display(), b.display());
    }
}

/// A table of `tasks` tasks of `rows` rows with two features, y nearly linear in them.
pub fn table(tasks: usize, rows: usize) -> String {
    let mut text = "task,a,b,y\n".to_string();
    for task in 0..tasks {
        for row in 0..rows {
            let (a, b) = (((row * 7 + task * 3) % 11) as f64, ((row * 5 + task) % 13) as f64 / 2.0);
            let y = (task as f64 / 3.0).sin() * a + b + ((row * row) % 5) as f64 / 10.0;
            text += &format!("t{task},{a},{b},{y}\n");
        }
    }
    text
}

/// The path of a file with an experiment, which suites of the process share: written whole once.
pub fn experiment_file(name: &str, toml: &str) -> String {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    if std::fs::read_to_string(&path).ok().as_deref() != Some(toml) {
        std::fs::write(&path, toml).unwrap();
    }
    text(path)
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in names(from) {
        let path = from.join(&name);
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(path, to.join(name)).unwrap()),
        }
    }
}
