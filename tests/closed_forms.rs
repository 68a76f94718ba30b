//! Closed-form optima belong to what was trained, whatever a method is called. Nothing here needs a device.

use floe::Row;
use floe::config;
use floe::job::{Experiment, Family};

/// The references of an experiment in two covariates with these keys and methods, `name loss train` each.
fn references(keys: &str, methods: &[(&str, &str, &str)], more: &str) -> Vec<Row> {
    let mut text = format!("{keys}\n[eval]\nshots = 4\nprompts = 10\nseeds = 1\n");
    for (name, loss, train) in methods {
        text += &format!("[[methods]]\nname = \"{name}\"\nloss = \"{loss}\"\ntrain = [{train}]\n{more}\n");
    }
    let config =
        config::resolve_text("test", &text, &["task.dim=2".into()]).unwrap_or_else(|e| panic!("{e}"));
    Experiment::open(config).unwrap_or_else(|e| panic!("{e}")).references().unwrap()
}

/// Models that have a closed form, in order.
fn named(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> =
        rows.iter().filter_map(|row| row.model.strip_prefix("theory:").map(String::from)).collect();
    names.dedup();
    names.sort();
    names.dedup();
    names
}

fn values(rows: &[Row], model: &str) -> Vec<(String, usize, f64)> {
    let own = rows.iter().filter(|row| row.model == format!("theory:{model}"));
    own.map(|row| (row.task.clone(), row.shots, row.mean)).collect()
}

#[test]
fn a_name_decides_nothing() {
    let rows = references(
        "",
        &[
            ("zs-v", "zs", r#""*.qk""#),
            ("foo", "zs", r#""*.v""#),
            ("zs-all", "fs", r#""*""#),
            ("zsfs-v", "zs", r#""*""#),
        ],
        "",
    );
    assert_eq!(named(&rows), ["foo", "pretrained", "zsfs-v"]);
    let paper = config::load("paper", &["task.dim=2".into(), "eval.shots=4".into()]).unwrap();
    let paper = Experiment::open(paper).unwrap().references().unwrap();
    assert_eq!(named(&paper), ["pretrained", "zs-all", "zs-v", "zsfs-v"]);
    assert_eq!(values(&rows, "foo"), values(&paper, "zs-v"));
    assert_eq!(values(&rows, "zsfs-v"), values(&paper, "zs-all"));
    assert_eq!(values(&rows, "foo").len(), 3 * 5);
}

#[test]
fn the_elements_that_matter_decide() {
    let rows = references(
        "",
        &[
            ("row", "zs", r#""*.v[row=-1]""#),
            ("x", "zs", r#""*.v[row=-1,col=1..3]""#),
            ("first", "zs", r#""*.v[row=0..-1]""#),
            ("half", "zs", r#""*.v[row=-1,col=1]""#),
            ("with-qk", "zs", r#""*.v", "*.qk[row=1]""#),
            ("met", "zs", r#""*.v", "*.qk[row=0..-1,col=0..-1]""#),
        ],
        "",
    );
    assert_eq!(named(&rows), ["met", "pretrained", "row", "x"]);
    assert_eq!(values(&rows, "row"), values(&rows, "x"));
    assert_ne!(values(&rows, "row"), values(&rows, "met"));
}

#[test]
fn the_few_shot_weight_decides() {
    let method = [("m", "zs+fs", r#""*.v""#)];
    for (more, has) in [
        ("schedule = \"linear\"", true),
        ("schedule = \"cosine\"\nweight = 0.3", true),
        ("schedule = \"constant\"", false),
        ("schedule = \"constant\"\nweight = 0.0", true),
    ] {
        let rows = references("", &method, more);
        assert_eq!(named(&rows).contains(&"m".to_string()), has, "{more}");
    }
    let fading = references("", &method, "schedule = \"linear\"");
    let frozen = references("", &[("m", "zs+fs", r#""*.v[row=-1,col=1..3]""#)], "schedule = \"linear\"");
    let zero = references("", &[("m", "zs", r#""*.v""#)], "");
    assert_ne!(values(&fading, "m"), values(&zero, "m"));
    assert_eq!(values(&frozen, "m"), values(&zero, "m"), "without v_y the few-shot loss decides nothing");
}

#[test]
fn the_model_and_its_optimizer_decide() {
    let methods = [("v", "zs", r#""*.v""#), ("all", "zs", r#""*""#)];
    for (keys, wanted) in [
        ("[model]\nlayers = 2", &[][..]),
        ("[model]\nheads = 2", &[]),
        ("[model]\nqk = \"separate\"", &["pretrained", "v"]),
        ("[pretrain.optimizer]\nweight_decay = 0.1", &[]),
        ("[finetune.optimizer]\nweight_decay = 0.1", &["pretrained"]),
        ("[finetune.optimizer]\nrule = \"adam\"", &["pretrained", "v"]),
        ("", &["all", "pretrained", "v"]),
    ] {
        let rows = references(keys, &methods, "");
        assert_eq!(named(&rows), wanted, "{keys}");
        assert!(rows.iter().any(|row| row.model == "bayes"), "what is best does not hang on a model: {keys}");
    }
}
