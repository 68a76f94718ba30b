//! Fine-tuning of language models as a user meets it, on tiny random ones.

mod bad;
#[path = "../common/mod.rs"]
mod common;
mod scratch;
mod texts;
#[path = "../common/tiny.rs"]
mod tiny;

use common::*;
use floe::pretrained::Pretrained;
use floe::store::methods::Methods;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tiny::Tiny;

/// A tiny model and a text of words that come again and again.
pub struct Given {
    dir: tempfile::TempDir,
    pub model: PathBuf,
    pub text: PathBuf,
}

pub fn given(architecture: &'static str) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let model = Tiny::new(architecture).hub(&dir.path().join("model"), 1, "F32");
    let text = dir.path().join("notes.txt");
    let words =
        ["the other weather", "then there is the theatre", "her mother and the others", "a thing to be"];
    let all: Vec<&str> = (0..120).map(|i| words[i * i % 7 % 4]).collect();
    std::fs::write(&text, all.join(". ")).unwrap();
    Given { dir, model, text }
}

impl Given {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, words: &str) -> PathBuf {
        std::fs::write(self.path(name), words).unwrap();
        self.path(name)
    }

    /// An experiment of a few steps, with `methods` and more lines before them.
    pub fn experiment(&self, more: &str, methods: &str) -> PathBuf {
        let words = format!(
            "seed = 4\n[model]\nfrom = {:?}\n[task]\nkind = \"text\"\ntrain = [{:?}]\ncontext = 24\n[eval]\nevery = 4\nrows = 6\n\
             sample_tokens = 4\n[record]\ncheckpoint_every = 3\n[finetune]\nsteps = 12\nbatch = 3\n{more}\n\
             [finetune.optimizer]\nlr = 0.01\nlr_schedule = \"wsd\"\nwarmup = 2\n{methods}",
            text(&self.model),
            text(&self.text)
        );
        self.write("experiment.toml", &words)
    }
}

const TWO: &str = "[[methods]]\nname = \"values\"\ntrain = [\"*.v_proj.weight\"]\n[[methods]]\nname = \"low\"\n\
                   lora = { rank = 3, targets = [\"q_proj\", \"down_proj\"], dropout = 0.1 }\n";

fn record(run: &Path) -> Methods {
    serde_json::from_str(&std::fs::read_to_string(run.join("methods.json")).unwrap()).unwrap()
}

/// All tensors of a model.
fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let model = Pretrained::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut all = BTreeMap::new();
    for (name, _) in model.decoder().tensors() {
        let data: &mut Vec<f32> = all.entry(name.clone()).or_default();
        model
            .read(&name, |piece| {
                data.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
    }
    all
}

/// What a run leaves that does not tell the time.
fn kept(run: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [
        "metrics.jsonl",
        "models/values/model.safetensors",
        "models/values/config.json",
        "adapters/low/adapter_model.safetensors",
        "adapters/low/adapter_config.json",
    ];
    names
        .map(|name| {
            (name.to_string(), std::fs::read(run.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
        })
        .into()
}

#[test]
fn a_run_trains_what_it_names_and_writes_what_others_open() {
    let given = given("llama");
    let (toml, run) = (given.experiment("", TWO), given.path("run"));
    let said = succeed("run", &[text(&toml), "--out".into(), text(&run)]);
    for part in [
        "values: trains 640 of 18820 elements",
        "in 2 of 21 tensors",
        "the gradient is right on this adapter",
        "tokens/s",
        "of the roof",
        "MB planned: activations",
        "validation loss",
        "LoRA of rank 3, alpha 16, on q_proj down_proj (4 of the linear maps)",
        "at 4 weights in 2 of 2 layers",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let before = tensors(&given.model);
    let after = tensors(&run.join("models/values"));
    for (name, data) in &before {
        let same = data.iter().zip(&after[name]).all(|(a, b)| a.to_bits() == b.to_bits());
        assert_eq!(same, !name.contains("v_proj"), "{name}");
    }
    let record = record(&run);
    assert_eq!(record.methods.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["values", "low"]);
    let start = record.before.unwrap();
    for method in &record.methods {
        let (before, after) = (start.loss.unwrap(), method.after.loss.unwrap());
        assert!(
            after.mean < before.mean && after.tokens == before.tokens,
            "{} {before:?} {after:?}",
            method.name
        );
        assert_eq!(method.after.samples.len(), 2);
        assert!(method.check.iter().all(|slope| slope.agrees()) && !method.check.is_empty());
        let planned: u64 = method.planned.iter().map(|(_, bytes)| bytes).sum();
        assert!(method.held.abs_diff(planned) * 10 < planned, "{}: {} {planned}", method.name, method.held);
        assert!(method.moved.iter().all(|own| own.norm > 0.0 && own.before > 0.0));
        assert!(method.tokens > 0 && method.flops > 0.0 && method.roof > 0.0);
    }
    assert_eq!(record.methods[0].moved.len(), 2);
    assert_eq!(record.methods[0].coverage.as_ref().unwrap().trained, 640);
    let info: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["phases"][0]["coverage"]["matched"], 2);
    assert_eq!(info["task"]["gradient_checks"]["low"][0]["direction"], "along the gradient");
    // What was written is a model, and says the same as the adapter merged.
    succeed("generate", &[&text(run.join("models/values")), "--prompt", "the", "--max-tokens", "3"]);
    let (model, adapter, merged) =
        (text(&given.model), text(run.join("adapters/low")), text(given.path("merged")));
    succeed("merge", &[&model, "--adapter", &adapter, "--out", &merged]);
    let probes = [vec![model.as_str(), "--adapter", &adapter], vec![merged.as_str()]].map(|which| {
        let out = text(given.path("probe.safetensors"));
        let more = [which, vec!["--text", "the other", "--out", &out]];
        succeed("probe", &more.concat());
        floe::store::checkpoint::read(Path::new(&out)).unwrap().tensors["logits"].data.clone()
    });
    let off = probes[0].iter().zip(&probes[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 2e-4, "{off}");
    let there: Vec<String> = names(&run);
    assert!(!there.iter().any(|name| name.contains("tmp")), "{there:?}");
    for name in ["values", "low"] {
        let events =
            std::fs::read(run.join(format!("tensorboard/{name}/events.out.tfevents.0.floe"))).unwrap();
        let holds = |tag: &[u8]| events.windows(tag.len()).any(|own| own == tag);
        assert!(
            holds(b"brain.Event:2")
                && holds(b"training/loss")
                && holds(b"validation/loss")
                && holds(b"training/lr")
        );
    }
    let csv = std::fs::read_to_string(run.join("methods.csv")).unwrap();
    assert!(csv.lines().count() == 3 && csv.contains("\nvalues,*.v_proj.weight,640,18820,"), "{csv}");
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "What came out",
        "<b>values</b> lowered the loss",
        "What moved",
        "Before and after",
        "Can it be trusted",
        "models&#x2f;values",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(
        names(&run.join("figures")),
        ["loss-low.svg", "loss-values.svg", "moved-low.svg", "moved-values.svg"]
    );
    std::fs::remove_file(run.join("report.html")).unwrap();
    succeed("report", &[text(&run)]);
    assert_eq!(std::fs::read_to_string(run.join("report.html")).unwrap(), page);
    // Nothing is left to go on with, and a second run does not write over the first.
    assert!(std::fs::read_dir(run.join("checkpoints")).unwrap().next().is_none());
    say("run", &[text(&toml), "--out".into(), text(&run)]).refuses(2, &["holds a run already"]);
    let again = succeed("run", &[text(&toml), "--out".into(), text(&run), "--resume".into()]);
    assert!(again.err.contains("finished before"), "{}", again.err);
}

#[cfg(unix)]
#[test]
fn a_run_that_was_broken_off_goes_on_to_the_same_bits() {
    let given = given("qwen2");
    let toml = given.experiment("accumulate = 2", TWO);
    let (whole, cut) = (given.path("whole"), given.path("cut"));
    succeed("run", &[text(&toml), "--out".into(), text(&whole)]);
    // In the middle of the first method, and of the second; the third time it ends.
    for (resume, signal, state) in
        [(false, "INT", "values.state"), (true, "KILL", "low.state"), (true, "", "")]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.env("FLOE_CACHE_DIR", no_cache()).env_remove("RUST_LOG").args([
            "run",
            &text(&toml),
            "--out",
            &text(&cut),
        ]);
        command.args(resume.then_some("--resume")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        if !signal.is_empty() {
            let path = cut.join(format!("checkpoints/{state}.safetensors"));
            while !path.exists() {
                assert!(child.try_wait().unwrap().is_none(), "over before {state}");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
        let mut err = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        match signal {
            "INT" => {
                assert_eq!(status.code(), Some(130), "{err}");
                assert!(err.contains("interrupted at ") && err.contains("--resume"), "{err}");
            }
            "" => assert!(status.success() && err.contains("going on at step"), "{err}"),
            _ => {}
        }
    }
    assert_eq!(kept(&cut), kept(&whole));
    let judged = |run: &Path| {
        record(run).methods.into_iter().map(|m| (m.after, m.kept_step, m.tokens)).collect::<Vec<_>>()
    };
    assert_eq!(judged(&cut), judged(&whole));
}

#[test]
fn recomputed_layers_and_passes_in_parts_come_to_the_same() {
    let given = given("llama");
    let method = "[[methods]]\nname = \"values\"\ntrain = [\"*.v_proj.weight\", \"*.mlp.*\"]\n";
    let run = |name: &str, more: &str, sets: &[&str]| {
        let (toml, out) = (given.experiment(more, method), given.path(name));
        let sets = sets.iter().flat_map(|set| ["--set".to_string(), set.to_string()]);
        succeed("run", &[vec![text(&toml), "--out".into(), text(&out)], sets.collect()].concat());
        (tensors(&out.join("models/values")), record(&out).methods.remove(0))
    };
    let (plain, facts) = run("plain", "", &[]);
    let (again, less) = run("again", "recompute = true", &[]);
    assert_eq!(plain, again);
    let planned =
        |facts: &floe::store::methods::MethodFacts| facts.planned.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert!(planned(&less) < planned(&facts) && less.flops > facts.flops);
    // A batch of three at once, or one by one.
    let (parts, _) = run("parts", "accumulate = 3", &["finetune.batch=1"]);
    for (name, data) in &plain {
        let off = data.iter().zip(&parts[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Adam makes a rate of whatever rounding leaves of a gradient that is nothing.
        let alike = data.iter().zip(&parts[name]).filter(|(a, b)| (*a - *b).abs() < 1e-4).count();
        assert!(off < 0.1 && alike * 100 >= data.len() * 97, "{name}: {off}, {alike} of {}", data.len());
    }
}

#[test]
fn the_best_weights_are_kept() {
    let given = given("llama");
    let method = "[[methods]]\nname = \"all\"\ntrain = [\"*\"]\nlr = 0.05\n";
    let toml = given.experiment("", method);
    let (best, last) = (given.path("best"), given.path("last"));
    let more = ["--set", "finetune.steps=40", "--set", "finetune.optimizer.lr_schedule=constant"];
    for (out, keep) in [(&best, "best"), (&last, "last")] {
        let keep = format!("finetune.keep={keep}");
        let (toml, out) = (text(&toml), text(out));
        succeed("run", &[&[&toml, "--out", &out, "--set", &keep], &more[..]].concat());
    }
    let [best, last] = [best, last].map(|run| {
        let method = record(&run).methods.remove(0);
        (method.kept_step, method.after.loss.unwrap().mean, run)
    });
    assert!(last.0 == 40 && best.0 % 4 == 0 && best.1 <= last.1, "{best:?} {last:?}");
    let metrics = std::fs::read_to_string(best.2.join("metrics.jsonl")).unwrap();
    let losses: Vec<f64> = BufReader::new(metrics.as_bytes())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .filter(|line| line["phase"] == "validate")
        .map(|line| line["loss"].as_f64().unwrap())
        .collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses.len(), 11);
    assert!((least - best.1).abs() < 1e-5, "{least} {}", best.1);
}

#[test]
fn one_command_fine_tunes_on_a_text() {
    let given = given("qwen2");
    let (model, notes) = (text(&given.model), text(&given.text));
    let small = ["--set", "task.context=24", "--set", "eval.sample_tokens=3", "--steps", "4"];
    for (name, more, there) in [
        ("values", vec![], "models/finetuned/model.safetensors"),
        ("attention", vec!["--train", "*.self_attn.*"], "models/finetuned/config.json"),
        (
            "lora",
            vec!["--lora", "v_proj", "--rank", "2", "--lr", "0.01"],
            "adapters/finetuned/adapter_config.json",
        ),
    ] {
        let out = text(given.path(name));
        let args = [&["--model", &model, "--text", &notes, "--out", &out], &small[..], &more[..]].concat();
        let said = succeed("finetune", &args);
        assert!(
            said.out.contains("report.html") && Path::new(&out).join(there).exists(),
            "{name}: {}",
            said.out
        );
    }
    let said = say("finetune", &["--model", &model, "--out", "x"]);
    assert!(said.code == 2 && said.err.contains("--text"), "{}", said.err);
}

#[test]
fn the_gradient_of_a_model_is_checked_on_this_adapter() {
    let given = given("qwen2");
    let model = text(&given.model);
    let said = succeed("check", &["--model", &model]);
    assert!(said.out.contains("slopes are the gradient's") && !said.out.contains("RED"), "{}", said.out);
    assert!(said.out.contains("model.layers.*.self_attn.q_proj.bias") && said.out.contains("at random"));
    let some =
        succeed("check", &["--model", &model, "--train", "model.layers.1.self_attn.v_proj.weight[row=11]"]);
    assert!(some.out.contains("all 4 slopes"), "{}", some.out);
    say("check", &["--model", &model, "--train", "*.w_proj"]).refuses(2, &["--train", "w_proj"]);
}
