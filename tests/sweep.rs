//! `floe sweep` from its files: every model once, the same models as by `floe run`, divergence, resuming.

mod common;

use common::*;
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
steps = 20
batch = 64
shots = 3
[eval]
prompts = 4000
seeds = 1
shots = 3
[record]
every = 5
[[methods]]
name = "zs-all"
loss = "zs"
train = ["*"]
[[methods]]
name = "zs-v"
loss = "zs"
train = ["*.v"]
[[methods]]
name = "both"
loss = "zs+fs"
train = ["*"]
schedule = "linear"
"#;

const AXES: [&str; 4] = ["--set", "sweep.seed=[0, 1]", "--set", "sweep.finetune.optimizer.lr=[0.01, 0.05]"];

fn experiment() -> String {
    experiment_file("sweep-experiment", EXPERIMENT)
}

fn args(dir: &Path, more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| word.to_string());
    [vec![experiment()], out(dir).to_vec(), more.collect()].concat()
}

/// Three methods at two rates and two seeds, and what they start from: 14 models.
fn sweep() -> &'static Path {
    static SWEEP: OnceLock<PathBuf> = OnceLock::new();
    SWEEP.get_or_init(|| {
        let dir = shared("sweep-finished");
        succeed("sweep", &args(&dir, &AXES));
        dir
    })
}

fn info(dir: &Path) -> Value {
    serde_json::from_str(&read(dir.join("sweep.json"))).expect("JSON")
}

fn members(dir: &Path) -> Vec<Value> {
    info(dir)["members"].as_array().expect("members").clone()
}

/// Rows of a CSV file by its header's names.
fn rows(path: PathBuf) -> Vec<Vec<(String, String)>> {
    let text = read(path);
    let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    lines.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

fn cell<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    row.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_else(|| panic!("no `{name}`"))
}

#[test]
fn every_model_is_trained_once_and_tested_at_every_shot_count() {
    let found = members(sweep());
    let names: Vec<&str> = found.iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2 + 3 * 2 * 2);
    assert_eq!(names[..2], ["pretrained/seed=0", "pretrained/seed=1"]);
    assert!(names.contains(&"zs-v/seed=1/finetune.optimizer.lr=0.05"));
    assert_eq!(found[0]["values"], serde_json::json!(["0", null]));
    for member in &found {
        assert_eq!(member["diverged_at"], Value::Null);
        let path = sweep().join(member["checkpoint"].as_str().unwrap());
        assert!(path.exists(), "{}", path.display());
    }
    let results = rows(sweep().join("results.csv"));
    assert_eq!(results.len(), 14 * 3 * 4);
    for row in &results {
        let (mean, exact): (f64, f64) =
            (cell(row, "mean").parse().unwrap(), cell(row, "exact").parse().unwrap());
        let stderr: f64 = cell(row, "stderr").parse().unwrap();
        assert!((mean - exact).abs() < 6.0 * stderr, "{row:?}");
    }
    let summary = rows(sweep().join("summary.csv"));
    assert_eq!(summary.len(), (1 + 3 * 2) * 3 * 4);
    assert!(summary.iter().all(|row| cell(row, "seeds") == "2" && cell(row, "diverged") == "0"));
    assert!(read(sweep().join("report.html")).contains("zs-v"));
}

#[test]
fn models_that_share_their_prompts_train_together() {
    let batches = info(sweep())["batches"].as_array().unwrap().clone();
    let mut sizes: Vec<(String, u64)> = batches
        .iter()
        .map(|b| (b["loss"].as_str().unwrap().to_string(), b["models"].as_u64().unwrap()))
        .collect();
    sizes.sort();
    let each = [("pretrain", 1), ("zs", 4), ("zs+fs", 2)];
    let expected: Vec<(String, u64)> =
        each.iter().flat_map(|&(loss, n)| [(loss.to_string(), n), (loss.to_string(), n)]).collect();
    assert_eq!(sizes, expected);
}

/// The same experiment alone, by `floe run`: the same losses, weights and errors, to rounding.
#[test]
fn a_model_of_a_sweep_is_that_of_a_run() {
    let alone = shared("sweep-alone");
    let sets = ["--set", "seed=1", "--set", "finetune.optimizer.lr=0.05"];
    succeed("run", &args(&alone, &sets));
    for method in ["pretrained", "zs-all", "zs-v", "both"] {
        let file = match method {
            "pretrained" => "pretrained,seed=1".to_string(),
            method => format!("{method},seed=1,finetune.optimizer.lr=0.05"),
        };
        let (a, b) = (model(&alone, method), model(sweep(), &file));
        assert_eq!(a.tensors.len(), b.tensors.len());
        for (name, tensor) in &a.tensors {
            assert_eq!(tensor.shape, b.tensors[name].shape);
            for (x, y) in tensor.data.iter().zip(&b.tensors[name].data) {
                assert!((x - y).abs() < 1e-5, "{method}, {name}: {x}, {y}");
            }
        }
        let lines = |dir: &Path, name: &str| -> Vec<f64> {
            let text = read(dir.join("metrics.jsonl"));
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.filter(|line| line["method"] == name).map(|line| line["loss"].as_f64().unwrap()).collect()
        };
        let (a, b) = (lines(&alone, method), lines(sweep(), &file.replace(',', "/")));
        assert_eq!(a.len(), 5);
        assert!(a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-5), "{a:?} {b:?}");
    }
}

#[test]
fn what_a_method_freezes_keeps_its_bits_beside_models_that_train_it() {
    let bits = |file: &str, tensor: &str| -> Vec<u32> {
        model(sweep(), file).tensors[tensor].data.iter().map(|x| x.to_bits()).collect()
    };
    for seed in [0, 1] {
        let (before, after) =
            (format!("pretrained,seed={seed}"), format!("zs-v,seed={seed},finetune.optimizer.lr=0.05"));
        assert_eq!(bits(&before, "layers.0.attn.qk"), bits(&after, "layers.0.attn.qk"));
        assert_ne!(bits(&before, "layers.0.attn.v"), bits(&after, "layers.0.attn.v"));
    }
}

#[test]
fn a_checkpoint_of_a_sweep_can_be_evaluated_and_fine_tuned() {
    let dir = shared("sweep-single");
    std::fs::create_dir_all(&dir).unwrap();
    let file = sweep().join("checkpoints/both,seed=1,finetune.optimizer.lr=0.01.safetensors");
    let said = succeed("eval", &[text(&file)]);
    let again = said.out.lines().nth(1).unwrap().split(',').nth_back(3).unwrap().to_string();
    let results = rows(sweep().join("results.csv"));
    let row = results.iter().find(|r| cell(r, "model") == "both/seed=1/finetune.optimizer.lr=0.01").unwrap();
    let (a, b): (f64, f64) = (again.parse().unwrap(), cell(row, "mean").parse().unwrap());
    assert!((a - b).abs() < 1e-5 * b, "{a} {b}");
    let start = sweep().join("checkpoints/pretrained,seed=1.safetensors");
    let to = dir.join("tuned.safetensors");
    succeed("finetune --method zs-v", &["--from".into(), text(&start), "--out".into(), text(&to)]);
}

#[test]
fn an_axis_of_one_method_leaves_the_others_single() {
    let dir = shared("sweep-own-axis");
    succeed("sweep", &args(&dir, &["--set", "sweep.methods.zs-v.lr=[0.01, 0.02, 0.03]"]));
    let names: Vec<String> = members(&dir).iter().map(|m| m["model"].as_str().unwrap().to_string()).collect();
    let own = |lr| format!("zs-v/methods.zs-v.lr={lr}");
    assert_eq!(
        names,
        ["pretrained".into(), "zs-all".into(), own("0.01"), "both".into(), own("0.02"), own("0.03")]
    );
}

#[test]
fn a_model_that_diverges_is_noted_and_stops_no_other() {
    let dir = shared("sweep-diverged");
    let sets = [
        "--set",
        "sweep.finetune.optimizer.lr=[0.01, 1e30]",
        "--set",
        "finetune.optimizer.clip=0",
        "--set",
        "finetune.optimizer.momentum=0",
    ];
    succeed("sweep", &args(&dir, &sets));
    for member in members(&dir) {
        let wild = member["values"] == serde_json::json!(["1e30"]);
        assert_eq!(member["diverged_at"].is_u64(), wild, "{member}");
        assert_eq!(member["checkpoint"].is_string(), !wild, "{member}");
    }
    let results = rows(dir.join("results.csv"));
    assert!(
        results.iter().any(|r| cell(r, "mean") == "NaN") && results.iter().any(|r| cell(r, "mean") != "NaN")
    );
    assert!(
        results.iter().all(|r| (cell(r, "finetune.optimizer.lr") == "1e30") == (cell(r, "mean") == "NaN"))
    );
    let summary = rows(dir.join("summary.csv"));
    assert!(
        summary.iter().any(|r| cell(r, "diverged") == "1")
            && summary.iter().any(|r| cell(r, "diverged") == "0")
    );
    let logged = read(dir.join("metrics.jsonl"));
    assert!(!logged.contains("null,\"lr\"") && !logged.contains("NaN"), "finite losses alone are logged");
}

fn bits_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let checkpoints = names(&dir.join("checkpoints")).into_iter().map(|name| format!("checkpoints/{name}"));
    let files = checkpoints.chain(["results.csv", "summary.csv", "sweep.toml"].map(String::from));
    files.map(|file| (file.clone(), std::fs::read(dir.join(&file)).expect("a file"))).collect()
}

/// What a killed sweep leaves, at worst: a batch of which some models are saved.
#[test]
fn a_sweep_goes_on_behind_its_finished_batches_with_the_same_bits() {
    let dir = shared("sweep-resumed");
    succeed("sweep", &args(&dir, &AXES));
    assert_eq!(bits_of(&dir), bits_of(sweep()), "the same bits, run to run");
    for lost in [
        "results.csv",
        "summary.csv",
        "report.html",
        "checkpoints/both,seed=1,finetune.optimizer.lr=0.05.safetensors",
    ] {
        std::fs::remove_file(dir.join(lost)).unwrap();
    }
    let torn = dir.join("checkpoints/.both,seed=1.safetensors.abcdEF12.floe-tmp");
    std::fs::write(&torn, "a write that was killed").unwrap();
    let untouched = dir.join("checkpoints/zs-all,seed=0,finetune.optimizer.lr=0.05.safetensors");
    let before = std::fs::metadata(&untouched).unwrap().modified().unwrap();
    let said = succeed("sweep --resume", &[text(&dir)]);
    assert!(said.err.contains("zs+fs") && !said.err.contains("pretrain ×"), "one batch again: {}", said.err);
    assert_eq!(bits_of(&dir), bits_of(sweep()));
    assert!(!torn.exists());
    assert_eq!(info(&dir)["batches"].as_array().unwrap().len(), 6, "notes of finished batches stay");
    assert_eq!(std::fs::metadata(&untouched).unwrap().modified().unwrap(), before);
    let logged = |dir: &Path| {
        let mut lines: Vec<String> = read(dir.join("metrics.jsonl")).lines().map(String::from).collect();
        lines.sort();
        lines
    };
    assert_eq!(logged(&dir), logged(sweep()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_finished_batches_and_names_the_command_to_go_on_with() {
    use std::process::{Command, Stdio};
    let dir = shared("sweep-interrupted");
    let words = args(&dir, &[&AXES[..], &["--set", "finetune.steps=2000000"]].concat());
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.arg("sweep").args(&words).env_remove("RUST_LOG").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("floe starts");
    let first = dir.join("checkpoints/pretrained,seed=1.safetensors");
    let began = std::time::Instant::now();
    while !first.exists() {
        assert!(child.try_wait().unwrap().is_none(), "over before it could be interrupted");
        assert!(began.elapsed().as_secs() < 120, "{} never came", first.display());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: String::new(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    said.refuses(130, &["finished batches are saved", "floe sweep ", "--resume"]);
    assert!(first.exists() && !dir.join("results.csv").exists());
}

#[test]
fn runs_and_sweeps_do_not_mix_in_a_directory() {
    let dir = shared("sweep-mixed");
    std::fs::create_dir_all(&dir).unwrap();
    say("sweep", &args(sweep(), &AXES)).refuses(2, &["holds a sweep already", "--resume"]);
    say("run", &args(sweep(), &[])).refuses(2, &["holds a sweep", "another --out"]);
    std::fs::write(dir.join("config.toml"), "").unwrap();
    say("sweep", &args(&dir, &AXES)).refuses(2, &["holds a run", "another --out"]);
    let other =
        ["--resume", "--set", "sweep.seed=[0, 2]", "--set", "sweep.finetune.optimizer.lr=[0.01, 0.05]"];
    say("sweep", &args(sweep(), &other)).refuses(2, &["is of another experiment: ", " there, ", " here"]);
}

/// Loss and gradient of the last step are finite, the parameters that it leaves are not.
#[test]
fn a_model_that_overflows_in_its_last_step_stops_no_other() {
    let (dir, alone) = (shared("sweep-overflow"), shared("sweep-overflow-alone"));
    let wild =
        ["--set", "model.init_std=2.0", "--set", "finetune.steps=1", "--set", "finetune.optimizer.clip=0"];
    let axes =
        ["--set", "sweep.finetune.optimizer.lr=[3e38, 0.01]", "--set", "sweep.only=[\"zs-all\", \"zs-v\"]"];
    succeed("sweep", &args(&dir, &[&wild[..], &axes].concat()));
    for member in members(&dir) {
        let name = member["model"].as_str().unwrap();
        let lost = name.ends_with("3e38");
        assert_eq!(member["diverged_at"], if lost { Value::from(0) } else { Value::Null }, "{name}");
        assert_eq!(member["checkpoint"].is_null(), lost, "{name}");
    }
    let results = rows(dir.join("results.csv"));
    let lost = |row: &&Vec<(String, String)>| cell(row, "model").ends_with("3e38");
    assert_eq!(results.iter().filter(lost).count(), 2 * 3 * 4);
    assert!(results.iter().filter(lost).all(|row| cell(row, "mean") == "NaN"));
    let bytes = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let before = bytes("results.csv");
    succeed("sweep", &[text(&dir), "--resume".into()]);
    assert!(bytes("results.csv") == before, "what was lost stays lost");

    // Alone it is an error, and what was finished stays.
    let said = say("run", &args(&alone, &[&wild[..], &["--set", "finetune.optimizer.lr=3e38"]].concat()));
    said.refuses(1, &["finetune `zs-all`", "overflows at step 0", "lower the learning rate (now 3e38)"]);
    assert!(alone.join("checkpoints/pretrained.safetensors").exists());
    assert!(read(alone.join("metrics.jsonl")).contains("\"method\":\"zs-all\""));
}

/// Weights that are finite, but whose errors single precision can't hold.
#[test]
fn a_model_whose_errors_overflow_stops_no_other() {
    let dir = shared("sweep-errors");
    let axes = [
        "--set",
        "finetune.steps=1",
        "--set",
        "finetune.optimizer.clip=0",
        "--set",
        "sweep.only=[\"zs-all\"]",
    ];
    succeed(
        "sweep",
        &args(&dir, &[&axes[..], &["--set", "sweep.finetune.optimizer.lr=[1e30, 0.01]"]].concat()),
    );
    assert!(members(&dir).iter().all(|member| !member["checkpoint"].is_null()));
    for row in rows(dir.join("results.csv")) {
        let wild = cell(&row, "model").ends_with("1e30") || cell(&row, "model").ends_with("1e+30");
        let (mean, stderr): (f64, f64) =
            (cell(&row, "mean").parse().unwrap(), cell(&row, "stderr").parse().unwrap());
        assert_eq!(mean.is_finite() && stderr.is_finite(), !wild, "{row:?}");
    }
}
