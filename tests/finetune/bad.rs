//! What is wrong with an experiment on a language model, or with an adapter, is one line, and nothing is left behind.

use super::common::*;
use super::{TWO, given};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn experiments_that_can_not_be_run() {
    let given = given("llama");
    let values = "[[methods]]\nname = \"values\"\ntrain = [\"*.v_proj.weight\"]\n";
    let cases: [(&str, &str, &[&str]); 22] = [
        ("", "", &["`methods` is empty", "[[methods]]"]),
        ("", "[[methods]]\nname = \"a\"\n", &["`methods.a.train` is empty", "or give a lora"]),
        (
            "",
            "[[methods]]\nname = \"a\"\ntrain = [\"*.w_proj\"]\n",
            &["method `a`", "`*.w_proj`", "no parameter is called that"],
        ),
        (
            "",
            "[[methods]]\nname = \"a\"\ntrain = [\"*.v_proj.weight\", \"!*\"]\n",
            &["method `a`", "nothing is left to train"],
        ),
        (
            "",
            "[[methods]]\nname = \"a\"\nlora = { targets = [\"w_proj\"] }\n",
            &["method `a`", "lora target `w_proj`", "q_proj, k_proj"],
        ),
        (
            "",
            "[[methods]]\nname = \"a\"\ntrain = [\"*\"]\nlora = { rank = 2 }\n",
            &["`methods.a.train`", "beside a lora"],
        ),
        ("", "[[methods]]\nname = \"a\"\nlora = { rank = 0 }\n", &["`methods.a.lora.rank` is 0"]),
        ("", "[[methods]]\nname = \"a\"\nlora = { dropout = 1.0 }\n", &["`methods.a.lora.dropout` is 1"]),
        (
            "",
            "[[methods]]\nname = \"a\"\nlora = { rnak = 2 }\n",
            &["no key `methods.a.lora.rnak`", "did you mean", "rank"],
        ),
        (
            "",
            "[[methods]]\nname = \"a\"\ntrain = [\"*\"]\nlr = 1e39\n",
            &["`methods.a.lr`", "single precision"],
        ),
        ("", "[[methods]]\nname = \"a/b\"\ntrain = [\"*\"]\n", &["methods", "cannot be in it"]),
        ("steps = 0", values, &["`finetune.steps` is 0"]),
        ("batch = 4000000000", values, &["`finetune.batch` is 4000000000"]),
        ("optimiser = 1", values, &["no key `finetune.optimiser`", "finetune.optimizer"]),
        (
            "memory_gb = 0.0001",
            values,
            &[
                "method `values` takes",
                "of device memory",
                "finetune.memory_gb allows",
                "finetune.batch = 3",
                "task.context = 24",
                "finetune.recompute",
            ],
        ),
        ("groups = [{ of = [\"*norm*\"] }]", values, &["changes nothing"]),
        ("groups = [{ of = [\"*.x\"], lr = 0.1 }]", values, &["method `values`", "finetune.groups", "`*.x`"]),
        ("keep = \"worst\"", values, &["`finetune.keep`", "best", "last"]),
        ("shots = 3", values, &["no key `finetune.shots`"]),
        ("", "loss = 1", &["loss"]),
        ("", "[[methods]]\ntrain = [\"*\"]\n", &["a method needs `name`"]),
        ("", "[[methods]]\nname = \"a\"\ntrain = [\"*\"]\nsteps = 2\n", &["`methods.a.steps`", "warm-up"]),
    ];
    for (more, methods, parts) in cases {
        let (toml, out) = (given.experiment(more, methods), given.path("run"));
        let more = if more.starts_with("steps") || more.starts_with("batch") {
            // The key is in the file already: it comes from the command line.
            let set = format!("finetune.{}", more.replace(" = ", "="));
            let toml = given.experiment("", methods);
            say("run", &[text(&toml), "--out".into(), text(&out), "--set".into(), set])
        } else {
            say("run", &[text(&toml), "--out".into(), text(&out)])
        };
        let error = more.error(2);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
        assert!(!out.exists(), "{error}");
    }
    let toml = given.experiment("", values);
    for (set, parts) in [
        ("model.from=nowhere", &["nowhere", "is not there"][..]),
        ("task.train=[\"nowhere.txt\"]", &["nowhere.txt", "there is no such file"]),
        ("task.context=97", &["`task.context` is 97", "context of 96"]),
        ("task.context=1", &["`task.context` is 1"]),
        ("task.holdout=1", &["`task.holdout`"]),
        ("eval.samples=[\"\"]", &["eval.samples"]),
        ("eval.every=0", &["`eval.every` is 0"]),
    ] {
        let said = say("run", &[&text(&toml), "--out", &text(given.path("other")), "--set", set]);
        let error = said.error(if set.starts_with("model.from") || set.contains("nowhere") { 1 } else { 2 });
        parts.iter().for_each(|part| assert!(error.contains(part), "{set}: {part}: {error}"));
    }
    // Other commands say whose it is.
    say("sweep", &[text(&toml)]).refuses(2, &["floe"]);
    say("pretrain", &[&text(&toml), "--out", "x.safetensors"]).refuses(2, &["floe run"]);
    say("run", &[&text(&toml), "--out", &text(given.path("p")), "--profile"]).refuses(2, &["--profile"]);
}

#[test]
fn a_rate_that_breaks_a_model_ends_the_run_and_leaves_no_model() {
    let given = given("llama");
    let toml = given.experiment("", "[[methods]]\nname = \"all\"\ntrain = [\"*\"]\nlr = 1e30\n");
    let out = given.path("run");
    let said = say("run", &[text(&toml), "--out".into(), text(&out)]);
    let error = said.error(1);
    assert!(error.contains("all") && error.contains("step") && error.contains("learning rate"), "{error}");
    assert!(!out.join("models").exists());
}

#[test]
fn adapters_of_other_models_and_torn_ones() {
    let given = given("llama");
    let (toml, run) = (given.experiment("", TWO), given.path("run"));
    succeed("run", &[&text(&toml), "--out", &text(&run), "--set", "finetune.steps=3"]);
    let own = run.join("adapters/low");
    let refused = |change: &dyn Fn(&Path), parts: &[&str]| {
        let dir = given.path("changed");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            std::fs::copy(own.join(name), dir.join(name)).unwrap();
        }
        change(&dir);
        let out = given.path("merged");
        let said = say("merge", &[&text(&given.model), "--adapter", &text(&dir), "--out", &text(&out)]);
        let error = said.error(1);
        parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
        assert!(!out.exists());
    };
    let config = |key: &'static str, value: Value| {
        move |dir: &Path| {
            let path = dir.join("adapter_config.json");
            let mut all: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            all[key] = value.clone();
            std::fs::write(&path, all.to_string()).unwrap();
        }
    };
    refused(&config("peft_type", json!("IA3")), &["`peft_type` is `IA3`"]);
    refused(&config("use_dora", json!(true)), &["`use_dora`"]);
    refused(&config("r", json!(0)), &["rank `r`"]);
    refused(&config("r", json!(4)), &["another rank"]);
    refused(&config("lora_alpha", json!("x")), &["`lora_alpha`"]);
    refused(&config("rank_pattern", json!({ "q_proj": 2 })), &["`rank_pattern`"]);
    refused(&config("bias", json!("all")), &["`bias` is `all`"]);
    refused(&|dir| std::fs::write(dir.join("adapter_config.json"), "{").unwrap(), &["is no JSON"]);
    refused(
        &|dir| std::fs::remove_file(dir.join("adapter_config.json")).unwrap(),
        &["has no adapter_config.json"],
    );
    refused(
        &|dir| std::fs::remove_file(dir.join("adapter_model.safetensors")).unwrap(),
        &["has no adapter_model"],
    );
    refused(
        &|dir| {
            let path = dir.join("adapter_model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        },
        &["adapter_model.safetensors"],
    );
    refused(
        &|dir| {
            std::fs::copy(given.model.join("model.safetensors"), dir.join("adapter_model.safetensors"))
                .unwrap();
        },
        &["is none of a LoRA's"],
    );
    // Of a model of other sizes.
    let other = super::given("qwen2");
    let mut wide = super::tiny::Tiny::new("llama").decoder;
    (wide.width, wide.layers) = (24, 1);
    let wide = super::tiny::Tiny::of("llama", wide).hub(&other.path("wide"), 1, "F32");
    let said = say("generate", &[&text(wide), "--adapter", &text(&own), "--prompt", "the"]);
    let error = said.error(1);
    assert!(error.contains("another model"), "{error}");
    // What is there is not written over.
    let out = given.path("taken");
    std::fs::create_dir(&out).unwrap();
    let args = [&text(&given.model), "--adapter", &text(&own), "--out", &text(&out)];
    let said = say("merge", &args);
    assert!(said.error(1).contains("is there already"));
}
