//! The experiment file: presets, files, overrides, and what a mistake is told.

mod round_trips;
mod values;

use floe::config::{
    Config, Covariance, Loss, Method, Optimizer, PRESETS, Pretrain, Regression, Rule, Schedule, Tables, Task,
    Theta, load, resolve_text,
};
use std::path::PathBuf;

fn sets(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

fn read(text: &str, overrides: &[&str]) -> Config {
    resolve_text("a.toml", text, &sets(overrides)).unwrap_or_else(|e| panic!("{text:?} {overrides:?}: {e}"))
}

/// The message of what is refused: one line, exit code 2.
fn refused(text: &str, overrides: &[&str]) -> String {
    match resolve_text("a.toml", text, &sets(overrides)) {
        Ok(_) => panic!("{text:?} {overrides:?} should be refused"),
        Err(e) => {
            assert_eq!(e.exit_code(), 2, "{e}");
            assert_eq!(e.to_string().lines().count(), 1, "{e}");
            e.to_string()
        }
    }
}

fn expect(text: &str, overrides: &[&str], parts: &[&str]) {
    let message = refused(text, overrides);
    for part in parts {
        assert!(message.contains(part), "{text:?} {overrides:?}: `{part}` is not in: {message}");
    }
}

/// A method, as text.
fn method(more: &str) -> String {
    format!("[[methods]]\nname = \"a\"\nloss = \"zs\"\ntrain = [\"*\"]\n{more}\n")
}

#[test]
fn a_file_may_leave_everything_out() {
    assert_eq!(read("", &[]), Config::default());
    let tables = read("task.kind = \"tables\"", &[]);
    assert_eq!(tables, Config { task: Task::Tables(Tables::default()), ..Config::default() });
    // A task without a kind is a regression.
    assert!(matches!(read("[task]\ndim = 3", &[]).task, Task::Regression(r) if r.dim == 3 && r.noise == 0.1));
}

#[test]
fn overrides_win_and_the_last_wins() {
    let config = read("seed = 1\n[model]\nheads = 3", &["model.heads=2", "seed=5", "model.heads=4"]);
    assert_eq!((config.seed, config.model.heads), (5, 4));
    assert_eq!(read("", &["pretrain.optimizer.rule=adam"]).pretrain.optimizer.rule, Rule::Adam);
    assert_eq!(read("", &[" pretrain.optimizer.lr = 1 "]).pretrain.optimizer.lr, 1.0);
    assert_eq!(read("", &["pretrain.optimizer.betas=[0.5, 0.6]"]).pretrain.optimizer.betas, [0.5, 0.6]);
    let config =
        read(&method(""), &["methods.a.lr=0.5", "methods.a.train=['*.v','!*.qk']", "methods.#1.steps=7"]);
    assert_eq!((config.methods[0].lr, config.methods[0].steps), (Some(0.5), Some(7)));
    assert_eq!(config.methods[0].train, ["*.v", "!*.qk"]);
    let config = read(&method(""), &["methods=[{name='b.c',loss='fs',train=['*']}]", "methods.b.c.lr=2"]);
    assert_eq!((config.methods[0].name.as_str(), config.methods[0].lr), ("b.c", Some(2.0)));
    assert!(read(&method(""), &["methods=[]"]).methods.is_empty());
    let config = read(&method(""), &["methods.a.optimizer.rule=adamw"]);
    assert_eq!(config.methods[0].optimizer, Some(Optimizer { rule: Rule::AdamW, ..Optimizer::default() }));
}

#[test]
fn an_override_may_switch_the_kind_of_task() {
    let paper = load("paper", &sets(&["task.heldout=0.5", "task.kind=tables"])).unwrap();
    assert_eq!(paper.task, Task::Tables(Tables { heldout: 0.5, ..Tables::default() }));
    assert_eq!(paper.methods.len(), 6);
    let tables = load("tables", &sets(&["task={kind='regression', dim=2}"])).unwrap();
    assert_eq!(tables.task, Task::Regression(Regression { dim: 2, ..Regression::default() }));
    // The file's keys of its own kind are still held against it.
    expect("[task]\nkind = \"tables\"\ndim = 3", &[], &["a.toml:3:", "task.dim", "regression"]);
    // What an override sets must belong to the new kind.
    expect("", &["task.kind=tables", "task.dim=3"], &["override task.dim=3", "regression"]);
}

#[test]
fn bare_words_and_numbers_are_names_where_a_name_is_wanted() {
    let target = |set: &str| match read("task.kind='tables'", &[set]).task {
        Task::Tables(t) => t.target,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(target("task.target=Ideal_G_VS2"), "Ideal_G_VS2");
    assert_eq!(target("task.target=2013"), "2013");
    assert_eq!(target("task.target=true"), "true");
    assert_eq!(target("task.target=\"a b\""), "a b");
    assert_eq!(target("task.target="), "");
    assert_eq!(target("task.target=a=b"), "a=b");
}

#[test]
fn a_covariance_is_replaced_whole() {
    let of = |overrides: &[&str]| match read("task.dim = 2\ntask.covariance.diagonal = [1, 2.5]", overrides)
        .task
    {
        Task::Regression(t) => t.covariance,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(of(&[]), Covariance::Diagonal(vec![1.0, 2.5]));
    assert_eq!(of(&["task.covariance=identity"]), Covariance::Identity);
    assert_eq!(of(&["task.covariance.diagonal=[3, 4]"]), Covariance::Diagonal(vec![3.0, 4.0]));
    let file = std::path::absolute("s.csv").unwrap();
    assert_eq!(of(&["task.covariance.file=s.csv"]), Covariance::File(file));
    expect("task.covariance = \"unit\"", &[], &["a.toml:1:", "task.covariance", "unit", "diagonal"]);
    expect("task.covariance = 3", &[], &["task.covariance", "identity"]);
}

#[test]
fn unknown_keys_are_named_and_mended() {
    expect(
        "seed = 1\n[model]\nlayer = 2",
        &[],
        &["a.toml:3:", "`model.layer`", "did you mean `model.layers`", "heads"],
    );
    expect("[modle]\nlayers = 2", &[], &["a.toml:1:", "`modle`", "`model`", "pretrain"]);
    expect("[pretrain]\nlr = 2", &[], &["`pretrain.lr`; did you mean `pretrain.optimizer.lr`; the keys"]);
    expect("lr = 2", &[], &["`pretrain.optimizer.lr`", "`finetune.optimizer.lr`", "`methods.<name>.lr`"]);
    expect("", &["model.widht=2"], &["override model.widht=2", "`model.widht`", "layers"]);
    expect("", &["model.layers.x=2"], &["override model.layers.x=2", "`model.layers`"]);
    expect("", &["a.b.c=2"], &["override a.b.c=2", "`a`"]);
    expect(&method("lrr = 2"), &[], &["a.toml:5:", "`methods.a.lrr`", "`methods.a.lr`"]);
    expect("", &["methods.zs.lr=2"], &["override methods.zs.lr=2", "`zs.lr`", "it is empty"]);
    expect(&method(""), &["methods.b.lr=2"], &["override methods.b.lr=2", "it has a"]);
    expect("\"a\\nb\" = 1", &[], &["a\\nb"]);
}

#[test]
fn overrides_are_key_equals_value() {
    for (set, part) in [
        ("model.heads", "key=value"),
        ("", "key=value"),
        ("=2", "no key"),
        ("model..heads=2", "no key"),
        ("model heads=2", "no key"),
        ("model.heads=[1", "not valid TOML"),
        ("model.heads='a", "not valid TOML"),
        ("seed=99999999999999999999", "beyond 64 bits"),
        ("seed=-1", "-1"),
        ("model=3", "table of settings"),
        ("methods=3", "[[methods]]"),
        ("methods.a=3", "methods"),
    ] {
        expect("", &[set], &[&format!("override {set}"), part]);
    }
    let deep = "a.".repeat(100_000) + "b=1";
    expect("", &[&deep], &["64 parts"]);
}

#[test]
fn a_seed_beyond_toml_is_refused() {
    let config = Config { seed: u64::MAX, ..Config::default() };
    assert!(config.validate("here").unwrap_err().to_string().starts_with("here: `seed`"));
    let most = Config { seed: i64::MAX as u64, ..Config::default() };
    most.validate("here").unwrap();
    assert_eq!(read(&most.to_toml().unwrap(), &[]), most);
}

#[test]
fn sources_that_are_not_there_list_the_presets() {
    let message = |source: &str| {
        let error = load(source, &[]).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().lines().count()), (2, 1), "{error}");
        error.to_string()
    };
    assert!(
        message("papre").contains("did you mean `paper`")
            && message("papre").contains("paper, paper-qkv, tables, paper-sweep")
    );
    assert!(message("no/such.toml").starts_with("no/such.toml: no such preset or file"));
    message("a\nb");
    message("a\0b");
}

#[test]
fn files_keep_their_paths_and_reproduce_from_a_run_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("experiment.toml");
    std::fs::write(&file, "[task]\nkind = \"tables\"\npath = \"data/t.csv\"\n").unwrap();
    let source = file.to_str().unwrap();
    let config = load(source, &[]).unwrap();
    let path = |c: &Config| match &c.task {
        Task::Tables(t) => t.path.clone(),
        other => unreachable!("{other:?}"),
    };
    assert_eq!(path(&config), dir.path().join("data/t.csv"));
    // An override is relative to where it is typed.
    let typed = load(source, &sets(&["task.path=data/t.csv"])).unwrap();
    assert_eq!(path(&typed), std::env::current_dir().unwrap().join("data/t.csv"));

    let run = dir.path().join("runs/1");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("config.toml"), config.to_toml().unwrap()).unwrap();
    assert_eq!(load(run.to_str().unwrap(), &[]).unwrap(), config);
    assert_eq!(load(run.join("config.toml").to_str().unwrap(), &[]).unwrap(), config);

    std::fs::write(&file, "task.covariance.file = \"s.csv\"").unwrap();
    let config = load(source, &[]).unwrap();
    assert!(
        matches!(config.task, Task::Regression(r) if r.covariance == Covariance::File(dir.path().join("s.csv")))
    );

    std::fs::write(&file, b"seed = 1\n# \xff").unwrap();
    let error = load(source, &[]).unwrap_err();
    assert!(error.to_string().contains("experiment.toml:2: not UTF-8"), "{error}");
    assert_eq!(load(dir.path().to_str().unwrap(), &[]).unwrap_err().exit_code(), 2);
}

#[test]
fn a_warm_up_leaves_steps_to_train() {
    let refused = |sets: &[&str]| {
        load("paper", &sets.iter().map(|s| s.to_string()).collect::<Vec<_>>()).unwrap_err().to_string()
    };
    let message = refused(&["pretrain.optimizer.warmup=5000"]);
    assert!(
        message.contains("`pretrain.optimizer.warmup` leaves no step after the warm-up: 5000 of 5000"),
        "{message}"
    );
    assert!(
        refused(&["finetune.optimizer.warmup=4000", "methods.zs-v.steps=100"])
            .contains("`methods.zs-v.steps`")
    );
    assert!(
        refused(&["methods.zs-v.optimizer={warmup=9}", "methods.zs-v.steps=9"])
            .contains("`methods.zs-v.optimizer.warmup`")
    );
    assert!(refused(&["pretrain.optimizer.warmup=-1"]).contains("pretrain.optimizer.warmup"));
    let sets =
        ["pretrain.optimizer.warmup=4999", "methods.zs-v.optimizer={warmup=8}", "methods.zs-v.steps=9"];
    let config = load("paper", &sets.map(String::from)).unwrap();
    assert_eq!(config.pretrain.optimizer.warmup, 4999);
}
