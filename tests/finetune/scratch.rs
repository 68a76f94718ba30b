//! Models from scratch, as a user meets them: a tokenizer of the text, each mixer, counting beside them, going on to the bit.

use super::common::*;
use super::{record, tensors};
use floe::pretrained::Pretrained;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An experiment on a text of words that come again and again, in which the next one depends on the two before.
fn experiment(dir: &Path, model: &str, methods: &str) -> PathBuf {
    let words = ["sun", "moon", "star", "rain", "wind", "snow", "hill", "lake"];
    let (mut a, mut b, mut text) = (1, 2, String::new());
    for i in 0..4000 {
        let next = (a * 3 + b * 5 + usize::from(i % 97 == 0)) % 8;
        text += words[next];
        text += if i % 9 == 8 { ".\n" } else { " " };
        (a, b) = (b, next);
    }
    std::fs::write(dir.join("text.txt"), text).unwrap();
    let vocabulary = if model.contains("vocab_size") { "" } else { "vocab_size = 300\n" };
    let toml = format!(
        "seed = 3\n[model]\nkind = \"decoder\"\nhidden_size = 32\nnum_hidden_layers = 2\nnum_attention_heads = 2\n\
         intermediate_size = 48\n{vocabulary}{model}\n[task]\nkind = \"text\"\ntrain = [\"text.txt\"]\ncontext = 48\n\
         [finetune]\nsteps = 60\nbatch = 4\noptimizer.lr = 0.02\noptimizer.warmup = 4\n[eval]\nevery = 10\nrows = 8\n\
         sample_tokens = 4\nsample_every = 20\n[record]\ncheckpoint_every = 7\n{methods}"
    );
    std::fs::write(dir.join("experiment.toml"), toml).unwrap();
    dir.join("experiment.toml")
}

/// What a command says that fails.
fn fail(line: &str, more: &[String]) -> Said {
    let said = say(line, more);
    assert!(said.code != 0, "floe {line}: {}", said.out);
    said
}

const ALL: &str = "[[methods]]\nname = \"own\"\ntrain = [\"*\"]\n";

#[test]
fn every_mixer_trains_and_is_held_beside_counting() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["softmax", "linear", "retention", "gated", "delta", "gated_delta"];
    let methods: String = names
        .iter()
        .map(|name| format!("[[methods]]\nname = \"{name}\"\nmixer = \"{name}\"\ntrain = [\"*\"]\n"))
        .collect();
    let toml = experiment(dir.path(), "", &methods);
    let run = dir.path().join("run");
    let said = succeed("run", &[text(&toml), "--out".into(), text(&run)]);
    assert!(said.err.contains("a tokenizer of") && said.err.contains("trained on the text"), "{}", said.err);
    let record = record(&run);
    let counted: Vec<&str> = record.baselines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(counted, ["unigram", "bigram", "trigram"]);
    let [unigram, bigram, trigram] = [0, 1, 2].map(|i| record.baselines[i].1);
    assert!(unigram > bigram && bigram > trigram, "{:?}", record.baselines);
    for (name, method) in names.iter().zip(&record.methods) {
        let loss = method.after.loss.unwrap();
        assert_eq!(method.name, *name);
        assert!(loss.mean < unigram - 0.05, "{name}: {} where counting gives {unigram}", loss.mean);
        assert!(loss.bytes > loss.tokens, "{name}: {loss:?}");
        assert_eq!(method.on_the_way.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [20, 40]);
        let model = Pretrained::open(&run.join(&method.written)).unwrap();
        let own = model.decoder().mixing.mixer(1).name();
        assert_eq!(own, *name);
        // What is written is read, and goes on.
        let said =
            succeed("generate", &[text(run.join(&method.written)), "--prompt".into(), "sun moon".into()]);
        assert!(!said.out.trim().is_empty(), "{name}");
    }
    let last = text(run.join("models/gated_delta"));
    assert!(succeed("model", &[&last]).out.contains("2 layers (gated_delta)"));
    let said = succeed("check", &["--model", &last]).out;
    assert!(said.contains("slopes are the gradient's") && said.contains("self_attn.dt_bias"), "{said}");
    // An adapter on one of them, and a head of its gates.
    let words = text(dir.path().join("text.txt"));
    for (how, to) in [("--lora", "v_proj"), ("--train", "*.b_proj.weight[h=1]")] {
        let out = text(dir.path().join(to.chars().filter(char::is_ascii_alphabetic).collect::<String>()));
        let said = succeed(
            "finetune",
            &["--model", &last, "--text", &words, how, to, "--steps", "2", "--out", &out],
        );
        assert!(said.err.contains("the gradient is right on this adapter"), "{}", said.err);
    }
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "Side by side",
        "bigram model",
        "bits a byte",
        "Six language models from scratch",
        "below the unigram",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_model_from_scratch_that_was_broken_off_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let toml = experiment(dir.path(), "mixer = [\"gated_delta\", \"softmax\"]", ALL);
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    succeed("run", &[text(&toml), "--out".into(), text(&whole)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_floe"))
        .args(["run", &text(&toml), "--out", &text(&broken)])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let state = broken.join("state");
    // Killed once a state is there.
    let mut line = String::new();
    while err.read_line(&mut line).unwrap() > 0 {
        let there = std::fs::read_dir(&broken)
            .is_ok_and(|all| all.flatten().any(|e| e.file_name().to_string_lossy().contains("own")));
        if there || state.exists() {
            break;
        }
        line.clear();
    }
    std::thread::sleep(std::time::Duration::from_millis(900));
    let _ = child.kill();
    let _ = err.read_to_string(&mut line);
    child.wait().unwrap();
    succeed("run", &[text(&broken), "--resume".into()]);
    let (a, b) = (tensors(&whole.join("models/own")), tensors(&broken.join("models/own")));
    for (name, data) in &a {
        let same = data.iter().zip(&b[name]).all(|(x, y)| x.to_bits() == y.to_bits());
        assert!(same, "{name}");
    }
    let lines = |run: &Path| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(lines(&whole), lines(&broken));
    let said = |run: &Path| record(run).methods[0].on_the_way.clone();
    assert_eq!(said(&whole), said(&broken));
}

#[test]
fn what_is_wrong_with_a_decoder_is_one_line() {
    let cases: [(&str, &str, &[&str]); 13] = [
        ("from = \"m\"", ALL, &["model.from", "leave one of them out"]),
        ("mixer = \"mamba\"", ALL, &["`mamba` is none", "gated_delta"]),
        ("mixer = [\"delta\", \"delta\", \"delta\"]", ALL, &["model.mixer", "3 mixers for 2 layers"]),
        ("head_dim = 8", ALL, &["`head_dim` is 8", "multiples of 16"]),
        ("num_key_value_heads = 3", ALL, &["2 query heads", "3 key/value heads"]),
        ("vocab_size = 100", ALL, &["model.vocab_size", "257"]),
        ("max_position_embeddings = 0", ALL, &["model.max_position_embeddings", "is 0"]),
        ("feature_map = \"gelu\"", ALL, &["model.feature_map", "`gelu` is none", "elu"]),
        ("normaliser = \"sum\"", ALL, &["model.normaliser", "`sum` is none", "mean"]),
        ("hiden_size = 4", ALL, &["no key `model.hiden_size`", "hidden_size"]),
        ("tokenizer = \"text.txt\"", ALL, &["text.txt", "is no tokenizer"]),
        ("", "[[methods]]\nname = \"a\"\nmixer = \"x\"\ntrain = [\"*\"]\n", &["`x` is none"]),
        ("", "[[methods]]\nname = \"a\"\nlora = { rank = 2 }\n", &["methods.a.lora", "published models"]),
    ];
    for (model, methods, parts) in cases {
        let dir = tempfile::tempdir().unwrap();
        let toml = experiment(dir.path(), model, methods);
        let run = dir.path().join("run");
        let said = fail("run", &[text(&toml), "--out".into(), text(&run)]);
        for part in parts {
            assert!(said.err.contains(part), "{model} {methods}: {part}: {}", said.err);
        }
        assert!(!run.exists(), "{model} {methods}");
    }
}

#[test]
fn a_tokenizer_is_trained_and_taken() {
    let dir = tempfile::tempdir().unwrap();
    let toml = experiment(dir.path(), "tokenizer = \"own.json\"", ALL);
    let (words, own) = (dir.path().join("text.txt"), dir.path().join("own.json"));
    let train = |more: &[&str]| -> Vec<String> {
        let all = ["train", "--text", &text(&words), "--out", &text(&own)].map(String::from);
        all.into_iter().chain(more.iter().map(|s| s.to_string())).collect()
    };
    let said = succeed("tokenizer", &train(&["--vocab", "290"]));
    assert!(said.out.contains("tokens") && said.out.contains("bytes a token"), "{}", said.out);
    let run = dir.path().join("run");
    succeed("run", &[text(&toml), "--out".into(), text(&run), "--set".into(), "finetune.steps=8".into()]);
    let model = Pretrained::open(&run.join("models/own")).unwrap();
    assert!(model.decoder().vocabulary <= 290 && model.tokenizer().unwrap().id("<|endoftext|>") == Some(0));
    assert!(fail("tokenizer", &train(&["--vocab", "9"])).err.contains("257"));
    std::fs::write(&words, "").unwrap();
    assert!(fail("tokenizer", &train(&[])).err.contains("has no text in it"));
}
