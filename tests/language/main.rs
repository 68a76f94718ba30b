//! Language models as their users meet them, on tiny random ones: logits of every kind of file against f64, and the commands.

mod adapter;
mod bad;
#[path = "../common/mod.rs"]
mod common;
mod kinds;
mod mixers;
#[path = "../common/tiny.rs"]
mod tiny;
mod train;

use common::*;
use floe::gpu;
use floe::kernels::Tuning;
use floe::models::lm::{Room, Runner, Weights};
use floe::pretrained::Pretrained;
use floe::store::checkpoint;
use serde_json::Value;
use std::path::Path;
use std::rc::Rc;
use tiny::{Tiny, id_of};

const TEXT: &str = "The other 42 others: the weather there, and then the theatre.";

fn runner(path: &Path, rows: usize) -> (gpu::Engine, Runner) {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let model = Pretrained::open(path).unwrap_or_else(|e| panic!("{e}"));
    let weights = Weights::load(&model, &engine, &tuning).unwrap();
    (engine, Runner::new(Rc::new(weights), Room { rows, tokens: 96 }, &tuning))
}

/// Logits, the cache and losses of a model, against its own in f64.
fn holds(model: &Tiny, path: &Path) {
    let ids: Vec<u32> = (0..29).map(|i| (i * 37 + 11) % model.decoder.vocabulary as u32).collect();
    let expected = model.logits(&ids);
    let words = model.decoder.vocabulary;
    // Two passes: the second behind the first.
    let (engine, mut runner) = runner(path, 17);
    let mut row = 0;
    let near = |found: &[f32], row: usize| {
        for (i, (a, b)) in found.iter().zip(&expected[row * words..]).enumerate() {
            assert!((f64::from(*a) - b).abs() < 2e-4, "{}: logit {i} of row {row}: {a} {b}", path.display());
        }
    };
    let mut one = |found: &[f32]| {
        assert_eq!(found.len(), words);
        near(found, row);
        row += 1;
        Ok(())
    };
    runner.logits(&engine, &ids, &mut one).unwrap();
    assert_eq!(row, ids.len());
    runner.rewind(0);
    near(&runner.feed(&engine, &ids[..20]).unwrap(), 19);
    for (i, id) in ids[20..].iter().enumerate() {
        near(&runner.feed(&engine, &[*id]).unwrap(), 20 + i);
    }
    // A token again, as if the others had never been.
    runner.rewind(7);
    near(&runner.feed(&engine, &ids[7..9]).unwrap(), 8);
    let losses = runner.losses(&engine, &ids[..17]).unwrap();
    for (a, b) in losses.iter().zip(model.losses(&ids[..17])) {
        assert!((f64::from(*a) - b).abs() < 1e-4, "{}: {a} {b}", path.display());
    }
}

#[test]
fn logits_are_those_of_the_definition() {
    let dir = tempfile::tempdir().unwrap();
    for (architecture, shards, dtype) in [("llama", 1, "F32"), ("qwen2", 3, "BF16"), ("mistral", 2, "F16")] {
        let model = Tiny::new(architecture);
        holds(&model, &model.hub(&dir.path().join(architecture), shards, dtype));
    }
    for architecture in ["llama", "qwen2"] {
        let (model, path) = (Tiny::new(architecture), dir.path().join(format!("{architecture}.gguf")));
        std::fs::write(&path, model.gguf().bytes()).unwrap();
        holds(&model, &path);
    }
}

/// What `tests/interop/lm.py` wrote: models with the logits that PyTorch's f64 gives by the definition.
#[test]
fn logits_are_those_of_pytorch() {
    for name in ["llama", "qwen2"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lm").join(name);
        let expected: Value = serde_json::from_str(&read(path.join("expected.json"))).unwrap();
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let ids: Vec<u32> = numbers(&expected["ids"]).into_iter().map(|id| id as u32).collect();
        let (engine, mut runner) = runner(&path, 16);
        let mut row = 0;
        let check = |found: &[f32]| {
            let all = numbers(&expected["logits"][row]);
            assert_eq!(found.len(), all.len());
            for (i, (a, b)) in found.iter().zip(all).enumerate() {
                assert!((f64::from(*a) - b).abs() < 2e-5 * b.abs().max(1.0), "{name}: {i} of {row}: {a} {b}");
            }
            row += 1;
            Ok(())
        };
        runner.logits(&engine, &ids, check).unwrap();
        assert_eq!(row, ids.len());
        let losses = runner.losses(&engine, &ids).unwrap();
        let mean = losses.iter().map(|x| f64::from(*x)).sum::<f64>() / losses.len() as f64;
        let loss = expected["loss"].as_f64().unwrap();
        assert!((mean - loss).abs() < 1e-5 * loss, "{name}: {mean} {loss}");
        if let Some(texts) = expected["texts"].as_object() {
            let tokenizer = Pretrained::open(&path).unwrap().tokenizer().unwrap();
            for (text, ids) in texts {
                let ids: Vec<u32> = numbers(ids).into_iter().map(|id| id as u32).collect();
                assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
            }
        }
    }
}

/// A model of each kind of file, and a text.
fn files(dir: &Path) -> [String; 3] {
    let model = Tiny::new("llama");
    let gguf = dir.join("tiny.gguf");
    std::fs::write(&gguf, model.gguf().bytes()).unwrap();
    let written = dir.join("text.txt");
    std::fs::write(&written, TEXT.repeat(7)).unwrap();
    [text(gguf), text(model.hub(&dir.join("tiny"), 1, "F32")), text(written)]
}

#[test]
fn a_model_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let [gguf, hub, _] = files(dir.path());
    for (path, format) in [(&gguf, "GGUF v3"), (&hub, "safetensors")] {
        let said = say("model", &[path, "--train", "*.v_proj.weight[h=1]"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let parts = [
            format,
            "2 layers, width 20, 4 heads of 8 that share 2 of keys and values, MLP 36, context 96",
            "264 tokens, <|im_end|> ends a text; it has a chat template",
            "model.layers.*.self_attn.q_proj.weight",
            "to generate, 96 tokens",
            "trains 320 of",
            "model.layers.0 to model.layers.1 160 of",
            "to train it by AdamW, a pass of 96 tokens",
            "the rest",
        ];
        parts.iter().for_each(|part| assert!(said.out.contains(part), "{part}: {}", said.out));
    }
    say("model", &[&gguf, "--train", "*.w_proj.weight"]).refuses(2, &["--train", "w_proj"]);
}

#[test]
fn texts_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let [gguf, hub, _] = files(dir.path());
    let made = |path: &str, more: &[&str]| {
        let said = say("generate", &[&[path, "--prompt", "the other", "--max-tokens", "12"], more].concat());
        assert_eq!(said.code, 0, "{}", said.err);
        said
    };
    let greedy = made(&gguf, &[]);
    assert_eq!(greedy.out, made(&hub, &[]).out, "the two files are of one model");
    assert_eq!(greedy.out, made(&gguf, &["--temperature", "1", "--top-k", "1"]).out);
    assert!(greedy.err.contains("to the first token") && greedy.err.contains("a second"), "{}", greedy.err);
    let drawn = |seed: &str| made(&gguf, &["--temperature", "1.5", "--top-p", "0.9", "--seed", seed]).out;
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    // The template's tokens are taken for what they are: a conversation is another prompt than its words.
    let chat = made(
        &gguf,
        &["--chat", "--system", "Be brief.", "--temperature", "1.5", "--top-p", "0.9", "--seed", "1"],
    );
    assert_ne!(chat.out, drawn("1"));
}

#[test]
fn what_is_made_is_what_the_definition_makes() {
    let dir = tempfile::tempdir().unwrap();
    let [gguf, ..] = files(dir.path());
    let (model, tokenizer) =
        (Tiny::new("llama"), Pretrained::open(Path::new(&gguf)).unwrap().tokenizer().unwrap());
    let mut ids = tokenizer.encode("the other").unwrap();
    let (words, mut bytes) = (model.decoder.vocabulary, Vec::new());
    for _ in 0..12 {
        let logits = model.logits(&ids);
        let last = &logits[logits.len() - words..];
        let id = (0..words).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap() as u32;
        if id == id_of("<|im_end|>") {
            break;
        }
        bytes.extend(tokenizer.bytes(id).unwrap_or_default());
        ids.push(id);
    }
    let said = say("generate", &[&gguf, "--prompt", "the other", "--max-tokens", "12"]);
    let expected = floe::escape::lines(&String::from_utf8_lossy(&bytes)).into_owned() + "\n";
    assert_eq!(said.out, expected);
}

#[test]
fn texts_are_foretold() {
    let dir = tempfile::tempdir().unwrap();
    let [gguf, _, written] = files(dir.path());
    let model = Tiny::new("llama");
    let ids =
        Pretrained::open(Path::new(&gguf)).unwrap().tokenizer().unwrap().encode(&TEXT.repeat(7)).unwrap();
    let out = text(dir.path().join("scores.csv"));
    let more = [&gguf, "--text", &written, "--context", "32", "--stride", "32", "--out", &out];
    let said = say("eval", &more);
    assert_eq!(said.code, 0, "{}", said.err);
    let losses: Vec<f64> = ids.chunks(32).filter(|w| w.len() > 1).flat_map(|w| model.losses(w)).collect();
    let nats = losses.iter().sum::<f64>() / losses.len() as f64;
    let mut reader = csv::Reader::from_path(&out).unwrap();
    let row: Vec<std::collections::BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    let number = |name: &str| row[0][name].parse::<f64>().unwrap();
    assert_eq!(number("tokens") as usize, losses.len());
    assert!((number("nats") - nats).abs() < 1e-5, "{} {nats}", number("nats"));
    assert!((number("perplexity") / nats.exp() - 1.0).abs() < 1e-4);
    let bits = nats * losses.len() as f64 / std::f64::consts::LN_2 / number("bytes");
    assert!((number("bits_per_byte") - bits).abs() < 1e-5 && number("bits_per_byte_stderr") > 0.0);
    // With more before them, tokens are counted once each.
    let said = say("eval", &[&gguf, "--text", &written, &written, "--context", "32", "--stride", "8"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let counted = format!("{}", ids.len() - 1);
    assert_eq!(said.out.matches(&counted).count(), 2, "{counted}: {}", said.out);
    assert!(said.out.contains('±') && said.out.contains("bits a byte"), "{}", said.out);
}

#[test]
fn a_probe_has_logits_and_loss() {
    let dir = tempfile::tempdir().unwrap();
    let [_, hub, _] = files(dir.path());
    let out = dir.path().join("probe.safetensors");
    let said = say("probe", &[&hub, "--text", "the weather", "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{}", said.err);
    let found = checkpoint::read(&out).unwrap().tensors;
    let ids: Vec<u32> = found["ids"].data.iter().map(|&id| id as u32).collect();
    let model = Tiny::new("llama");
    assert_eq!(found["logits"].shape, [ids.len(), model.decoder.vocabulary]);
    let expected = model.logits(&ids);
    assert!(found["logits"].data.iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 2e-4));
    let losses = model.losses(&ids);
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((f64::from(found["loss"].data[0]) - mean).abs() < 1e-4);
}

#[test]
fn memory_is_what_was_planned() {
    let dir = tempfile::tempdir().unwrap();
    let [gguf, ..] = files(dir.path());
    let model = Pretrained::open(Path::new(&gguf)).unwrap();
    let (engine, mut runner) = runner(Path::new(&gguf), 24);
    runner.feed(&engine, &(0..24).collect::<Vec<u32>>()).unwrap();
    let most = engine.adapter().storage_bytes;
    let tuning = Tuning::of(engine.adapter());
    let room = Room { rows: 24, tokens: 96 };
    let planned = |losses: bool| {
        floe::models::lm::inference(model.decoder(), room, losses, most, &tuning).bytes() as f64
    };
    let near = |held: f64, planned: f64| assert!((held / planned - 1.0).abs() < 0.1, "{held} of {planned}");
    near(engine.ledger().bytes() as f64, planned(false));
    runner.losses(&engine, &(0..24).collect::<Vec<u32>>()).unwrap();
    near(engine.ledger().bytes() as f64, planned(true));
}
