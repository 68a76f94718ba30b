//! Names that files bring reach neither terminal nor page as more than letters: no escape sequence, no override of
//! direction, no end of a line.

mod common;

use common::*;
use floe::escape;
use floe::store::checkpoint::{self, Checkpoint, Tensor};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Colours, bells, clears, turns and breaks; what is left of it when it is shown says that it was there.
const EVIL: &str = "\u{1b}[31m\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200f}\u{85}\u{2028}";

/// Runs `floe` and holds that what it says can be shown.
fn shown(args: &[String]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.args(args).env("FLOE_CACHE_DIR", no_cache()).env("RUST_LOG", "floe=debug,warn");
    shown_of(&mut command)
}

fn shown_of(command: &mut Command) -> Said {
    let output = command.output().expect("floe starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let said =
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
    assert!(!said.err.contains("panicked"), "{}", said.err);
    safe(&said.out, &format!("{command:?}, out"));
    safe(&said.err, &format!("{command:?}, err"));
    said
}

fn safe(text: &str, place: &str) {
    let found = text.chars().find(|c| *c != '\n' && escape::acts(*c));
    assert!(found.is_none(), "{place}: {found:?} in {}", escape::lines(text));
}

/// One line of error that shows what the file held.
fn refused(args: &[String]) {
    let said = shown(args);
    assert!(said.code == 1 || said.code == 2, "{args:?}: {}", said.err);
    let error = said.error(said.code);
    assert!(["\\u{1b}", "\\u{9b}", "\u{fffd}"].iter().any(|mark| error.contains(mark)), "{args:?}: {error}");
}

fn words(line: &str, more: &[&str]) -> Vec<String> {
    line.split_whitespace().chain(more.iter().copied()).map(String::from).collect()
}

fn file(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    std::fs::write(dir.join(name), bytes).unwrap();
    text(dir.join(name))
}

fn page(dir: &Path) -> String {
    let figures = names(&dir.join("figures")).into_iter().map(|name| Path::new("figures").join(name));
    for name in figures.chain([PathBuf::from("report.html")]) {
        safe(&read(dir.join(&name)), &name.display().to_string());
    }
    read(dir.join("report.html"))
}

/// A safetensors file with one tensor.
fn safetensors(metadata: serde_json::Value, name: &str, dtype: &str) -> Vec<u8> {
    let entry = serde_json::json!({ "dtype": dtype, "shape": [1], "data_offsets": [0, 4] });
    let header = serde_json::json!({ "__metadata__": metadata, name: entry }).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat()
}

#[test]
fn checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let json = |format: &str, version: &str, crc: &str| serde_json::json!({ "format": format, "version": version, "crc32": crc, "config": EVIL });
    for (number, bytes) in [
        safetensors(json("floe", EVIL, ""), "a", "F32"),
        safetensors(json("floe", "1", EVIL), "a", "F32"),
        safetensors(json("floe", "1", "2144df1c"), "a", EVIL),
    ]
    .into_iter()
    .enumerate()
    {
        let path = file(dir.path(), &format!("{number}.safetensors"), bytes);
        let said = shown(&words("eval", &[&path]));
        said.error(said.code);
        let said = shown(&words("finetune --train *.v --out x.safetensors --from", &[&path]));
        said.error(said.code);
    }
    // One that is floe's own down to the checksum, with a configuration and with a tensor that are not.
    let path = dir.path().join("own.safetensors");
    let mut own = Checkpoint::default();
    own.metadata.insert("config".into(), format!("seed = \"{EVIL}\""));
    own.tensors.insert("layers.0.attn.v".into(), Tensor { shape: vec![1], data: vec![0.0] });
    checkpoint::write(&path, &own).unwrap();
    shown(&words("eval", &[&text(&path)])).error(2);
    own.metadata.insert("config".into(), format!("[pretrain]\n{EVIL}"));
    checkpoint::write(&path, &own).unwrap();
    shown(&words("probe", &[&text(&path), &text(dir.path().join("p.safetensors"))])).error(2);
    own.metadata.insert("config".into(), "seed = 0".into());
    own.tensors.insert(format!("x{EVIL}"), Tensor { shape: vec![1], data: vec![0.0] });
    checkpoint::write(&path, &own).unwrap();
    let said = shown(&words("eval", &[&text(&path)]));
    said.error(1);
}

#[test]
fn experiments_and_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let run = text(dir.path().join("run"));
    for toml in [
        format!("seed = \"{}\"", EVIL.escape_unicode().to_string().replace("\\u{", "\\U{")),
        format!("\"a{EVIL}\" = 1"),
        format!("[pretrain]\nsteps = 1 {EVIL}"),
        format!("[[methods]]\nname = \"{}\"", "\\u001b[31m"),
        format!("seed = \"a\\u001b[31m{}\"", "\\u009b\\u202e"),
        format!("[model]\nqk = '{}'", "\\u{9b}\u{9b}"),
        format!("[task]\ncovariance = \"{}\"", "\\u009b.csv"),
        format!("[task]\nkind = \"tables\"\npath = \"{}\"", "\\u009b.csv"),
        "[sweep]\n\"seed\\u001b\" = [1, 2]".to_string(),
    ] {
        let path = file(dir.path(), "mine.toml", &toml);
        for command in ["run", "sweep"] {
            let said = shown(&words(command, &[&path, "--out", &run]));
            assert!(said.code == 1 || said.code == 2, "{toml:?}: {}", said.err);
            said.error(said.code);
        }
    }
    let set = format!("seed={EVIL}");
    for args in [
        words("run", &[&format!("no{EVIL}")]),
        words("run paper --set", &[&set]),
        words("run paper --set", &[&format!("se{EVIL}ed=1")]),
        words("sweep paper --set", &[&format!("sweep.se{EVIL}ed=[1]")]),
        words("run paper --device", &[EVIL]),
        words("run paper --variant", &[EVIL]),
        words("init", &[EVIL]),
        words("eval", &[&format!("{EVIL}.safetensors")]),
        words("report", &[&format!("no{EVIL}")]),
        words("bench --compare", &[&format!("no{EVIL}")]),
    ] {
        refused(&args);
    }
    // What the parser of arguments says.
    for args in [
        words("", &[EVIL]),
        words("run paper", &[&format!("--{EVIL}")]),
        words("eval x --batch", &[EVIL]),
        words("finetune --from a --out b --train * --loss", &[EVIL]),
    ] {
        assert_eq!(shown(&args).code, 2);
    }
}

#[test]
fn tables_and_covariances() {
    let dir = tempfile::tempdir().unwrap();
    let run = text(dir.path().join("run"));
    let sets: Vec<String> = SMALL.iter().map(|set| format!("--set={set}")).collect();
    let of = |path: &str, more: &[&str]| -> Vec<String> {
        let own = ["--set=task.log1p=[]", "--set=methods=[]", "--out", &run];
        [
            words("run tables --set", &[&format!("task.path={path}")]),
            words("", &own),
            sets.clone(),
            words("", more),
        ]
        .concat()
    };
    // Every name is hostile, and the table is a good one.
    let good = table(6, 24).replace('t', &format!("t{EVIL}")).replacen(
        &format!("t{EVIL}ask,a,b"),
        &format!("task,a{EVIL},b"),
        1,
    );
    let path = file(dir.path(), &format!("a{EVIL}.csv"), &good);
    let said = shown(&of(&path, &[]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(page(Path::new(&run)).contains("\\u{1b}[31m"), "the page names the target");
    let said = shown(&words("run --resume", &[&run]));
    assert_eq!(said.code, 0, "{}", said.err);
    for (name, bad) in [
        ("cell", good.replacen(",0,0,", &format!(",{EVIL},0,"), 1)),
        ("gap", good.replacen(",0,0,", ",,0,", 1)),
        ("twice", good.replacen(",b,y", &format!(",a{EVIL},y"), 1)),
        ("short", format!("{good}t{EVIL},1\n")),
        ("few", format!("{good}u{EVIL},1,2,3\n")),
        ("target", good.replacen(",y\n", &format!(",y{EVIL}\n"), 1)),
        ("task", good.replacen("task,", &format!("ta{EVIL}sk,"), 1)),
        ("quote", good.replacen("task,", &format!("\"ta{EVIL}sk,"), 1)),
        ("nothing", EVIL.to_string()),
    ] {
        let path = file(dir.path(), &format!("{name}{EVIL}.csv"), bad);
        let mut args = of(&path, &[]);
        args.push("--resume".into());
        let said = shown(&args);
        assert!(said.code == 1 || said.code == 2, "{name}: {}", said.err);
        said.error(said.code);
    }
    for bad in [format!("1,{EVIL}\n{EVIL},1\n"), EVIL.into(), format!("1 0{EVIL}\n0 1\n")] {
        let path = file(dir.path(), &format!("c{EVIL}.csv"), bad);
        let set = format!("--set=task.covariance={{ file = '{path}' }}");
        let said = shown(&words("run paper --set task.dim=2 --out", &[&format!("{run}2"), &set]));
        assert!(said.code == 1 || said.code == 2, "{}", said.err);
        said.error(said.code);
    }
}

#[test]
fn run_directories() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join(format!("run{EVIL}"));
    let said = shown(&[words("run --set=methods=[]", &[]), tiny("paper"), out(&run).to_vec()].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("run\\u{1b}[31m"), "{}", said.out);
    // Every string of every file that the page is made of.
    let evil = |text: String| {
        text.replace("pretrained", &format!("m{EVIL}")).replace("target", &format!("../t{EVIL}<b>"))
    };
    for name in ["eval.csv", "baselines.csv"] {
        std::fs::write(run.join(name), evil(read(run.join(name)))).unwrap();
    }
    let mut lines = String::new();
    for line in read(run.join("metrics.jsonl")).lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        (line["method"], line["phase"]) = (format!("m{EVIL}").into(), "finetune".into());
        lines += &format!("{line}\n");
    }
    std::fs::write(run.join("metrics.jsonl"), &lines).unwrap();
    let mut info: serde_json::Value = serde_json::from_str(&read(run.join("run.json"))).unwrap();
    poison(&mut info);
    std::fs::write(run.join("run.json"), info.to_string()).unwrap();
    let said = shown(&words("report", &[&text(&run)]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(page(&run).contains("m\\u{1b}[31m"));
    assert!(names(&run).iter().all(|name| !name.contains('<')), "{:?}", names(&run));
    // And what is wrong with them.
    std::fs::write(run.join("metrics.jsonl"), format!("{lines}{{\"{EVIL}\n")).unwrap();
    assert_eq!(shown(&words("report", &[&text(&run)])).code, 1);
    for (name, bad) in [("eval.csv", EVIL), ("run.json", EVIL), ("config.toml", EVIL)] {
        std::fs::write(run.join(name), bad).unwrap();
        assert_eq!(shown(&words("report", &[&text(&run)])).code, 1);
        let said = shown(&words("run --resume", &[&text(&run)]));
        assert!(name != "config.toml" || said.code == 2, "{name}: {}", said.err);
    }
}

/// Puts [`EVIL`] into every string but those that say what a result was made from: of another experiment none is shown.
fn poison(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.push_str(EVIL),
        serde_json::Value::Array(all) => all.iter_mut().for_each(poison),
        serde_json::Value::Object(all) => {
            let identity = ["config", "data", "fingerprint"];
            let others = all.iter_mut().filter(|(key, _)| !identity.contains(&key.as_str()));
            others.for_each(|(_, value)| poison(value));
        }
        _ => {}
    }
}

#[test]
fn results_kept_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    let args = words("sweep --set sweep.seed=[0,1] --set methods=[]", &[]);
    assert_eq!(shown(&[args, tiny("paper"), out(&sweep).to_vec()].concat()).code, 0);
    let mut info: serde_json::Value = serde_json::from_str(&read(sweep.join("sweep.json"))).unwrap();
    let axes = info["axes"].clone();
    poison(&mut info);
    info["axes"] = axes;
    std::fs::write(sweep.join("sweep.json"), info.to_string()).unwrap();
    let summary = read(sweep.join("summary.csv")).replace("pretrained", &format!("m{EVIL}"));
    std::fs::write(sweep.join("summary.csv"), summary).unwrap();
    assert_eq!(shown(&words("report", &[&text(&sweep)])).code, 0);
    assert!(page(&sweep).contains("m\\u{1b}[31m"));

    // A checkpoint's name is a row of what eval prints.
    let model = dir.path().join(format!("m{EVIL}.safetensors"));
    let args = [words("pretrain", &[]), tiny("paper"), out(&model).to_vec()].concat();
    assert!(shown(&args).out.contains("\\u{1b}"));
    let printed = shown(&words("eval", &[&text(&model)])).out;
    assert!(printed.contains("m\\u{1b}[31m"), "{printed}");

    let json = dir.path().join("bench.json");
    let bench = shown(&words("bench --only grad_reduce --json", &[&text(&json)]));
    assert_eq!(bench.code, 0, "{}", bench.err);
    let mut report: serde_json::Value = serde_json::from_str(&read(&json)).unwrap();
    poison(&mut report);
    std::fs::write(&json, report.to_string()).unwrap();
    assert_eq!(shown(&words("bench --only grad_reduce --compare", &[&text(&json)])).code, 0);
    std::fs::write(&json, EVIL).unwrap();
    assert_eq!(shown(&words("bench --only grad_reduce --compare", &[&text(&json)])).code, 1);

    // A choice that another hand has changed.
    let cache = dir.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let adapter = floe::gpu::open("auto").unwrap_or_else(|e| panic!("{e}")).adapter().clone();
    let key = floe::tune::cache::Key::of(&adapter);
    let entry = floe::tune::cache::Entry { key, variant: EVIL.into(), cut: None, chunk: None, ratio: 0.5 };
    floe::tune::cache::keep(&cache.join("tune.json"), entry).unwrap();
    for damaged in [false, true] {
        if damaged {
            std::fs::write(cache.join("tune.json"), EVIL).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.args(words("eval", &[&text(&model)])).env("FLOE_CACHE_DIR", &cache).env_remove("RUST_LOG");
        assert_eq!(shown_of(&mut command).code, 0);
    }
}
