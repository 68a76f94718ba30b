//! `floe run` from its files: the contract of a run directory, reproducibility, freezing, the single steps.

#[path = "../common/mod.rs"]
mod common;
mod numbers;

use common::*;
use floe::optim::schedule::factor;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const METHODS: [&str; 6] = ["zs-all", "zs-qk", "zs-v", "zsfs-all", "zsfs-qk", "zsfs-v"];

/// A finished tiny run of `paper`, read by several tests.
fn paper() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let dir = shared("run-paper");
        succeed("run", &[&tiny("paper")[..], &out(&dir)].concat());
        dir
    })
}

fn models() -> Vec<&'static str> {
    [&["pretrained"], &METHODS[..]].concat()
}

/// Rows of a CSV file with the header of `eval.csv`.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = read(path);
    let (header, rows) = text.split_once('\n').expect("a header");
    assert_eq!(header, "model,task,shots,mean,stderr,exact,fingerprint");
    rows.lines().map(|line| line.split(',').map(String::from).collect()).collect()
}

/// What models, tasks and shots are there, in order.
fn keys(rows: &[Vec<String>]) -> Vec<[String; 3]> {
    rows.iter().map(|r| [r[0].clone(), r[1].clone(), r[2].clone()]).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn all_keys(models: &[&str], tasks: &[&str], shots: usize) -> Vec<[String; 3]> {
    let mut keys = Vec::new();
    for model in models {
        for task in tasks {
            keys.extend((0..=shots).map(|n| [model.to_string(), task.to_string(), n.to_string()]));
        }
    }
    keys
}

/// Tensors that differ in any bit.
fn changed(run: &Path, a: &str, b: &str) -> BTreeSet<String> {
    let (a, b) = (model(run, a).tensors, model(run, b).tensors);
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let bits = |data: &[f32]| data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    a.iter().filter(|(name, t)| bits(&t.data) != bits(&b[*name].data)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn the_directory_holds_what_it_should_and_nothing_else() {
    let run = paper();
    let top = [
        "baselines.csv",
        "checkpoints",
        "config.toml",
        "eval.csv",
        "figures",
        "metrics.jsonl",
        "report.html",
        "run.json",
    ];
    assert_eq!(names(run), top);
    let files: BTreeSet<String> = models().iter().map(|m| format!("{m}.safetensors")).collect();
    assert_eq!(names(&run.join("checkpoints")).into_iter().collect::<BTreeSet<_>>(), files);
    for name in models() {
        let shapes: Vec<(String, Vec<usize>)> =
            model(run, name).tensors.into_iter().map(|(n, t)| (n, t.shape)).collect();
        let tensor = |n: &str| (format!("layers.0.attn.{n}"), vec![1, 4, 4]);
        assert_eq!(shapes, [tensor("qk"), tensor("v")], "{name}");
    }
    let sets: Vec<String> = SMALL.iter().map(|s| s.to_string()).chain(["task.dim=2".into()]).collect();
    let asked = floe::config::load("paper", &sets).unwrap();
    assert_eq!(floe::config::load(&text(run), &[]).unwrap(), asked);
}

#[test]
fn run_json_names_device_seed_phases_and_task() {
    let info: Value = serde_json::from_str(&read(paper().join("run.json"))).unwrap();
    assert_eq!(info["floe"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["seed"], 0);
    for key in ["name", "backend", "type", "driver", "driver_info"] {
        assert!(info["device"][key].is_string(), "{key}: {info}");
    }
    assert!(!info["device"]["name"].as_str().unwrap().is_empty());
    assert!(!info["variant"]["name"].as_str().unwrap().is_empty());
    assert_eq!(info["variant"]["chosen"], "default");
    assert!(info["task"]["description"].as_str().unwrap().contains("2 covariates"));
    let wall = info["wall_s"].as_f64().unwrap();
    let phases = info["phases"].as_array().unwrap();
    let named: Vec<&str> = phases.iter().map(|p| p["method"].as_str().unwrap()).collect();
    assert_eq!(named, [&models()[..], &[""]].concat());
    for phase in phases {
        let method = phase["method"].as_str().unwrap();
        let (kind, steps) = match method {
            "pretrained" => ("pretrain", 20),
            "" => ("eval", 0),
            _ => ("finetune", 20),
        };
        assert_eq!((phase["phase"].as_str().unwrap(), phase["steps"].as_u64().unwrap()), (kind, steps));
        let seconds = phase["wall_s"].as_f64().unwrap();
        assert!(seconds > 0.0 && seconds <= wall, "{method}: {seconds} of {wall} s");
        assert!(phase["ms_per_step"].as_f64().unwrap() >= 0.0);
        let trained = match method {
            "" => 0,
            "pretrained" | "zs-all" | "zsfs-all" => 32,
            _ => 16,
        };
        assert_eq!((phase["trained"].as_u64(), phase["parameters"].as_u64()), (Some(trained), Some(32)));
        let coverage = &phase["coverage"];
        assert_eq!(coverage["trained"].as_u64(), (!method.is_empty()).then_some(trained), "{coverage}");
        if method == "zs-v" {
            let counts = |of: &Value| ["matched", "tensors", "trained", "total"].map(|key| of[key].as_u64());
            assert_eq!(counts(coverage), [1, 2, 16, 32].map(Some));
            assert_eq!(coverage["groups"][0]["name"], "layers.0");
            assert_eq!(counts(&coverage["groups"][0]), counts(coverage));
        }
    }
}

#[test]
fn metrics_have_every_logged_step_and_its_losses() {
    let text = read(paper().join("metrics.jsonl"));
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut at = lines.iter();
    for method in models() {
        for step in [0, 5, 10, 15, 19] {
            let line = at.next().expect("a line");
            assert_eq!((line["method"].as_str(), line["step"].as_u64()), (Some(method), Some(step)));
            let phase = if method == "pretrained" { "pretrain" } else { "finetune" };
            assert_eq!(line["phase"], phase);
            assert_eq!(line["lr"], 0.01);
            assert!(line["grad_norm"].as_f64().unwrap() > 0.0);
            let (zs, fs) = (line["zs_loss"].as_f64(), line["fs_loss"].as_f64());
            assert_eq!(zs.is_some(), method != "pretrained", "{line}");
            assert_eq!(fs.is_some(), method == "pretrained" || method.starts_with("zsfs"), "{line}");
            let weight = if zs.is_some() { factor(floe::config::Schedule::Linear, step, 20) } else { 1.0 };
            let sum = zs.unwrap_or(0.0) + weight * fs.unwrap_or(0.0);
            let loss = line["loss"].as_f64().unwrap();
            assert!((loss - sum).abs() <= 1e-5 * sum, "{line}: {sum}");
        }
    }
    assert!(at.next().is_none());
}

#[test]
fn eval_and_baselines_have_every_model_task_and_shot_count() {
    let found = rows(&paper().join("eval.csv"));
    let tasks = ["target", "negated", "fresh"];
    assert_eq!(keys(&found), all_keys(&models(), &tasks, 3));
    for row in &found {
        let (mean, stderr, exact) = (number(&row[3]), number(&row[4]), number(&row[5]));
        assert!(mean > 0.0 && stderr > 0.0 && stderr < mean && exact > 0.1, "{row:?}");
    }
    let found = rows(&paper().join("baselines.csv"));
    let theory = ["theory:pretrained", "theory:zs-all", "theory:zs-v", "theory:zsfs-v"];
    let expected: BTreeSet<_> =
        all_keys(&theory, &tasks, 3).into_iter().chain(all_keys(&["bayes"], &["fresh"], 3)).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(keys(&found).into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_report_is_one_page_that_loads_nothing() {
    let page = read(paper().join("report.html"));
    for needle in ["<script src", "<link", "@import", "url(", "src=\"", "src='", "http://", "https://"] {
        let at = page.match_indices(needle).map(|(i, _)| &page[i..page.len().min(i + 60)]);
        let loads: Vec<&str> = at.filter(|t| !t.contains("www.w3.org") && !t.contains("\"data:")).collect();
        assert!(loads.is_empty(), "{loads:?}");
    }
    assert!(page.contains("<svg") && page.contains("zsfs-v"));
    let figures = names(&paper().join("figures"));
    for needed in ["tradeoff.svg", "shots-target.svg", "shots-fresh.svg", "loss-pretrained.svg"] {
        assert!(figures.iter().any(|f| f == needed), "{needed} is not in {figures:?}");
    }
    for figure in figures {
        assert!(read(paper().join("figures").join(&figure)).trim_start().starts_with("<svg"), "{figure}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (again, other) = (dir.path().join("again"), dir.path().join("other"));
    succeed("run", &[&tiny("paper")[..], &out(&again)].concat());
    assert_same_run(paper(), &again);
    succeed("run --set seed=1", &[&tiny("paper")[..], &out(&other)].concat());
    for name in models() {
        let (a, b) = (model(paper(), name), model(&other, name));
        assert_ne!(a.tensors, b.tensors, "{name}");
    }
    assert_ne!(read(paper().join("eval.csv")), read(other.join("eval.csv")));
    assert_ne!(read(paper().join("metrics.jsonl")), read(other.join("metrics.jsonl")));
}

#[test]
fn the_configuration_of_a_run_reproduces_it() {
    let dir = tempfile::tempdir().unwrap();
    let (from_directory, from_file) = (dir.path().join("a"), dir.path().join("b"));
    succeed("run", &[&[text(paper())][..], &out(&from_directory)].concat());
    assert_same_run(paper(), &from_directory);
    succeed("run", &[&[text(paper().join("config.toml"))][..], &out(&from_file)].concat());
    assert_same_run(paper(), &from_file);
}

#[test]
fn what_a_method_does_not_train_stays_bitwise() {
    for (name, trained) in METHODS.map(|m| (m, m.split_once('-').unwrap().1)) {
        let expected: &[&str] = match trained {
            "all" => &["layers.0.attn.qk", "layers.0.attn.v"],
            "qk" => &["layers.0.attn.qk"],
            _ => &["layers.0.attn.v"],
        };
        let changed = changed(paper(), "pretrained", name);
        assert_eq!(changed.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn separate_query_and_key_of_two_layers_and_heads_freeze_likewise() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let line = "run --set model.layers=2 --set model.heads=2";
    succeed(line, &[&tiny("paper-qkv")[..], &out(&run)].concat());
    for loss in ["zs", "zsfs"] {
        for what in ["all", "q", "k", "v"] {
            let name = format!("{loss}-{what}");
            let kinds = if what == "all" { vec!["k", "q", "v"] } else { vec![what] };
            let expected: BTreeSet<String> = kinds
                .iter()
                .flat_map(|kind| (0..2).map(move |layer| format!("layers.{layer}.attn.{kind}")))
                .collect();
            assert_eq!(changed(&run, "pretrained", &name), expected, "{name}");
            assert!(model(&run, &name).tensors.values().all(|t| t.shape == [2, 4, 4]), "{name}");
        }
    }
    // Exact risks are known of one layer and one head alone.
    assert!(rows(&run.join("eval.csv")).iter().all(|row| row[5].is_empty() && number(&row[3]) > 0.0));
}

#[test]
fn tables_of_ones_own_run() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (dir.path().join("mine.csv"), dir.path().join("run"));
    std::fs::write(&data, table(8, 12)).unwrap();
    let path = format!("task.path={}", data.display());
    let sets = ["--set", &path, "--set", "task.log1p=[]", "--set", "task.target=t3"].map(String::from);
    succeed("run", &[&tiny("tables")[..], &sets, &out(&run)].concat());
    let found = rows(&run.join("eval.csv"));
    assert_eq!(keys(&found), all_keys(&models(), &["target", "heldout"], 3));
    assert!(found.iter().all(|row| row[5].is_empty() && number(&row[3]) > 0.0 && number(&row[4]) > 0.0));
    let references: BTreeSet<String> =
        rows(&run.join("baselines.csv")).into_iter().map(|mut row| row.swap_remove(0)).collect();
    assert_eq!(references, ["mean", "pooled", "ridge", "ridge+prior"].map(String::from).into());
    let info: Value = serde_json::from_str(&read(run.join("run.json"))).unwrap();
    assert_eq!(info["task"]["target"], "t3");
    assert!(info["task"]["description"].as_str().unwrap().contains("mine"));
    // The run's configuration finds the table from anywhere.
    let again = dir.path().join("again");
    succeed("run", &[&[text(&run)][..], &out(&again)].concat());
    assert_same_run(&run, &again);
}

#[test]
fn single_steps_give_what_the_run_gives() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(format!("{name}.safetensors"));
    let pretrained = at("pretrained");
    let said = succeed("pretrain", &[&tiny("paper")[..], &out(&pretrained)].concat());
    assert_eq!(said.out, format!("{}\n", pretrained.display()));
    let from = ["--from".to_string(), text(&pretrained)];
    for method in ["zs-v", "zsfs-all"] {
        succeed(&format!("finetune --method {method}"), &[&from[..], &out(at(method))].concat());
    }
    for name in ["pretrained", "zs-v", "zsfs-all"] {
        let inside = paper().join("checkpoints").join(format!("{name}.safetensors"));
        assert!(std::fs::read(at(name)).unwrap() == std::fs::read(inside).unwrap(), "{name}");
    }
    // The same as the method, said on the command line.
    let by_pattern = at("by-pattern");
    succeed("finetune --train *.v --loss zs", &[&from[..], &out(&by_pattern)].concat());
    let of_run = paper().join("checkpoints/zs-v.safetensors");
    let [by_pattern, of_run] = [by_pattern, of_run].map(|path| floe::store::checkpoint::read(&path).unwrap());
    assert_eq!(by_pattern.tensors, of_run.tensors, "moments among them");

    let files = [text(at("pretrained")), text(at("zs-v"))];
    let printed = succeed("eval", &files).out;
    let of_run = read(paper().join("eval.csv"));
    let mine = |line: &&str| ["model,", "pretrained,", "zs-v,"].iter().any(|start| line.starts_with(start));
    assert_eq!(printed.lines().collect::<Vec<_>>(), of_run.lines().filter(mine).collect::<Vec<_>>());
    let csv = dir.path().join("eval.csv");
    succeed("eval", &[&files[..], &out(&csv)].concat());
    assert_eq!(read(&csv), printed);
}

#[test]
fn report_writes_the_page_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    succeed("run --set methods=[]", &[&tiny("paper")[..], &out(&run)].concat());
    let (page, figures) = (read(run.join("report.html")), names(&run.join("figures")));
    std::fs::remove_file(run.join("report.html")).unwrap();
    std::fs::remove_dir_all(run.join("figures")).unwrap();
    let said = succeed("report", &[text(&run)]);
    assert_eq!(said.out, format!("{}\n", run.join("report.html").display()));
    assert_eq!((read(run.join("report.html")), names(&run.join("figures"))), (page, figures));
}
