//! What is wrong with a model or a text is one line that names the place and the mend, and nothing is left behind.

use crate::common::*;
use crate::tiny::{Gguf, Tiny, tokenizer, tokens};
use serde_json::{Value, json};
use std::path::Path;

/// A damaged GGUF file is refused by a line with these parts.
fn refused(bytes: &[u8], parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, bytes).unwrap();
    let out = text(dir.path().join("out.safetensors"));
    let said = say("probe", &[&text(&path), "--text", "a", "--out", &out]);
    let error = said.error(1);
    parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
    assert!(error.contains("m.gguf"), "{error}");
    assert_eq!(names(dir.path()), ["m.gguf"]);
}

fn changed(change: impl Fn(&mut Gguf)) -> Vec<u8> {
    let mut file = Tiny::new("llama").gguf();
    change(&mut file);
    file.bytes()
}

#[test]
fn gguf_files_that_lie() {
    let healthy = Tiny::new("llama").gguf();
    let (head, data) = healthy.parts();
    refused(b"", &["torn"]);
    refused(b"GGML rest", &["is no GGUF file"]);
    refused(&head[..head.len() / 2], &["torn"]);
    refused(&[&head[..], &data[..data.len() - 64]].concat(), &["torn", "ends beyond"]);
    refused(&changed(|f| f.version = 1), &["version 1", "2 and 3"]);
    refused(&changed(|f| f.version = 3 << 24), &["big-endian"]);
    let mut counts = healthy.bytes();
    counts[8..16].copy_from_slice(&(1u64 << 63).to_le_bytes());
    refused(&counts, &["torn", "9223372036854775808 tensors"]);
    counts = healthy.bytes();
    counts[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&counts, &["torn", "keys"]);
    refused(&changed(|f| f.set("x", 8, (1u64 << 62).to_le_bytes().into())), &["torn", "key `x`"]);
    let many = [&5u32.to_le_bytes()[..], &(1u64 << 61).to_le_bytes()].concat();
    refused(&changed(|f| f.set("x", 9, many.clone())), &["torn", "elements of an array"]);
    refused(&changed(|f| f.set("x", 77, vec![])), &["kind 77"]);
    let raw = [&2u64.to_le_bytes()[..], b"\xff\xfe"].concat();
    refused(&changed(|f| f.set("x", 8, raw.clone())), &["not UTF-8"]);
    refused(&changed(|f| f.tensors[3].kind = 99), &["kind 99", "Q4_K"]);
    refused(&changed(|f| f.tensors[3].shape = vec![1 << 40, 1 << 40]), &["no size that a tensor can have"]);
    refused(&changed(|f| f.tensors[3].shape = vec![0, 20]), &["no size that a tensor can have"]);
    refused(&changed(|f| f.tensors[3].name = f.tensors[2].name.clone()), &["twice"]);
    let key = f32::NAN.to_le_bytes().to_vec();
    refused(&changed(|f| f.set("general.alignment", 4, 12u32.to_le_bytes().into())), &["general.alignment"]);
    refused(&changed(|f| f.set("llama.attention.layer_norm_rms_epsilon", 6, key.clone())), &["rms_norm_eps"]);
    refused(&changed(|f| f.keys.push(f.keys[0].clone())), &["twice"]);
}

#[test]
fn models_that_are_not_known() {
    refused(
        &changed(|f| f.text("general.architecture", "mamba\u{1b}[31m")),
        &["`mamba\\u{1b}[31m`", "llama and qwen2"],
    );
    refused(&changed(|f| f.text("tokenizer.ggml.model", "llama")), &["`llama`", "byte-level BPE"]);
    refused(&changed(|f| f.text("tokenizer.ggml.pre", "tekken")), &["`tekken`", "smollm"]);
    refused(&changed(|f| f.u32("llama.attention.head_count_kv", 3)), &["can't share"]);
    refused(&changed(|f| f.u32("llama.embedding_length", 24)), &["model.embed_tokens.weight", "[264, 20]"]);
    refused(&changed(|f| f.u32("llama.block_count", 3)), &["has no tensor `model.layers.2."]);
    refused(&changed(|f| f.u32("llama.block_count", 1)), &["model.layers.1.", "none of a llama decoder's"]);
    refused(&changed(|f| f.u32("llama.expert_count", 8)), &["llama.expert_count", "8"]);
    refused(&changed(|f| f.text("llama.rope.scaling.type", "yarn")), &["yarn"]);
    refused(&changed(|f| f.u32("llama.rope.dimension_count", 4)), &["rope.dimension_count"]);
    let longer: Vec<String> = tokens().into_iter().chain(["extra".into()]).collect();
    let more = |f: &mut Gguf| {
        f.texts("tokenizer.ggml.tokens", &longer);
        f.i32s("tokenizer.ggml.token_type", &vec![1; longer.len()]);
    };
    refused(&changed(more), &["265 tokens", "264 rows"]);
    refused(&changed(|f| f.texts("tokenizer.ggml.merges", &["x nonsense".into()])), &["merges `x nonsense`"]);
    let nan = f32::NAN.to_le_bytes();
    refused(&changed(|f| f.tensors[0].bytes[400..404].copy_from_slice(&nan)), &["not finite", "element 100"]);
}

/// A directory in which a file was changed is refused so.
fn directory(name: &str, change: impl Fn(&mut Value), parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let model = Tiny::new("llama").hub(&dir.path().join("m"), 2, "F32");
    let path = model.join(name);
    let mut value: Value = serde_json::from_str(&read(&path)).unwrap();
    change(&mut value);
    std::fs::write(&path, value.to_string()).unwrap();
    refuses(&model, parts);
}

fn refuses(model: &Path, parts: &[&str]) {
    let said = say("generate", &[&text(model), "--prompt", "a"]);
    let error = said.error(1);
    parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
}

#[test]
fn directories_that_lie() {
    let index = "model.safetensors.index.json";
    let shard = |to: &'static str| move |v: &mut Value| v["weight_map"]["model.norm.weight"] = json!(to);
    directory(index, shard("model.safetensors.index.json"), &["no .safetensors file beside it"]);
    directory(index, shard("../m/model-00001-of-00002.safetensors"), &["no .safetensors file beside it"]);
    directory(index, shard("gone.safetensors"), &["gone.safetensors"]);
    directory(index, shard("model-00001-of-00002.safetensors"), &["which has no such tensor"]);
    directory(index, |v| v["weight_map"] = json!(3), &["no `weight_map`"]);
    directory(index, |v| v["weight_map"] = json!({}), &["names no file"]);
    directory(
        "config.json",
        |v| v["architectures"] = json!(["GPT2LMHeadModel"]),
        &["`GPT2LMHeadModel`", "Qwen2ForCausalLM"],
    );
    directory("config.json", |v| v["hidden_size"] = json!(-4), &["`hidden_size`"]);
    directory("config.json", |v| v["hidden_size"] = json!(1u64 << 60), &["`hidden_size`"]);
    directory("config.json", |v| v["head_dim"] = json!(10), &["`head_dim` is 10", "multiples of 8"]);
    directory("config.json", |v| v["hidden_act"] = json!("gelu"), &["`hidden_act`", "silu"]);
    directory("config.json", |v| v["rope_scaling"] = json!({ "rope_type": "llama3" }), &["llama3"]);
    directory("config.json", |v| v["attention_bias"] = json!(true), &["attention_bias"]);
    directory("config.json", |v| v["tie_word_embeddings"] = json!(true), &["lm_head.weight"]);
    directory("tokenizer.json", |v| v["model"]["type"] = json!("Nonsense"), &["is no tokenizer"]);
    directory("tokenizer.json", |v| v["model"]["vocab"]["zz"] = json!(999), &["1000 tokens", "264 rows"]);
    let dir = tempfile::tempdir().unwrap();
    let model = Tiny::new("llama").hub(&dir.path().join("m"), 1, "F32");
    std::fs::remove_file(model.join("tokenizer.json")).unwrap();
    refuses(&model, &["has no tokenizer.json"]);
    std::fs::write(model.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    std::fs::write(model.join("config.json"), "{").unwrap();
    refuses(&model, &["is no JSON"]);
    std::fs::remove_file(model.join("config.json")).unwrap();
    refuses(&model, &["has no config.json"]);
    refuses(Path::new("gone.gguf"), &["is not there"]);
}

#[test]
fn texts_and_numbers_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("m.gguf"), Tiny::new("llama").gguf().bytes()).unwrap();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("blank", b" \n\n"),
        ("raw", b"\xff\xfe\x00"),
        ("one", b"a"),
        ("ok", b"some text"),
    ] {
        std::fs::write(path(name), bytes).unwrap();
    }
    let model = text(path("m.gguf"));
    let eval = |name: &str, more: &[&str]| {
        let file = text(path(name));
        say("eval", &[&[model.as_str(), "--text", &file], more].concat())
    };
    eval("empty", &[]).refuses(1, &["empty", "no text"]);
    eval("blank", &[]).refuses(1, &["blank", "no text"]);
    eval("raw", &[]).refuses(1, &["raw", "not UTF-8"]);
    eval("one", &[]).refuses(1, &["one", "1 tokens"]);
    eval("gone", &[]).refuses(1, &["gone", "no such file"]);
    eval("ok", &["--context", "97"]).refuses(2, &["--context", "97", "context of 96"]);
    eval("ok", &["--context", "8", "--stride", "9"]).refuses(2, &["--stride", "leave tokens out"]);
    eval("ok", &["--out", &model]).refuses(2, &["would write"]);
    let generate = |more: &[&str]| say("generate", &[&[model.as_str()], more].concat());
    generate(&["--prompt", ""]).refuses(2, &["--prompt"]);
    generate(&["--prompt", "a", "--max-tokens", "96"]).refuses(2, &["97 tokens", "context of 96"]);
    for (flag, value) in [
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--top-p", "0"),
        ("--top-p", "1.5"),
        ("--max-tokens", "0"),
    ] {
        let said = generate(&["--prompt", "a", flag, value]);
        assert!(said.code == 2 && said.err.contains(flag), "{flag} {value}: {}", said.err);
    }
    let mut silent = Tiny::new("llama").gguf();
    silent.keys.retain(|(key, ..)| key != "tokenizer.chat_template");
    std::fs::write(path("silent.gguf"), silent.bytes()).unwrap();
    say("generate", &[&text(path("silent.gguf")), "--prompt", "a", "--chat"])
        .refuses(1, &["no chat template", "--chat"]);
    silent.text(
        "tokenizer.chat_template",
        "{% for x in range(100000) %}{% for y in range(100000) %}x{% endfor %}{% endfor %}",
    );
    std::fs::write(path("endless.gguf"), silent.bytes()).unwrap();
    say("generate", &[&text(path("endless.gguf")), "--prompt", "a", "--chat"]).refuses(1, &["chat template"]);
    silent.text("tokenizer.chat_template", "{{ raise_exception('only\u{1b} users') }}");
    std::fs::write(path("strict.gguf"), silent.bytes()).unwrap();
    say("generate", &[&text(path("strict.gguf")), "--prompt", "a", "--chat"])
        .refuses(1, &["only\\u{1b} users"]);
}
