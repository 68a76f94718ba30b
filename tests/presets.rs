//! The presets: each loads, names and explains every key, and reads back the same.

use floe::config::{
    Asked, Config, Loss, PRESETS, QueryKey, Rule, Schedule, Task, TextConfig, load, load_any, preset,
    resolve_language, resolve_text,
};
use std::path::PathBuf;

fn sets(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

/// Every key of a table, by path; a list of tables is its elements' keys.
fn keys(value: &toml::Value, path: &str, out: &mut Vec<String>) {
    let join = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(k, v)| keys(v, &join(k), out)),
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            list.iter().for_each(|v| keys(v, path, out));
        }
        _ => out.push(path.to_string()),
    }
}

fn keys_of(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    keys(&toml::Value::Table(text.parse().unwrap()), "", &mut out);
    out.sort();
    out.dedup();
    out
}

/// Presets on language models.
const LANGUAGE: [&str; 4] = ["finetune", "text", "mixers", "text-large"];

/// What makes a preset an experiment for `floe run`.
fn plain(preset: &str) -> Vec<String> {
    if preset == "paper-sweep" { sets(&["sweep={}"]) } else { Vec::new() }
}

#[test]
fn presets_load_and_name_every_key() {
    assert_eq!(
        PRESETS.iter().map(|p| p.name).collect::<Vec<_>>(),
        ["paper", "paper-qkv", "tables", "paper-sweep", "finetune", "text", "mixers", "text-large"]
    );
    for preset in PRESETS.iter().filter(|preset| !LANGUAGE.contains(&preset.name)) {
        let config = load(preset.name, &plain(preset.name)).unwrap_or_else(|e| panic!("{e}"));
        assert!(!preset.about.is_empty() && !preset.about.contains('\n'));
        // Every key that the resolved configuration has is written out in the preset, and no other.
        let mut keys = keys_of(preset.toml);
        keys.retain(|key| !key.starts_with("sweep."));
        assert_eq!(keys, keys_of(&config.to_toml().unwrap()), "{}", preset.name);
        // A method's optional keys are explained.
        for word in ["steps, lr ", "[methods.optimizer]", "weight ", "schedule "] {
            assert!(preset.toml.contains(word), "{}: {word}", preset.name);
        }
        for (number, line) in preset.toml.lines().enumerate() {
            assert!(line.len() <= 120, "{}:{}: a line of {}", preset.name, number + 1, line.len());
        }
    }
}

#[test]
fn the_preset_of_language_models_is_at_the_defaults_and_names_every_key() {
    let text = preset("finetune").unwrap().toml;
    let asked = || sets(&["model.from=m", "task.train=[\"a.txt\"]"]);
    let Asked::Text(config) = load_any("finetune", &asked()).unwrap() else {
        panic!("an experiment on text")
    };
    let written = config.to_toml().unwrap();
    assert_eq!(resolve_language("a.toml", &written, &[]).unwrap(), *config);
    let mut keys = keys_of(&written);
    keys.retain(|key| key != "finetune.groups");
    assert_eq!(keys, keys_of(text));
    let mut plain = TextConfig { methods: config.methods.clone(), ..TextConfig::default() };
    (plain.model, plain.task.train) = (config.model.clone(), config.task.train.clone());
    assert_eq!(*config, plain);
    for word in ["steps, lr ", "lora ", "[[finetune.groups]]", "weight_decay = 0.0"] {
        assert!(text.contains(word), "{word}");
    }
    assert!(text.lines().all(|line| line.len() <= 120));
    // What it can't know is asked for, by its key.
    let missing = load_any("finetune", &[]).unwrap_err().to_string();
    assert!(missing.contains("`model.from`") && missing.contains("Hugging Face directory"), "{missing}");
    let missing = load_any("finetune", &asked()[..1]).unwrap_err().to_string();
    assert!(missing.contains("`task.train`"), "{missing}");
}

#[test]
fn presets_from_scratch_load_and_name_every_key() {
    for name in &LANGUAGE[1..] {
        let text = preset(name).unwrap().toml;
        let Asked::Text(config) = load_any(name, &[]).unwrap() else { panic!("an experiment on text") };
        let written = config.to_toml().unwrap();
        assert_eq!(resolve_language("a.toml", &written, &[]).unwrap(), *config);
        let mut keys = keys_of(text);
        keys.retain(|key| !["finetune.groups", "eval.sample_every"].contains(&key.as_str()));
        let mut have = keys_of(&written);
        have.retain(|key| !["finetune.groups", "eval.sample_every"].contains(&key.as_str()));
        assert_eq!(keys, have, "{name}");
        assert!(text.lines().all(|line| line.len() <= 120), "{name}");
    }
    let Asked::Text(all) = load_any("mixers", &[]).unwrap() else { panic!("an experiment on text") };
    let mixers: Vec<&str> = all.methods.iter().map(|method| method.mixer[0].as_str()).collect();
    assert_eq!(mixers, ["softmax", "linear", "retention", "gated", "delta", "gated_delta"]);
}

/// Each setting of a preset has its comment above it, but for the second optimizer, which repeats the first, and the
/// methods, whose keys are explained together.
#[test]
fn presets_explain_every_key() {
    // Fields of a line of JSON are explained together, as is what tells the kind.
    let together = [
        "kind = \"text\"",
        "prompt = ",
        "completion = ",
        "messages = ",
        "holdout = ",
        "field = ",
        "long = ",
        "accumulate = ",
        "normaliser = ",
    ];
    for preset in PRESETS {
        let head = preset.toml.split("[[methods]]").next().unwrap();
        let (mut section, mut above) = ("", "");
        for line in head.lines() {
            if line.starts_with('[') {
                section = line;
            } else if line.contains(" = ")
                && !line.starts_with('#')
                && section != "[finetune.optimizer]"
                && !together.iter().any(|own| line.starts_with(own))
            {
                assert!(above.starts_with('#'), "{}: no comment above `{line}`", preset.name);
            }
            above = line;
        }
    }
}

#[test]
fn the_paper_preset_is_the_default_and_six_methods() {
    let paper = load("paper", &[]).unwrap();
    assert_eq!(Config { methods: Vec::new(), ..paper.clone() }, Config::default());
    let names: Vec<&str> = paper.methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["zs-all", "zs-qk", "zs-v", "zsfs-all", "zsfs-qk", "zsfs-v"]);
    for method in &paper.methods {
        let zs_only = method.name.starts_with("zs-");
        assert_eq!(method.loss, if zs_only { Loss::Zs } else { Loss::ZsFs });
        assert_eq!(method.schedule, if zs_only { Schedule::Constant } else { Schedule::Linear });
    }

    let qkv = load("paper-qkv", &[]).unwrap();
    assert_eq!(qkv.model.qk, QueryKey::Separate);
    let trained: Vec<&str> = qkv.methods.iter().map(|m| m.train[0].as_str()).collect();
    assert_eq!(trained, ["*", "*.q", "*.k", "*.v", "*", "*.q", "*.k", "*.v"]);

    let tables = load("tables", &[]).unwrap();
    assert!(matches!(&tables.task, Task::Tables(t) if t.path == PathBuf::new() && t.log1p.len() == 5));
    assert_eq!(tables.pretrain.optimizer.rule, Rule::Adam);
    assert!(preset("tables").is_some() && preset("table").is_none());
}

#[test]
fn resolved_presets_read_back_the_same() {
    for preset in PRESETS.iter().filter(|preset| !LANGUAGE.contains(&preset.name)) {
        let changed = sets(&["seed=3", "model.layers=2", "methods.zs-v.lr=0.25"]);
        let config = load(preset.name, &[plain(preset.name), changed].concat()).unwrap();
        assert_eq!(
            resolve_text("a.toml", &config.to_toml().unwrap(), &[]).unwrap(),
            config,
            "{}",
            preset.name
        );
    }
}
