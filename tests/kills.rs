//! Runs and sweeps that are killed at any moment, or that two processes race for, end in the bytes of one that nothing
//! disturbed, with nothing else left behind and a user's own files untouched.
//!
//!     FLOE_KILLS=200 cargo test --release --test kills      # so many kills
//!     FLOE_KILLS_SEED=7 …                                   # other moments
#![cfg(unix)]

mod common;

use common::*;
use floe::random::rng::pcg4d;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const EXPERIMENT: &str = r#"
[task]
dim = 2
[pretrain]
steps = 2500
batch = 64
shots = 3
[finetune]
steps = 1500
batch = 64
shots = 3
[eval]
prompts = 20000
seeds = 2
shots = 3
[record]
every = 50
checkpoint_every = 200
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

/// What a user keeps there.
const NOTES: [&str; 4] = [".notes.tmp", "notes.txt", "checkpoints/.mine.tmp", "figures/notes.svg"];

/// Kills in a plain `cargo test`.
const DEFAULT: u64 = 6;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().expect(name))
}

/// Random numbers of a seed, in order.
struct Dice(u32, u32);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.1 += 1;
        pcg4d([self.1, 0, self.0, 0x6b11])[0] % n
    }

    /// A moment within a duration and a little more.
    fn within(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(f64::from(self.below(1 << 20)) * 1.05 / f64::from(1 << 20))
    }
}

/// `floe run` or `floe sweep` of the experiment.
struct Work {
    command: &'static str,
    file: PathBuf,
    more: &'static [&'static str],
    /// What nothing disturbed, and how long it took.
    whole: PathBuf,
    took: Duration,
}

impl Work {
    fn new(command: &'static str, dir: &Path, more: &'static [&'static str]) -> Work {
        let file = dir.join("experiment.toml");
        std::fs::write(&file, EXPERIMENT).unwrap();
        let mut work = Work { command, file, more, whole: dir.join(command), took: Duration::ZERO };
        // Once for the driver's cache of compiled programs, once for the clock.
        for whole in [dir.join(format!("{command}-warm")), work.whole.clone()] {
            let began = Instant::now();
            let output = work.start(&whole, false).wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            work.took = began.elapsed();
        }
        work
    }

    fn start(&self, dir: &Path, resume: bool) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.arg(self.command).arg(&self.file).args(self.more).arg("--out").arg(dir);
        command.args(resume.then_some("--resume"));
        command.env("FLOE_CACHE_DIR", no_cache()).env_remove("RUST_LOG");
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("floe starts")
    }

    /// Goes on to the end.
    fn finish(&self, dir: &Path) {
        let output = self.start(dir, true).wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Holds that a directory has what the undisturbed one has, the user's notes, and nothing else.
    fn assert_whole(&self, dir: &Path, story: &str) {
        for inside in ["", "checkpoints", "figures"] {
            let notes =
                NOTES.map(Path::new).into_iter().filter(|note| note.parent() == Some(Path::new(inside)));
            let mut expected = names(&self.whole.join(inside));
            expected.extend(notes.map(|note| text(note.file_name().unwrap())));
            expected.sort();
            assert_eq!(names(&dir.join(inside)), expected, "{story}: in `{inside}`");
        }
        NOTES.iter().for_each(|note| assert_eq!(read(dir.join(note)), *note, "{story}"));
        let checkpoints =
            names(&self.whole.join("checkpoints")).into_iter().map(|n| format!("checkpoints/{n}"));
        for file in checkpoints.chain(names(&self.whole)) {
            if !self.whole.join(&file).is_file() || file == "report.html" {
                continue;
            }
            let [found, expected] = [dir, &self.whole].map(|dir| std::fs::read(dir.join(&file)).unwrap());
            let same = match file.as_str() {
                "run.json" | "sweep.json" => timeless(&found) == timeless(&expected),
                // Batches of a sweep that are trained again are logged behind the others.
                "metrics.jsonl" => sorted(&found) == sorted(&expected),
                _ => found == expected,
            };
            assert!(same, "{story}: {file} differs in {}", dir.display());
        }
    }
}

/// JSON without what clocks said.
fn timeless(bytes: &[u8]) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !matches!(key.as_str(), "wall_s" | "ms_per_step"));
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(bytes).expect("JSON");
    strip(&mut value);
    value
}

fn sorted(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}

fn said(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// A place with the user's notes in it.
fn place(dir: &Path, name: &str) -> PathBuf {
    let place = dir.join(name);
    for note in NOTES {
        let path = place.join(note);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, note).unwrap();
    }
    place
}

/// Starts it, sends a signal at a moment of its duration, and says whether it was over before.
fn disturb(work: &Work, dir: &Path, resume: bool, dice: &mut Dice, story: &mut String) -> bool {
    let signal = ["KILL", "KILL", "INT", "TERM"][dice.below(4) as usize];
    let moment = dice.within(work.took);
    *story += &format!(", {signal} after {} ms", moment.as_millis());
    let child = work.start(dir, resume);
    std::thread::sleep(moment);
    // One that is over is not waited for yet, so that the number is still its own.
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success(), "{story}");
    let output = child.wait_with_output().unwrap();
    match output.status.code() {
        Some(0) => true,
        // By the signal itself, before it is caught or because it can't be; or told by floe.
        None => false,
        Some(130) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let last = text.lines().last().unwrap_or_default();
            let told = last.contains("--resume") || last.contains("before anything was done");
            assert!(last.starts_with("floe: interrupted") && told, "{story}: {text}");
            false
        }
        Some(_) => panic!("{story}: {}", said(&output)),
    }
}

/// Two at once, the second a moment later. Whoever comes second is refused by the name of the first, and the first ends
/// well.
fn race(work: &Work, dir: &Path, dice: &mut Dice, story: &mut String) {
    let later = if dice.below(3) == 0 { Duration::ZERO } else { dice.within(work.took) };
    *story += &format!(", a second after {} ms", later.as_millis());
    let first = work.start(dir, true);
    std::thread::sleep(later);
    let second = work.start(dir, true);
    let ids = [first.id(), second.id()];
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    let mut well = 0;
    for (output, other) in outputs.iter().zip([ids[1], ids[0]]) {
        if output.status.success() {
            well += 1;
            continue;
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("floe: ")).collect();
        let [error] = errors[..] else { panic!("{story}: one line of error: {text}") };
        assert_eq!(output.status.code(), Some(1), "{story}: {text}");
        // Of two that come in the same moment the first may not have put its name down yet.
        let named = error.contains(&format!("process {other}"));
        let nameless = later.is_zero() && error.contains("another process");
        assert!(named || nameless, "{story}: process {other} is not named in: {error}");
    }
    assert!(well > 0, "{story}: one ends well: {} {}", said(&outputs[0]), said(&outputs[1]));
    if later > work.took / 4 && well == 1 {
        assert!(outputs[0].status.success(), "{story}: who was there first ends well: {}", said(&outputs[0]));
    }
}

#[test]
fn whatever_is_killed_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let axes = &["--set", "sweep.seed=[0, 1]", "--set", "sweep.finetune.optimizer.lr=[0.01, 0.05]"];
    let works = [Work::new("run", dir.path(), &[]), Work::new("sweep", dir.path(), axes)];
    let mut dice = Dice(number("FLOE_KILLS_SEED").unwrap_or(0) as u32, 0);
    let (wanted, mut kills, mut races) = (number("FLOE_KILLS").unwrap_or(DEFAULT), 0, 0);
    for turn in 0.. {
        let work = &works[turn % 2];
        let place = place(dir.path(), &format!("{turn}"));
        let mut story = format!("{} {turn}", work.command);
        let mut over = false;
        for attempt in 0..1 + dice.below(3) {
            if !over {
                over = disturb(work, &place, attempt > 0, &mut dice, &mut story);
                kills += u64::from(!over);
            }
        }
        if turn % 3 == 1 {
            race(work, &place, &mut dice, &mut story);
            races += 1;
        } else {
            work.finish(&place);
        }
        work.assert_whole(&place, &story);
        std::fs::remove_dir_all(&place).unwrap();
        println!("{story}: the same bytes");
        if kills >= wanted && turn > 2 {
            break;
        }
    }
    println!("{kills} kills and {races} races; a run takes {:?}, a sweep {:?}", works[0].took, works[1].took);
}
