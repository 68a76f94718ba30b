//! The experiment file: presets, files, overrides, and what a mistake is told.

use floe::config::{
    Config, Covariance, Loss, Method, Optimizer, PRESETS, Pretrain, Regression, Rule, Schedule, Tables, Task,
    Theta, load, resolve_text,
};
use proptest::prelude::*;
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
    expect("", &["task.kind=tables", "task.dim=3"], &["--set task.dim=3", "regression"]);
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
    expect("", &["model.widht=2"], &["--set model.widht=2", "`model.widht`", "layers"]);
    expect("", &["model.layers.x=2"], &["--set model.layers.x=2", "`model.layers`"]);
    expect("", &["a.b.c=2"], &["--set a.b.c=2", "`a`"]);
    expect(&method("lrr = 2"), &[], &["a.toml:5:", "`methods.a.lrr`", "`methods.a.lr`"]);
    expect("", &["methods.zs.lr=2"], &["--set methods.zs.lr=2", "`zs.lr`", "it is empty"]);
    expect(&method(""), &["methods.b.lr=2"], &["--set methods.b.lr=2", "it has a"]);
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
        expect("", &[set], &[&format!("--set {set}"), part]);
    }
    let deep = "a.".repeat(100_000) + "b=1";
    expect("", &[&deep], &["64 parts"]);
}

#[test]
fn types_are_told_with_the_line() {
    for (text, parts) in [
        (
            "seed = 1\nmodel.layers = \"two\"",
            ["a.toml:2:", "`model.layers`: string \"two\", expected a whole number"],
        ),
        ("model.layers = 1.5", ["a.toml:1:", "`model.layers`"]),
        ("model.layers = -1", ["a.toml:1:", "`-1`, expected a whole number, 0 or more"]),
        ("\n\n[task]\nnoise = \"low\"", ["a.toml:4:", "`task.noise`: string \"low\", expected a number"]),
        ("task.kind = \"table\"", ["a.toml:1:", "\"regression\" or \"tables\", not \"table\""]),
        ("task.kind = 3", ["a.toml:1:", "not an integer"]),
        ("task = 3", ["a.toml:1:", "`task` is a table"]),
        ("model.qk = \"split\"", ["`model.qk`: no such choice", "`merged` or `separate`"]),
        ("pretrain.optimizer.rule = \"lion\"", ["`pretrain.optimizer.rule`", "`adamw`"]),
        ("pretrain.optimizer.betas = [0.9]", ["`pretrain.optimizer.betas`", "length"]),
        ("pretrain.optimizer.betas = [0.9, 0.9, 0.9]", ["`pretrain.optimizer.betas`", "length"]),
        ("pretrain.optimizer.betas = [\n0.9,\n\"x\"]", ["a.toml:1:", "`pretrain.optimizer.betas`"]),
        ("methods = 1", ["a.toml:1:", "[[methods]]"]),
        ("methods = [1]", ["a.toml:1:", "`methods.#1` is a table"]),
        ("[methods]\nname = \"a\"", ["a.toml:1:", "[[methods]]"]),
        ("[[methods]]\nname = \"a\"\nloss = \"zz\"", ["a.toml:3:", "`methods.a.loss`"]),
        ("[[methods]]\nname = \"a\"\nloss = \"zs\"", ["a.toml:1:", "`methods.a`: a method needs `train`"]),
        ("[[methods]]\nloss = \"zs\"\ntrain = [\"*\"]", ["`methods.#1`: ", "`name`"]),
        ("seed = 1\nmodel = {", ["a.toml:2:", "not valid TOML"]),
        ("seed = 1\nseed = 2", ["a.toml:2:", "not valid TOML"]),
        ("seed = 99999999999999999999", ["a.toml:1:", "64 bits"]),
    ] {
        expect(text, &[], &parts);
    }
}

#[test]
fn values_are_in_range() {
    for set in [
        "model.layers=0",
        "model.heads=0",
        "model.init_std=0",
        "model.init_std=nan",
        "model.init_std=1e300",
        "task.dim=0",
        "task.noise=-0.1",
        "task.noise=nan",
        "task.noise=inf",
        "task.pool=0",
        "task.covariance.diagonal=[1, 2]",
        "task.covariance.diagonal=[1, 1, 1, 1, -1]",
        "task.covariance.diagonal=[0, 0, 0, 0, 0]",
        "task.covariance.diagonal=[1, 1, 1, 1, nan]",
        "task.covariance.file=",
        "pretrain.steps=0",
        "pretrain.batch=0",
        "pretrain.shots=0",
        "finetune.steps=0",
        "finetune.batch=0",
        "finetune.shots=0",
        "pretrain.optimizer.lr=0",
        "pretrain.optimizer.lr=-1",
        "finetune.optimizer.lr=nan",
        "finetune.optimizer.lr=1e-60",
        "pretrain.optimizer.momentum=1",
        "pretrain.optimizer.betas=[0.9, 1]",
        "pretrain.optimizer.betas=[-0.1, 0.9]",
        "finetune.optimizer.betas=[nan, 0.9]",
        "pretrain.optimizer.eps=0",
        "pretrain.optimizer.weight_decay=-1",
        "pretrain.optimizer.clip=-1",
        "eval.prompts=0",
        "eval.seeds=0",
        "eval.shots=9223372036854775807",
        "record.every=0",
        "record.checkpoint_every=0",
        "pretrain.batch=100000000",
        "finetune.shots=1000000",
        "pretrain.batch=9223372036854775807",
        "task.pool=1000000000",
        "model.layers=9223372036854775807",
        "task.dim=9223372036854775807",
        "pretrain.steps=9223372036854775807",
        "methods.a.train=[]",
        "methods.a.steps=0",
        "methods.a.lr=0",
        "methods.a.weight=-1",
        "methods.a.weight=2",
        "methods.a.schedule=linear",
        "methods.a.optimizer.lr=0",
        "methods.a.name=x/y",
        "methods.a.name=.x",
        "methods.a.name=pretrained",
        "methods.a.name=Pretrained",
        "methods.a.name=",
        "methods.a.name=..",
        "methods.a.name=ä",
        // Files of another phase, of another name, or of none on other systems.
        "methods.a.name=x.state",
        "methods.a.name=x.STATE",
        "methods.a.name=.state",
        "methods.a.name=a.",
        "methods.a.name=-a",
        "methods.a.name=a/../b",
        "methods.a.name=a\\b",
        "methods.a.name='a '",
        "methods.a.name=con",
        "methods.a.name=Nul.x",
        "methods.a.name=COM1",
        "methods.a.name=lpt9.a.b",
        "methods.a.name=\"a\\u0000\"",
        "methods.a.name=\"a\\u001b[31m\"",
        "methods.a.name=\"a\\u202e\"",
        concat!(
            "methods.a.name=a23456789012345678901234567890123456789012345678901234567890",
            "12345678901234567890123456789012345678901"
        ),
    ] {
        let key = set.split('=').next().unwrap();
        let key = key
            .strip_prefix("methods.a.")
            .unwrap_or(key)
            .trim_end_matches(".diagonal")
            .trim_end_matches(".file");
        // Sizes may be told of another key that has its part in them.
        let key = if key == "task.dim" || key == "finetune.shots" { "" } else { key };
        expect(&method(""), &[set], &[key]);
    }
    for set in [
        "task.heldout=0",
        "task.heldout=1",
        "task.heldout=nan",
        "task.target_test=0",
        "task.target_test=1.5",
        "task.task_column=",
        "task.target_column=task",
        "task.log1p=['task']",
    ] {
        expect("task.kind = \"tables\"", &[set], &[set.split('=').next().unwrap(), &format!("--set {set}")]);
    }
    // What a file says is told with its line, what an override says with the override.
    expect("[model]\n\nheads = 0", &[], &["a.toml:3: `model.heads` is 0"]);
    expect("[model]\nheads = 2", &["model.heads=0"], &["--set model.heads=0: `model.heads` is 0"]);
    expect(&(method("") + &method("")), &[], &["a.toml:7:", "`methods.#2.name`", "earlier method"]);
    expect(&(method("") + &method("").replace("\"a\"", "\"A\"")), &[], &["`methods.#2.name`"]);
    expect(&method("lr = 0.1\noptimizer = {}"), &[], &["`methods.a.lr`"]);
    // What was made under such a name before stays readable.
    let old = method("").replace("\"a\"", "\"x.state\"");
    assert!(floe::config::resolve_text("a.toml", &old, &[]).is_err());
    assert_eq!(floe::config::resolve_made("a.toml", &old, &[]).unwrap().methods[0].name, "x.state");
    for name in ["x.states", "state", "console", "com", "com12", "a.con", "A-1_b.c", "nul-1"] {
        assert_eq!(read(&method(""), &[&format!("methods.a.name={name}")]).methods[0].name, name);
    }
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

fn optimizers() -> impl Strategy<Value = Optimizer> {
    let rule = prop_oneof![Just(Rule::Sgd), Just(Rule::Adam), Just(Rule::AdamW)];
    (rule, schedules(), 1e-6..10.0, 0.0..0.99, [0.0..0.99, 0.0..0.99], 1e-10..1e-2, 0.0..1.0, 0.0..5.0)
        .prop_map(|(rule, lr_schedule, lr, momentum, betas, eps, weight_decay, clip)| Optimizer {
            rule,
            lr,
            lr_schedule,
            warmup: 0,
            momentum,
            betas,
            eps,
            weight_decay,
            clip,
        })
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop_oneof![Just(Schedule::Constant), Just(Schedule::Linear), Just(Schedule::Cosine)]
}

fn tasks() -> impl Strategy<Value = Task> {
    let regression =
        (1usize..9, 0.0..9.0, 1usize..1000, 0..3, any::<bool>()).prop_map(|(dim, noise, pool, c, sphere)| {
            let covariance = match c {
                0 => Covariance::Identity,
                1 => Covariance::Diagonal((1..=dim).map(|i| i as f64 / 3.0).collect()),
                _ => Covariance::File(std::path::absolute("some where/\"s\".csv").unwrap()),
            };
            let theta = if sphere { Theta::Sphere } else { Theta::Gaussian };
            Task::Regression(Regression { dim, noise, covariance, theta, pool })
        });
    let columns =
        prop::collection::vec("[a-z]{1,3}", 0..4).prop_map(|c| c.iter().map(|c| format!("c{c}")).collect());
    let tables = (columns, 0.01..0.99, "\\PC{0,8}", 0.01..0.99, any::<bool>(), any::<bool>()).prop_map(
        |(log1p, heldout, target, target_test, replacement, own)| {
            let path = if own { std::path::absolute("t ä.csv").unwrap() } else { PathBuf::new() };
            Task::Tables(Tables {
                path,
                log1p,
                heldout,
                target,
                target_test,
                replacement,
                ..Tables::default()
            })
        },
    );
    prop_oneof![regression, tables]
}

fn configs() -> impl Strategy<Value = Config> {
    let method =
        ((any::<bool>(), 0.0..4.0, schedules()), prop::option::of(1u64..9), prop::option::of(optimizers()));
    let methods = prop::collection::vec(method, 0..4).prop_map(|list| {
        let one = |(i, ((both, weight, schedule), steps, optimizer)): (
            usize,
            ((bool, f64, Schedule), _, Option<_>),
        )| Method {
            name: format!("m.{i}"),
            loss: if both { Loss::ZsFs } else { Loss::Fs },
            train: vec!["*".into(), format!("!*[row={i}]")],
            schedule: if both { schedule } else { Schedule::Constant },
            weight: if both { weight } else { 1.0 },
            steps,
            lr: optimizer.is_none().then_some(0.1),
            optimizer,
        };
        list.into_iter().enumerate().map(one).collect::<Vec<_>>()
    });
    (0..=i64::MAX as u64, tasks(), optimizers(), methods).prop_map(|(seed, task, optimizer, methods)| {
        Config {
            seed,
            task,
            pretrain: Pretrain { optimizer, ..Pretrain::default() },
            methods,
            ..Config::default()
        }
    })
}

proptest! {
    #[test]
    fn written_and_read_back_it_is_the_same(config in configs()) {
        config.validate("generated").unwrap();
        let text = config.to_toml().unwrap();
        prop_assert_eq!(resolve_text("text", &text, &[]).unwrap(), config);
    }

    #[test]
    fn any_text_is_a_config_or_one_line(text in "\\PC*|[a-z=.\\[\\]\"'0-9{}, \n-]{0,60}") {
        if let Err(e) = resolve_text("text", &text, &[]) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1));
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_a_config_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.toml");
        std::fs::write(&file, &bytes).unwrap();
        let _ = load(file.to_str().unwrap(), &[]);
    }

    /// A preset with one run of characters replaced: close to valid, so it gets past the parser.
    #[test]
    fn a_damaged_preset_is_no_panic(at in 0usize..4000, cut in 0usize..12, put in "[a-z0-9=.\\[\\]\"{}\n -]{0,6}") {
        let lines: Vec<&str> = PRESETS[0].toml.lines().filter(|l| !l.starts_with('#')).collect();
        let text: Vec<char> = lines.join("\n").chars().collect();
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        let text: String = text[..at].iter().copied().chain(put.chars()).chain(text[end..].iter().copied()).collect();
        if let Err(e) = resolve_text("text", &text, &[]) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1));
        }
    }

    #[test]
    fn any_override_is_a_config_or_one_line(
        key in "[a-z.#0-9]{0,12}|methods(\\.#[0-9]\\.[a-z]{1,4})?|task\\.(kind|dim|covariance|target)|model\\.heads",
        value in "\\PC{0,20}|[0-9.e-]{1,6}|\\[[0-9, ]{0,6}\\]",
    ) {
        let set = format!("{key}={value}");
        if let Err(e) = load("paper", std::slice::from_ref(&set)) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1), "{}", set);
        }
    }
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
