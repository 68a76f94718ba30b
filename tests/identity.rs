//! A result says what it was made from, and whoever reads it back compares.

mod common;

use common::*;
use floe::store::checkpoint;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const EXPERIMENT: &str = r#"
[task]
dim = 2
[pretrain]
steps = 20
batch = 64
shots = 3
[finetune]
steps = 10
batch = 64
shots = 3
[eval]
prompts = 200
seeds = 1
shots = 3
[record]
every = 5
checkpoint_every = 8
[[methods]]
name = "zs-v"
loss = "zs"
train = ["*.v"]
"#;

fn experiment() -> String {
    experiment_file("identity-experiment", EXPERIMENT)
}

fn args(dir: &Path, sets: &[&str], more: &[&str]) -> Vec<String> {
    let sets = sets.iter().flat_map(|set| ["--set".to_string(), set.to_string()]);
    let more = more.iter().map(|word| word.to_string());
    [vec![experiment()], out(dir).to_vec(), sets.collect(), more.collect()].concat()
}

/// A finished run for a test to spoil.
fn finished(dir: &Path) -> PathBuf {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let dir = shared("identity-finished");
        succeed("run", &args(&dir, &[], &[]));
        dir
    });
    copy(run, &dir.join("run"));
    dir.join("run")
}

fn edit(path: impl AsRef<Path>, from: &str, to: &str) {
    let old = read(&path);
    assert!(old.contains(from), "`{from}` is not in {}", path.as_ref().display());
    std::fs::write(&path, old.replacen(from, to, 1)).unwrap();
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&read(path)).expect("JSON")
}

#[test]
fn an_edited_configuration_is_no_other_experiment_s_result() {
    for (from, to, says) in [
        ("seed = 0", "seed = 5", "seed is 0 there, 5 here"),
        ("[finetune]\nsteps = 10", "[finetune]\nsteps = 20", "finetune.steps is 10 there, 20 here"),
        ("prompts = 200", "prompts = 300", "eval.prompts is 200 there, 300 here"),
        ("\"*.v\"", "\"*.qk\"", "methods.zs-v.train is [\"*.v\"] there, [\"*.qk\"] here"),
        ("\"zs-v\"", "\"v\"", "methods.v.loss is not set there, \"zs\" here (and "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let run = finished(dir.path());
        edit(run.join("config.toml"), from, to);
        say("run --resume", &[text(&run)]).refuses(2, &["run.json: is of another experiment: ", says]);
        say("report", &[text(&run)]).refuses(2, &["config.toml: was altered after the run: ", says]);
    }
    // What leaves no trace is no difference.
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    edit(run.join("config.toml"), "checkpoint_every = 8", "checkpoint_every = 5");
    succeed("run --resume", &[text(&run)]);
}

#[test]
fn a_directory_with_any_file_of_a_run_is_gone_on_with_on_purpose_only() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    std::fs::remove_file(run.join("config.toml")).unwrap();
    let held = |file: &str| {
        let said = say("run", &args(&run, &["seed=5"], &[]));
        said.refuses(2, &["holds a run already", file, "--resume"]);
        assert!(!run.join("config.toml").exists(), "what was refused is untouched");
    };
    held("(run.json)");
    let other = say("run", &args(&run, &["seed=5"], &["--resume"]));
    other.refuses(2, &["run.json: is of another experiment: seed is 0 there, 5 here"]);
    let metrics = read(run.join("metrics.jsonl"));
    for name in names(&run).into_iter().filter(|name| run.join(name).is_file()) {
        std::fs::remove_file(run.join(name)).unwrap();
    }
    held("(checkpoints/");
    let other = say("run", &args(&run, &["seed=5"], &["--resume"]));
    other.refuses(2, &["safetensors: is of another experiment: seed is 0 there, 5 here"]);
    assert!(!run.join("config.toml").exists() && !run.join("run.json").exists());
    // The same experiment is gone on with.
    std::fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    let said = succeed("run", &args(&run, &[], &["--resume"]));
    assert!(said.err.contains("zs-v: finished before"), "{}", said.err);
    for single in ["metrics.jsonl", "eval.csv", "sweep.json"] {
        let alone = dir.path().join("alone");
        std::fs::create_dir_all(&alone).unwrap();
        std::fs::write(alone.join(single), "").unwrap();
        say("run", &args(&alone, &[], &[])).refuses(2, &["holds a run already", single]);
        std::fs::remove_dir_all(&alone).unwrap();
    }
}

#[test]
fn files_of_another_run_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (run, other) = (finished(dir.path()), dir.path().join("other"));
    succeed("run", &args(&other, &["seed=5"], &[]));
    let swap = |file: &str| std::fs::copy(other.join(file), run.join(file)).unwrap();
    let back = || drop(finished(dir.path()));
    swap("checkpoints/zs-v.safetensors");
    say("run --resume", &[text(&run)]).refuses(2, &["zs-v.safetensors", "seed is 5 there, 0 here"]);
    say("report", &[text(&run)]).refuses(2, &["zs-v.safetensors", "seed is 5 there, 0 here"]);
    back();
    for file in ["eval.csv", "baselines.csv"] {
        swap(file);
        say("report", &[text(&run)]).refuses(1, &[file, "is of another experiment: its fingerprint is `f"]);
        back();
    }
    // The same experiment, but tuned from other weights, or another model of it.
    let path = run.join("checkpoints/zs-v.safetensors");
    let whole = checkpoint::read(&path).unwrap();
    let mut changed = whole.clone();
    changed.metadata.insert("start".into(), "0123456789abcdef".into());
    checkpoint::write(&path, &changed).unwrap();
    say("run --resume", &[text(&run)])
        .refuses(2, &["zs-v", "starts from weights of sha256 0123456789abcdef… there"]);
    changed.metadata.remove("start");
    changed.metadata.insert("method".into(), "pretrained".into());
    checkpoint::write(&path, &changed).unwrap();
    say("run --resume", &[text(&run)]).refuses(1, &["holds the model `pretrained`, not `zs-v`"]);
}

#[test]
fn directories_from_before_fingerprints_open() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    let mut info = json(run.join("run.json"));
    for key in ["config", "data", "fingerprint"] {
        info.as_object_mut().unwrap().remove(key).expect(key);
    }
    std::fs::write(run.join("run.json"), info.to_string()).unwrap();
    for file in ["eval.csv", "baselines.csv"] {
        let old: String =
            read(run.join(file)).lines().map(|l| l.rsplit_once(',').unwrap().0.to_string() + "\n").collect();
        std::fs::write(run.join(file), old).unwrap();
    }
    for model in ["pretrained", "zs-v"] {
        let path = run.join(format!("checkpoints/{model}.safetensors"));
        let mut old = checkpoint::read(&path).unwrap();
        old.metadata.retain(|key, _| !["data", "fingerprint", "start"].contains(&key.as_str()));
        old.tensors.remove(checkpoint::MOMENTS);
        checkpoint::write(&path, &old).unwrap();
    }
    succeed("report", &[text(&run)]);
    let said = succeed("run --resume", &[text(&run)]);
    assert!(said.err.contains("zs-v: finished before"), "{}", said.err);
    say("run --resume --set seed=4", &[text(&run)]).refuses(2, &["seed is 0 there, 4 here"]);
}

#[test]
fn changed_data_are_named_with_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run, tuned) =
        (dir.path().join("mine.csv"), dir.path().join("run"), dir.path().join("t.safetensors"));
    std::fs::write(&data, table(8, 12)).unwrap();
    let path = format!("task.path={}", data.display());
    let sets = ["--set", &path, "--set", "task.log1p=[]", "--set", "methods=[]"].map(String::from);
    let arguments = [&tiny("tables")[..], &sets, &out(&run)].concat();
    succeed("run", &arguments);
    let noted = &json(run.join("run.json"))["data"][0];
    assert_eq!(noted["columns"], serde_json::json!(["a", "b", "y"]));
    assert_eq!(
        (noted["files"][0]["name"].as_str(), noted["files"][0]["bytes"].as_u64()),
        (Some("mine.csv"), Some(read(&data).len() as u64))
    );
    assert_eq!(noted["files"][0]["sha256"].as_str().unwrap().len(), 64);
    let model = text(run.join("checkpoints/pretrained.safetensors"));
    succeed("eval --set eval.shots=2", &[&model]);

    std::fs::write(&data, table(8, 12).replacen("t0,0,0,", "t0,1,0,", 1)).unwrap();
    let says = ["the data were mine.csv of ", "columns a, b, y", " there, and are mine.csv of ", " here"];
    let resumed = say("run --resume", &[text(&run)]);
    resumed.refuses(2, &[&["run.json: is of another experiment: "], &says[..]].concat());
    let refused = [&["pretrained.safetensors: was made from other data: ", "--set task"], &says[..]].concat();
    say("eval", &[&model]).refuses(2, &refused);
    say("eval --set eval.shots=2", &[&model]).refuses(2, &refused);
    let tune = [&["--from".to_string(), model.clone()][..], &out(&tuned)].concat();
    say("finetune --train *.v", &tune).refuses(2, &refused);
    say("pretrain", &tune).refuses(2, &refused);
    assert!(!tuned.exists());
    // Other data on purpose.
    let said = succeed(&format!("eval --set {path}"), &[&model]);
    assert!(said.err.contains("other data, as asked for"), "{}", said.err);
    // Columns may change where the bytes do not.
    std::fs::write(&data, table(8, 12)).unwrap();
    succeed("run --resume", &[text(&run)]);
    let file = dir.path().join("elsewhere.csv");
    std::fs::rename(&data, &file).unwrap();
    succeed(&format!("run --resume --set task.path={}", file.display()), &[text(&run)]);
}

#[test]
fn a_covariance_is_data_too() {
    let dir = tempfile::tempdir().unwrap();
    let (sigma, run) = (dir.path().join("sigma.csv"), dir.path().join("run"));
    std::fs::write(&sigma, "1,0.5\n0.5,1\n").unwrap();
    let set = format!("task.covariance.file={}", sigma.display());
    succeed("run", &args(&run, &[&set], &[]));
    std::fs::write(&sigma, "1,0.4\n0.4,1\n").unwrap();
    say("run --resume", &[text(&run)])
        .refuses(2, &["the data were sigma.csv of 12 bytes, sha256 ", "there, and are sigma.csv"]);
    let model = text(run.join("checkpoints/zs-v.safetensors"));
    say("eval", &[&model]).refuses(2, &["was made from other data: the data were sigma.csv"]);
}

#[test]
fn a_sweep_s_directory_is_held_likewise() {
    let dir = tempfile::tempdir().unwrap();
    let (sweep, one) = (dir.path().join("sweep"), dir.path().join("one"));
    let axis = ["sweep.seed=[0, 1]"];
    succeed("sweep", &args(&sweep, &axis, &[]));
    succeed("sweep", &args(&one, &["sweep.seed=[1, 2]"], &[]));
    let toml = read(sweep.join("sweep.toml"));
    edit(sweep.join("sweep.toml"), "steps = 20", "steps = 25");
    say("sweep --resume", &[text(&sweep)])
        .refuses(2, &["sweep.json: is of another experiment: pretrain.steps is 20 there, 25 here"]);
    say("report", &[text(&sweep)])
        .refuses(2, &["sweep.toml: was altered", "pretrain.steps is 20 there, 25 here"]);
    std::fs::write(sweep.join("sweep.toml"), toml.replace("seed = [0, 1]", "seed = [0, 2]")).unwrap();
    say("sweep --resume", &[text(&sweep)]).refuses(2, &["sweep.seed is [0, 1] there, [0, 2] here"]);
    std::fs::remove_file(sweep.join("sweep.toml")).unwrap();
    say("sweep", &args(&sweep, &axis, &[])).refuses(2, &["holds a sweep already", "sweep.json"]);
    say("sweep", &args(&sweep, &["sweep.seed=[0, 1]", "finetune.steps=12"], &["--resume"]))
        .refuses(2, &["finetune.steps is 10 there, 12 here"]);
    std::fs::write(sweep.join("sweep.toml"), toml).unwrap();
    std::fs::copy(one.join("summary.csv"), sweep.join("summary.csv")).unwrap();
    say("report", &[text(&sweep)]).refuses(1, &["summary.csv", "its fingerprint is `f"]);
    let file = |seed: u32| format!("checkpoints/zs-v,seed={seed}.safetensors");
    std::fs::copy(sweep.join(file(0)), sweep.join(file(1))).unwrap();
    say("sweep --resume", &[text(&sweep)])
        .refuses(2, &["zs-v,seed=1.safetensors", "seed is 0 there, 1 here"]);
}

#[test]
fn checkpoints_of_several_experiments_are_each_tested_on_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    succeed("sweep", &args(&sweep, &["sweep.seed=[0, 1]"], &[]));
    let file = |seed: u32| text(sweep.join(format!("checkpoints/zs-v,seed={seed}.safetensors")));
    let other = dir.path().join("zs-v,seed=0.safetensors");
    std::fs::copy(file(1), &other).unwrap();
    let other = text(other);
    let rows = |files: &[&String]| -> Vec<Vec<String>> {
        let said = succeed("eval", files);
        let mut reader = csv::Reader::from_reader(said.out.as_bytes());
        reader
            .records()
            .map(|r| r.expect("a row as wide as the header").iter().map(String::from).collect())
            .collect()
    };
    let (first, second) = (file(0), file(1));
    let alone: Vec<_> = [&first, &second].iter().flat_map(|file| rows(&[file])).collect();
    let together = rows(&[&first, &second]);
    assert_eq!(together, alone);
    assert_eq!((together[0][0].as_str(), together[12][0].as_str()), ("zs-v,seed=0", "zs-v,seed=1"));
    assert_ne!(together[0][6], together[12][6], "each with the fingerprint of its experiment");
    assert_ne!(together[0][3], together[12][3]);
    // Equal names are told apart; the third is the second's copy.
    let three = rows(&[&first, &second, &other]);
    let names: std::collections::BTreeSet<&String> = three.iter().map(|row| &row[0]).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let numbers = |rows: &[Vec<String>]| rows.iter().map(|row| row[1..].to_vec()).collect::<Vec<_>>();
    assert_eq!(numbers(&three[24..]), numbers(&three[12..24]));
}

#[test]
fn one_sample_has_no_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let (run, sweep, tables) = (dir.path().join("run"), dir.path().join("sweep"), dir.path().join("tables"));
    let empty = |path: PathBuf, own: &dyn Fn(&str) -> bool| {
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let at = reader.headers().unwrap().iter().position(|name| name == "stderr").unwrap();
        let rows: Vec<_> = reader.records().map(Result::unwrap).filter(|row| own(&row[0])).collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| row[at].is_empty()), "{}", path.display());
    };
    succeed("run", &args(&run, &["eval.prompts=1"], &[]));
    empty(run.join("eval.csv"), &|_| true);
    succeed("sweep", &args(&sweep, &["eval.prompts=1", "sweep.finetune.optimizer.lr=[0.01, 0.02]"], &[]));
    empty(sweep.join("results.csv"), &|_| true);
    empty(sweep.join("summary.csv"), &|_| true);
    let sets = ["--set", "eval.prompts=1", "--set", "methods=[]"].map(String::from);
    succeed("run", &[&tiny("tables")[..], &sets, &out(&tables)].concat());
    empty(tables.join("baselines.csv"), &|_| true);
}

#[test]
fn a_sweep_has_a_row_for_every_setting_asked() {
    let dir = tempfile::tempdir().unwrap();
    let values = r#"sweep.methods.zs-v.train=[["*.v"], ["layers.0.attn.v"], ["*.qk"]]"#;
    succeed("sweep", &args(&dir.path().join("s"), &[values], &[]));
    let mut reader = csv::Reader::from_path(dir.path().join("s/summary.csv")).unwrap();
    assert_eq!(&reader.headers().unwrap()[1], "methods.zs-v.train");
    let rows: Vec<_> = reader.records().map(Result::unwrap).filter(|row| &row[0] == "zs-v").collect();
    let of = |value: &str| -> Vec<String> {
        rows.iter().filter(|row| &row[1] == value).map(|row| row[5].to_string()).collect()
    };
    assert_eq!(rows.len(), 3 * 3 * 4);
    assert_eq!(of(r#"["*.v"]"#).len(), 12);
    assert_eq!(of(r#"["*.v"]"#), of(r#"["layers.0.attn.v"]"#));
    assert_ne!(of(r#"["*.v"]"#), of(r#"["*.qk"]"#));
}
