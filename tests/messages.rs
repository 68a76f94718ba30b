//! What a mistake in an experiment file or an override is told: where it is, what it is, and the mend.

use floe::config::{Config, Task, load, load_sweep, resolve_text};
use std::path::Path;

/// One line with every part, exit code 2.
#[track_caller]
fn told<T>(outcome: floe::Result<T>, parts: &[&str]) {
    let Err(error) = outcome else { panic!("it is taken, but should be told {parts:?}") };
    let message = error.to_string();
    assert_eq!((error.exit_code(), message.lines().count()), (2, 1), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn case(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(name).display().to_string()
}

fn text(text: &str) -> floe::Result<Config> {
    resolve_text("a.toml", text, &[])
}

#[test]
fn the_cases_that_went_wrong() {
    told(load(&case("date.toml"), &[]), &["date.toml:1: `seed`: a date (1979-05-27)", "a whole number"]);
    told(
        load(&case("optname.toml"), &[]),
        &["optname.toml:2:", "`pretrain.optimizer.name`", "did you mean `pretrain.optimizer.rule`"],
    );
    let config = load(&case("target_int.toml"), &[]).unwrap();
    let Task::Tables(task) = &config.task else { panic!("{config:?}") };
    assert_eq!(task.target, "3");
    assert_eq!(floe::tasks::tables::load(task, 0, 6).unwrap().target_train.name, "3");
}

#[test]
fn values_of_a_wrong_type() {
    let tables = "task.kind = \"tables\"\n";
    let method = "[[methods]]\nname = \"a\"\nloss = \"zs\"\n";
    for (line, what, mend) in [
        ("seed = \"7\"", "`seed`: string \"7\"", "write 7"),
        ("seed = 1e3", "`seed`: floating point `1000.0`", "write 1000"),
        ("seed = 1.5", "`seed`: floating point `1.5`", "a whole number, 0 or more"),
        ("seed = -1", "`seed`: integer `-1`", "a whole number, 0 or more"),
        ("seed = [1]", "`seed`: a list ([1])", "a whole number"),
        ("seed = {a = 1}", "`seed`: a table of settings", "a whole number"),
        ("seed = 12:30:00", "`seed`: a time (12:30:00)", "a whole number"),
        ("seed = 1979-05-27T07:32:00Z", "a date and time", "a whole number"),
        ("eval.prompts = nan", "`eval.prompts`: floating point `NaN`", "a whole number"),
        ("pretrain.steps = \"1e3\"", "`pretrain.steps`: string \"1e3\"", "write 1000"),
        ("pretrain.optimizer.lr = \"0.1\"", "`pretrain.optimizer.lr`: string \"0.1\"", "without quotes: 0.1"),
        ("pretrain.optimizer.lr = \"0,1\"", "string \"0,1\"", "with a point: 0.1"),
        ("pretrain.optimizer.lr = 2020-01-01", "a date (2020-01-01)", "a number"),
        ("pretrain.optimizer.betas = 0.9", "`pretrain.optimizer.betas`", "[0.9, 0.9]"),
        ("pretrain.optimizer.rule = \"Adam\"", "no such choice: `Adam`", "did you mean \"adam\"?"),
        ("pretrain.optimizer.rule = [\"adam\"]", "a list", "one word, not a list"),
        ("pretrain.optimizer.rule = \"rmsprop\"", "no such choice: `rmsprop`", "`sgd`, `adam`, `adamw`"),
        ("pretrain.optimizer = \"adam\"", "`pretrain.optimizer` is a table", "`pretrain.optimizer.rule`"),
        ("model.qk = \"seperate\"", "no such choice: `seperate`", "did you mean \"separate\"?"),
        ("model.heads = 2.0", "floating point `2.0`", "write 2"),
        ("task.kind = \"Tables\"", "not \"Tables\"", "did you mean \"tables\"?"),
        ("task.path = \"x.csv\"", "`task.path`", "set task.kind"),
        ("task.covariance = \"s.csv\"", "`task.covariance`", "{ file = \"s.csv\" }"),
        ("task.covariance = [1, 2]", "`task.covariance`", "{ diagonal = [1, 2] }"),
        ("task.covariance = [[1, 0], [0, 1]]", "`task.covariance`", "a file of its own"),
        ("task.covariance = \"diagonal\"", "a value of its own", "{ diagonal = ["),
    ] {
        told(text(line), &["a.toml:1: ", what, mend]);
    }
    for (line, what, mend) in [
        ("task.replacement = \"true\"", "`task.replacement`: string \"true\"", "write true"),
        ("task.replacement = 0", "`task.replacement`", "write false"),
        ("task.heldout = \"30%\"", "`task.heldout`", "write 0.3"),
        ("task.heldout = 30", "`task.heldout` is 30", "between 0 and 1"),
        ("task.features = \"a, b\"", "`task.features`", "write [\"a\", \"b\"]"),
        ("task.log1p = \"a\"", "`task.log1p`: string \"a\"", "write [\"a\"]"),
        ("task.features = \"a\"", "`task.features`", "write [\"a\"]"),
        ("task.features = [\"a\", \"a\"]", "`task.features` has a column twice", "(\"a\")"),
        ("task.features = [\"task\"]", "`task.features` has the task column", "leave it out"),
        ("task.delimiter = \"auto\"", "no such choice: \"auto\"", "\"\\t\" or \"tab\""),
        ("task.delimiter = \"\"", "no such choice: \"\"", "\";\""),
        ("task.decimal = \"x\"", "no such choice: \"x\"", "give \".\" or \",\""),
        ("task.missing = \"ignore\"", "no such choice: `ignore`", "`error` or `drop`"),
        ("task.missing = true", "`task.missing`: no such choice: `true`", "`error` or `drop`"),
    ] {
        told(text(&format!("{tables}{line}")), &["a.toml:2: ", what, mend]);
    }
    told(
        text(&format!("{method}train = \"*\"")),
        &["a.toml:4: `methods.a.train`: string \"*\"", "write [\"*\"]"],
    );
    told(text(&method.replace("zs", "zs-fs")), &["a.toml:3: `methods.a.loss`", "did you mean \"zs+fs\"?"]);
}

#[test]
fn keys_that_other_programs_have() {
    for (path, given, meant) in [
        ("pretrain", "epochs", "pretrain.steps"),
        ("pretrain", "batch_size", "pretrain.batch"),
        ("pretrain", "learning_rate", "pretrain.optimizer.lr"),
        ("pretrain", "Steps", "pretrain.steps"),
        ("pretrain", "momentum", "pretrain.optimizer.momentum"),
        ("pretrain.optimizer", "steps", "pretrain.steps"),
        ("pretrain.optimizer", "type", "pretrain.optimizer.rule"),
        ("pretrain.optimizer", "beta1", "pretrain.optimizer.betas"),
        ("finetune.optimizer", "wd", "finetune.optimizer.weight_decay"),
        ("finetune.optimizer", "max_grad_norm", "finetune.optimizer.clip"),
        ("finetune.optimizer", "scheduler", "finetune.optimizer.lr_schedule"),
        ("model", "n_heads", "model.heads"),
        ("model", "num-layers", "model.layers"),
        ("model", "dim", "task.dim"),
        ("record", "save_every", "record.checkpoint_every"),
        ("task", "n_features", "task.dim"),
        ("eval", "repeats", "eval.seeds"),
    ] {
        let message =
            [&format!("a.toml:2: there is no key `{path}.{given}`")[..], &format!("did you mean `{meant}`")];
        told(text(&format!("[{path}]\n{given} = 1")), &message);
    }
    for (given, meant) in
        [("sep", "delimiter"), ("na_values", "missing"), ("columns", "features"), ("file", "path")]
    {
        let line = format!("[task]\nkind = \"tables\"\n{given} = \"x\"");
        told(text(&line), &["a.toml:3:", &format!("did you mean `task.{meant}`")]);
    }
    told(text("[optimizer]\nlr = 1"), &["a.toml:1:", "`finetune.optimizer`", "`pretrain.optimizer`"]);
    told(text("[training]\nsteps = 1"), &["a.toml:1:", "did you mean `pretrain`"]);
    told(text("[Pretrain]\nsteps = 1"), &["did you mean `pretrain`"]);
    told(text("[[pretrain]]\nsteps = 1"), &["a.toml:1:", "[pretrain] once, in single brackets"]);
}

#[test]
fn what_is_no_toml() {
    for (line, parts) in [
        ("seed =", &["give `seed` a value"][..]),
        ("seed: 1", &["write KEY = VALUE"]),
        ("seed = 1 2", &["a list stands in brackets"]),
        ("seed = 1,000", &["a fraction is written with a point"]),
        ("pretrain.optimizer.lr = .1", &["digits on both sides"]),
        ("pretrain.optimizer.lr = 1.", &["digits on both sides"]),
        ("task.kind = tables", &["a text stands in quotes"]),
        ("task.path = C:/x.csv", &["a text stands in quotes"]),
        ("task.path = \"C:\\Users\\x.csv\"", &["single quotes: 'C:\\data\\x.csv'"]),
        ("task.replacement = True", &["write true in small letters"]),
        ("seed = None", &["leave the line out"]),
        ("seed = \u{201c}1\u{201d}", &["straight quotes"]),
        ("task.kind = \"tables", &["close the quote"]),
        ("[model", &["close the bracket"]),
        ("{\"seed\": 1}", &["an experiment is TOML"]),
        ("methods = [{train = [*]}]", &["stands in quotes"]),
        ("seed = 1\nseed = 2", &["a.toml:3:", "duplicate key `seed`"]),
        ("[model]\n[model]", &["a.toml:3:", "duplicate key `model`"]),
    ] {
        let place = if line.contains('\n') { "a.toml:3:" } else { "a.toml:2:" };
        told(text(&format!("# first\n{line}")), &[&[place, "not valid TOML"][..], parts].concat());
    }
    // A byte order mark, tabs and line ends of Windows are none of that.
    assert_eq!(text("\u{feff}\tseed\t=\t3\r\n[model]\r\nheads = 2\r\n").unwrap().seed, 3);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wide.toml");
    let wide: Vec<u8> = "\u{feff}seed = 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, wide).unwrap();
    told(load(file.to_str().unwrap(), &[]), &["wide.toml:1: not UTF-8", "UTF-16", "save the file as UTF-8"]);
}

#[test]
fn overrides() {
    for (set, parts) in [
        ("seed 1", &["key=value"][..]),
        ("seed:1", &["key=value (with =, not :)"]),
        ("pretrain.steps=1e3", &["write 1000"]),
        ("pretrain.steps=1,000", &["write 1000"]),
        ("pretrain.steps=5,pretrain.batch=1", &["one of its own"]),
        ("pretrain.optimizer=adam", &["`pretrain.optimizer.rule`"]),
        ("methods[0].lr=1", &["methods.zs-v.lr"]),
        ("methods.zs-vv.lr=1", &["did you mean `zs-v`?", "zs-all, zs-qk"]),
        ("methods.zs-v.train=[*.v]", &["quote the whole for the shell"]),
        ("methods.zs-v.train=*.v", &["write [\"*.v\"]"]),
        ("task.covariance={diagonal=[2", &["quote the whole for the shell"]),
        ("pretrain/steps=5", &["like pretrain.steps"]),
        ("steps=1", &["`finetune.steps`", "`pretrain.steps`"]),
        ("task.kind=tabels", &["did you mean \"tables\"?"]),
        ("model.qk=Merged", &["did you mean \"merged\"?"]),
    ] {
        told(load("paper", &[set.to_string()]), &[&[&format!("override {set}: ")[..]], parts].concat());
    }
    for (set, parts) in [
        ("sweep.seed=1", &["an axis is a list of values to try, like [1]"][..]),
        ("sweep.sed=[1]", &["did you mean `seed`"]),
        ("sweep.pretrain.learning_rate=[1]", &["did you mean `pretrain.optimizer.lr`"]),
        ("sweep.seed=[1.5]", &["`sweep.seed`, value 1.5", "a whole number"]),
        ("sweep.seed=[2020-01-01]", &["a date (2020-01-01)"]),
        ("sweep.methods.zsv.lr=[1]", &["zs-v"]),
    ] {
        told(load_sweep("paper", &[set.to_string()]), &[&[&format!("override {set}: ")[..]], parts].concat());
    }
    // What a shell hands on of a tab, and of a space.
    for (typed, byte) in [
        ("\\t", b'\t'),
        ("tab", b'\t'),
        ("\"\\t\"", b'\t'),
        (";", b';'),
        ("|", b'|'),
        ("space", b' '),
        (",", b','),
    ] {
        let config = load("tables", &[format!("task.delimiter={typed}")]).unwrap_or_else(|e| panic!("{e}"));
        assert!(matches!(config.task, Task::Tables(t) if t.delimiter.byte() == byte), "{typed}");
    }
    let lists = load("tables", &["task.features=[2013, 'b']".into(), "task.decimal=,".into()]).unwrap();
    assert!(matches!(lists.task, Task::Tables(t) if t.features == ["2013", "b"]));
}

#[test]
fn sources() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("mine.toml"), "seed = 1").unwrap();
    std::fs::create_dir(at("empty")).unwrap();
    for (source, parts) in [
        ("papers".to_string(), ["no such preset or file", "did you mean `paper`?"]),
        ("Paper".to_string(), ["no such preset or file", "did you mean `paper`?"]),
        ("paper.toml".to_string(), ["no such preset or file", "did you mean `paper`?"]),
        (at("mine.tml"), ["no such preset or file", "mine.toml"]),
        (at("no/mine.toml"), ["no such preset or file", "there is no directory"]),
        (at("empty"), ["is a directory without config.toml", "give a run's or a sweep's directory"]),
        ("~/mine.toml".to_string(), ["no such preset or file", "`~` is not expanded"]),
    ] {
        told(load(&source, &[]), &parts);
    }
}
