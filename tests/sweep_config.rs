//! The `[sweep]` of an experiment file: its axes, their cross product, and what a mistake is told.

use floe::config::{Config, Sweep, Task, load, load_sweep, resolve_text, sweep_text};
use proptest::prelude::*;
use std::collections::BTreeSet;

const METHODS: &str = "[[methods]]\nname = \"zs-v\"\nloss = \"zs\"\ntrain = [\"*.v\"]\n\
                       [[methods]]\nname = \"all.1\"\nloss = \"zs\"\ntrain = [\"*\"]\n";

fn sets(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

fn read(sweep: &str, overrides: &[&str]) -> Sweep {
    let text = format!("{METHODS}[sweep]\n{sweep}");
    sweep_text("a.toml", &text, &sets(overrides)).unwrap_or_else(|e| panic!("{sweep:?} {overrides:?}: {e}"))
}

fn axes(sweep: &Sweep) -> Vec<(&str, Vec<&str>)> {
    sweep.axes.iter().map(|a| (a.key.as_str(), a.values.iter().map(String::as_str).collect())).collect()
}

/// What is said of a `[sweep]` that begins in line 10: one line, exit code 2, with these parts.
fn expect(sweep: &str, overrides: &[&str], parts: &[&str]) {
    let text = format!("{METHODS}[sweep]\n{sweep}");
    let error = match sweep_text("a.toml", &text, &sets(overrides)) {
        Ok(_) => panic!("{sweep:?} {overrides:?} should be refused"),
        Err(e) => e,
    };
    let message = error.to_string();
    assert_eq!((error.exit_code(), message.lines().count()), (2, 1), "{message}");
    for part in parts {
        assert!(message.contains(part), "{sweep:?} {overrides:?}: `{part}` is not in: {message}");
    }
}

#[test]
fn the_preset_is_paper_with_axes() {
    let sweep = load_sweep("paper-sweep", &[]).unwrap();
    assert_eq!(
        axes(&sweep),
        [("seed", vec!["0", "1", "2", "3", "4"]), ("finetune.optimizer.lr", vec!["0.003", "0.01", "0.03"])]
    );
    assert_eq!(sweep.cells.len(), 15);
    let paper = load("paper", &[]).unwrap();
    assert_eq!(load("paper-sweep", &sets(&["sweep={}"])).unwrap(), paper);
    for (i, cell) in sweep.cells.iter().enumerate() {
        let mut wanted = Config { seed: i as u64 / 3, ..paper.clone() };
        wanted.finetune.optimizer.lr = [0.003, 0.01, 0.03][i % 3];
        assert_eq!(cell.config, wanted);
        assert_eq!(cell.values, [sweep.axes[0].values[i / 3].clone(), sweep.axes[1].values[i % 3].clone()]);
    }
    // `only` picks methods; a file of them is what is kept.
    let two = load_sweep("paper-sweep", &sets(&["sweep.only=['zsfs-v', 'zs-v']", "sweep.seed=[7]"])).unwrap();
    let names: Vec<&str> = two.cells[0].config.methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!((names, two.cells.len()), (vec!["zs-v", "zsfs-v"], 3));
    assert_eq!(sweep_text("again", &two.toml, &[]).unwrap(), two);
}

#[test]
fn the_example_of_the_readme_is_a_sweep() {
    let readme = include_str!("../README.md");
    let example = readme.split("```toml\n[sweep]\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    let methods = load("paper", &[]).unwrap().to_toml().unwrap();
    let sweep = sweep_text("README", &format!("{methods}[sweep]\n{example}"), &[]).unwrap();
    assert_eq!((sweep.axes.len(), sweep.cells.len()), (3, 30));
    assert_eq!(sweep.cells[0].config.methods.len(), 2);
}

#[test]
fn axes_are_in_the_order_of_the_file_however_they_are_written() {
    let sweep = read(
        "finetune.optimizer.lr = [0.1, 1]\nseed = [0, 1]\n'finetune.steps' = [5]\nmethods.'all.1'.steps = [3, 4]\n\
         [sweep.pretrain.optimizer]\nbetas = [[0.9, 0.9], [0.8, 0.99]]\n[sweep.model]\nlayers = [2]\n",
        &["sweep.model.heads=[2, 1]", "sweep.seed=[4, 3]"],
    );
    assert_eq!(
        axes(&sweep),
        [
            ("finetune.optimizer.lr", vec!["0.1", "1"]),
            ("seed", vec!["4", "3"]),
            ("finetune.steps", vec!["5"]),
            ("methods.all.1.steps", vec!["3", "4"]),
            ("pretrain.optimizer.betas", vec!["[0.9, 0.9]", "[0.8, 0.99]"]),
            ("model.layers", vec!["2"]),
            ("model.heads", vec!["2", "1"]),
        ]
    );
    assert_eq!(sweep.cells.len(), 2 * 2 * 2 * 2 * 2);
    let last = sweep.cells.last().unwrap();
    assert_eq!(last.values, ["1", "3", "5", "4", "[0.8, 0.99]", "2", "1"]);
    assert_eq!((last.config.seed, last.config.pretrain.optimizer.betas), (3, [0.8, 0.99]));
    assert_eq!((last.config.model.layers, last.config.methods[1].steps), (2, Some(4)));
    assert_eq!(sweep_text("again", &sweep.toml, &[]).unwrap(), sweep);
}

#[test]
fn an_override_alone_makes_a_sweep() {
    let sweep = load_sweep("paper", &sets(&["sweep.seed=[0,1,2]", "pretrain.steps=7"])).unwrap();
    assert_eq!(axes(&sweep), [("seed", vec!["0", "1", "2"])]);
    assert!(sweep.cells.iter().all(|c| c.config.pretrain.steps == 7 && c.config.methods.len() == 6));
    let table = load_sweep("paper", &sets(&["sweep={ seed = [1], methods.zs-v.lr = [1, 2] }"])).unwrap();
    assert_eq!(axes(&table), [("seed", vec!["1"]), ("methods.zs-v.lr", vec!["1", "2"])]);
    let merged = read("seed = [1]", &["sweep.finetune={ steps = [1, 2], optimizer.rule = ['adam'] }"]);
    assert_eq!(merged.axes[2].values, ["\"adam\""]);
    // A number given to the method by place is the method's, in one spelling.
    assert_eq!(read("methods.'#1'.lr = [1.0]", &[]).axes[0].key, "methods.zs-v.lr");
}

#[test]
fn a_value_may_be_a_list_or_a_table() {
    let sweep = read("task.covariance = [\"identity\", { diagonal = [1, 2, 3, 4, 5.0] }]", &[]);
    assert_eq!(sweep.axes[0].values[0], "\"identity\"");
    assert_eq!(sweep.axes[0].values[1], "{ diagonal = [1.0, 2.0, 3.0, 4.0, 5.0] }");
    assert_eq!(sweep_text("again", &sweep.toml, &[]).unwrap(), sweep);
    let sweep = read("methods.zs-v.train = [[\"*.v\"], [\"*.qk\", \"!*[row=0]\"]]", &[]);
    assert_eq!(sweep.cells[1].config.methods[0].train, ["*.qk", "!*[row=0]"]);
    assert_eq!(sweep_text("again", &sweep.toml, &[]).unwrap(), sweep);
}

#[test]
fn paths_of_an_axis_are_the_files_and_reproduce_from_the_sweeps_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "task.kind = \"tables\"\n[sweep]\ntask.path = [\"a.csv\", \"b.csv\"]\n").unwrap();
    let sweep = load_sweep(file.to_str().unwrap(), &[]).unwrap();
    let path = |c: &Config| match &c.task {
        Task::Tables(t) => t.path.clone(),
        other => unreachable!("{other:?}"),
    };
    assert_eq!(path(&sweep.cells[1].config), dir.path().join("b.csv"));
    let out = dir.path().join("runs/1");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("sweep.toml"), &sweep.toml).unwrap();
    assert_eq!(load_sweep(out.to_str().unwrap(), &[]).unwrap(), sweep);
    // `floe run` of a sweep's directory says what it is.
    let error = load(out.to_str().unwrap(), &[]).unwrap_err().to_string();
    assert!(error.contains("sweep.toml:") && error.contains("use `floe sweep`"), "{error}");
    // A run's directory may be swept.
    std::fs::remove_file(out.join("sweep.toml")).unwrap();
    std::fs::write(out.join("config.toml"), "seed = 4\n").unwrap();
    let sweep = load_sweep(out.to_str().unwrap(), &sets(&["sweep.task.noise=[0.1, 0.2]"])).unwrap();
    assert!(sweep.cells.iter().all(|c| c.config.seed == 4));
}

#[test]
fn a_run_of_a_sweep_is_told_both_ways_out() {
    for (text, overrides, place) in [
        ("\n[sweep]\nseed = [1]", vec![], "a.toml:3: "),
        ("", vec!["sweep.seed=[1]"], "override sweep.seed=[1]: "),
    ] {
        let error = resolve_text("a.toml", text, &sets(&overrides)).unwrap_err().to_string();
        for part in [place, "`sweep.seed`", "`floe sweep`", "override it by sweep={}"] {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
    assert_eq!(
        resolve_text("a.toml", "[sweep]\nseed = [1]", &sets(&["sweep={}"])).unwrap(),
        Config::default()
    );
}

#[test]
fn a_bad_axis_is_told_with_its_place_and_mend() {
    expect("", &[], &["a.toml: has no axis to sweep", "override sweep.seed=[0,1,2]"]);
    expect("", &["sweep={}"], &["has no axis"]);
    expect("seed = 3", &[], &["a.toml:10: `sweep.seed` is 3; an axis is a list of values to try, like [3]"]);
    expect("", &["sweep.seed=3"], &["override sweep.seed=3: `sweep.seed` is 3"]);
    expect("seed = []", &[], &["a.toml:10: `sweep.seed` is empty"]);
    expect("seed = [1, 2,\n1]", &[], &["a.toml:11: `sweep.seed` has the value 1 twice"]);
    expect("finetune.optimizer.lr = [0.1, 1e-1]", &[], &["has the value 0.1 twice"]);
    expect("finetune.optimizer.lr = [1, 1.0]", &[], &["has the value 1.0 twice"]);
    expect(
        "finetune.optimzer.lr = [1]",
        &[],
        &[
            "a.toml:10: `sweep.finetune.optimzer.lr`, value 1: there is no key",
            "did you mean `finetune.optimizer`",
        ],
    );
    expect("lr = [1]", &[], &["did you mean", "`finetune.optimizer.lr`"]);
    expect("methods.zs-q.lr = [1]", &[], &["a.toml:10:", "`sweep.methods.zs-q.lr`", "it has zs-v, all.1"]);
    expect("methods.zs-v.lrr = [1]", &[], &["did you mean `methods.zs-v.lr`"]);
    expect("seed = [1]\n\"#1\" = [2]", &[], &["a.toml:11:", "no key `#1`"]);
    expect("\"a b\" = [1]", &[], &["a.toml:10: `sweep`: `a b` is no key"]);
    expect("sweep.seed = [1]", &[], &["leave `sweep.` out"]);
    expect(
        "finetune.steps = [5,\n\"six\"]",
        &[],
        &["a.toml:11: `sweep.finetune.steps`, value \"six\": ", "whole number"],
    );
    expect(
        "finetune.optimizer.lr = [0.1,\n0.2, -3]",
        &[],
        &["a.toml:11: `sweep.finetune.optimizer.lr`, value -3: `finetune.optimizer.lr` is -3; above 0"],
    );
    expect("finetune.optimizer.betas = [0.9, 0.99]", &[], &["value 0.9: `finetune.optimizer.betas`"]);
    expect(
        "",
        &["sweep.task.noise=[0.1, -1]"],
        &["override sweep.task.noise=[0.1, -1]: `sweep.task.noise`, value -1"],
    );
    // The fault is another key's, where the values cross.
    expect(
        "task.dim = [5, 3]",
        &["task.covariance={diagonal=[1,1,1,1,1]}"],
        &["with task.dim = 3: `task.covariance` has a diagonal of 5"],
    );
    expect("finetune = [1]", &[], &["`finetune` is a table of settings"]);
}

#[test]
fn what_may_not_vary_between_models_is_refused() {
    for key in ["eval.prompts", "eval.seeds", "eval.shots", "eval"] {
        expect(
            &format!("{key} = [1, 2]"),
            &[],
            &[&format!("`sweep.{key}` is no axis"), "evaluated alike", "[eval]"],
        );
    }
    expect("record.every = [1, 2]", &[], &["`sweep.record.every` is no axis", "no result"]);
    expect("task.kind = [\"regression\"]", &[], &["`sweep.task.kind` is no axis"]);
    expect("methods = [\"zs-v\"]", &[], &["`only = [\"zs-v\"]`"]);
    expect("methods.zs-v = [{ lr = 1 }]", &[], &["key by key"]);
    expect("methods.zs-v.name = [\"b\"]", &[], &["keeps its name"]);
    expect(
        "seed = [1]\nmethods.zs-v.lr = [1]\nmethods.'#1'.lr = [2]",
        &[],
        &["a.toml:12:", "set the same key"],
    );
    expect("finetune.optimizer = [{ lr = 1 }]\nfinetune.optimizer.lr = [2]", &[], &["not valid TOML"]);
    expect("finetune.optimizer = [{ lr = 1 }]", &["sweep.finetune.optimizer.lr=[2]"], &["set the same key"]);
    expect("seed = [1]\nonly = \"zs-v\"", &[], &["a.toml:11: `sweep.only` is a list of methods"]);
    expect(
        "only = [\"zs-w\"]",
        &[],
        &["`zs-w`, which is no method; did you mean `zs-v`? there are zs-v, all.1"],
    );
    expect("only = [\"zs-v\"]", &[], &["has no axis"]);
    expect("only = [\"zs-v\"]\nmethods.all.1.lr = [1]", &[], &["it has zs-v"]);
    let many = (0..65).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    expect(
        &format!("seed = [{many}]\nfinetune.steps = [{}]", many.replacen('0', "99", 1)),
        &[],
        &["cross to 65 × 65 cells; at most 4096"],
    );
    let error = sweep_text("a.toml", "sweep = 3", &[]).unwrap_err().to_string();
    assert!(error.starts_with("a.toml:1: `sweep` holds axes"), "{error}");
}

#[test]
fn the_largest_sweep_is_read() {
    let list = |from: u32| (from..from + 64).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let began = std::time::Instant::now();
    let sweep = read(&format!("seed = [{}]\nfinetune.steps = [{}]", list(0), list(1)), &[]);
    assert_eq!(sweep.cells.len(), 4096);
    let seen: BTreeSet<(u64, u64)> =
        sweep.cells.iter().map(|c| (c.config.seed, c.config.finetune.steps)).collect();
    assert_eq!(seen.len(), 4096);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

proptest! {
    /// The cells are the cross product, each the file with its values set, and the file that is written is the sweep.
    #[test]
    fn cells_are_what_overrides_would_make(
        seeds in prop::collection::btree_set(0u32..1000, 1..4),
        rates in prop::collection::btree_set(1u32..1000, 1..4),
        rows in prop::collection::btree_set(1u32..9, 1..3),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        let list = |values: Vec<String>| values.join(", ");
        let given = [
            ("seed", list(seeds.iter().map(u32::to_string).collect())),
            ("methods.zs-v.lr", list(rates.iter().map(|r| (f64::from(*r) / 512.0).to_string()).collect())),
            ("methods.all.1.train", list(rows.iter().map(|r| format!("[\"*[row={r}]\"]")).collect())),
        ];
        let text: String = order.iter().map(|i| format!("{} = [{}]\n", given[*i].0, given[*i].1)).collect();
        let sweep = read(&text, &[]);
        let keys: Vec<&str> = sweep.axes.iter().map(|a| a.key.as_str()).collect();
        prop_assert_eq!(keys, order.iter().map(|i| given[*i].0).collect::<Vec<_>>());
        prop_assert_eq!(sweep.cells.len(), seeds.len() * rates.len() * rows.len());
        let mut last: Option<Vec<usize>> = None;
        for cell in &sweep.cells {
            let place = |(axis, value): (&floe::config::Axis, &String)| axis.values.iter().position(|v| v == value);
            let places: Vec<usize> = sweep.axes.iter().zip(&cell.values).filter_map(place).collect();
            prop_assert_eq!((cell.values.len(), places.len()), (sweep.axes.len(), sweep.axes.len()));
            prop_assert!(last.is_none_or(|last| last < places), "the first axis is slowest");
            last = Some(places);
            let overrides: Vec<String> =
                sweep.axes.iter().zip(&cell.values).map(|(a, v)| format!("{}={v}", a.key)).collect();
            prop_assert_eq!(&resolve_text("a.toml", METHODS, &overrides).unwrap(), &cell.config);
        }
        prop_assert_eq!(sweep_text("again", &sweep.toml, &[]).unwrap(), sweep);
    }

    #[test]
    fn any_sweep_is_one_or_one_line(
        key in "[a-z.#0-9\"' ]{0,12}|(eval|record|model|seed|methods|only|task)(\\.[a-z#1]{1,8})?",
        value in "\\PC{0,20}|\\[[0-9, .\\[\\]]{0,9}\\]|[0-9{}=a]{0,6}",
        set in any::<bool>(),
    ) {
        let (text, overrides) = match set {
            true => (METHODS.to_string(), vec![format!("sweep.{key}={value}")]),
            false => (format!("{METHODS}[sweep]\n{key} = {value}"), Vec::new()),
        };
        match sweep_text("a.toml", &text, &overrides) {
            Ok(sweep) => prop_assert_eq!(sweep_text("again", &sweep.toml, &[]).unwrap(), sweep),
            Err(e) => prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1), "{}", e),
        }
    }
}
