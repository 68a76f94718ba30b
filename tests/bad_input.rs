//! What is wrong with an input is said in one line that names the place and the mend; nothing half-made is left.

mod common;

use common::*;
use std::path::Path;

/// Runs `paper` at tiny sizes with `more`, which must be refused before a directory is made.
fn refused(preset: &str, more: &[&str], code: i32, parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let more: Vec<String> = more.iter().map(|m| m.to_string()).collect();
    let args = [&tiny(preset)[..], &more, &out(&run)].concat();
    say("run", &args).refuses(code, parts);
    assert_eq!(names(dir.path()), [""; 0], "{more:?} leaves nothing behind");
}

fn set(sets: &[&'static str]) -> Vec<&'static str> {
    sets.iter().flat_map(|set| ["--set", *set]).collect()
}

/// Runs `tables` on a CSV of that text.
fn refused_table(csv: &str, code: i32, parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("mine.csv");
    std::fs::write(&data, csv).unwrap();
    let path = format!("task.path={}", data.display());
    let mut parts = parts.to_vec();
    parts.push("mine.csv");
    refused("tables", &["--set", &path, "--set", "task.log1p=[]"], code, &parts);
}

#[test]
fn an_unknown_key() {
    refused("paper", &set(&["foo=1"]), 2, &["--set foo=1", "no key `foo`", "the keys at the top are"]);
    refused("paper", &set(&["pretrain.step=1"]), 2, &["no key `pretrain.step`", "shots, steps"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "[model]\nheads = 1\nlayer = 2\n").unwrap();
    say("run", &[&[text(&file)][..], &out(dir.path().join("run"))].concat())
        .refuses(2, &["mine.toml:3: ", "`model.layer`", "layers"]);
    assert_eq!(names(dir.path()), ["mine.toml"]);
}

#[test]
fn a_wrong_type_or_a_wrong_number() {
    refused("paper", &set(&["pretrain.steps=abc"]), 2, &["`pretrain.steps`", "\"abc\"", "a whole number"]);
    refused("paper", &set(&["model.qk=3"]), 2, &["`model.qk`", "merged"]);
    refused("paper", &set(&["task.dim=0"]), 2, &["--set task.dim=0", "`task.dim` is 0; at least 1"]);
    refused("paper", &set(&["finetune.optimizer.lr=-1"]), 2, &["`finetune.optimizer.lr` is -1; above 0"]);
    refused("paper", &set(&["task.covariance={diagonal=[1,1,1]}"]), 2, &["`task.covariance`", "task.dim"]);
    refused("paper", &["--set", "seed"], 2, &["--set seed", "key=value"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "seed = 1\nmodel = [\n").unwrap();
    say("run", &[text(&file)]).refuses(2, &["mine.toml:", "not valid TOML"]);
}

#[test]
fn an_unknown_preset_file_or_train_pattern() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["run", "pretrain"] {
        let args = [&["nope".to_string()][..], &out(dir.path().join("x"))].concat();
        say(command, &args).refuses(2, &["nope: no such preset or file", "paper, paper-qkv, tables"]);
    }
    say("init", &["nope"]).refuses(2, &["`nope`", "paper, paper-qkv, tables"]);
    assert_eq!(names(dir.path()), [""; 0]);
    let parts = ["method `zs-v`", "`*.w`", "there are layers.0.attn.v, layers.0.attn.qk"];
    refused("paper", &set(&["methods.zs-v.train=[\"*.w\"]"]), 2, &parts);
    refused("paper", &set(&["methods.zs-w.lr=1"]), 2, &["`zs-w.lr`", "zs-all, zs-qk, zs-v"]);
}

#[test]
fn an_unknown_device() {
    refused("paper", &["--device", "no-such-gpu"], 2, &["--device `no-such-gpu`", "there are 0: "]);
    refused("paper", &["--device", "99"], 2, &["--device `99`", "there are 0: "]);
    say("check", &["--device", "99"]).refuses(2, &["--device `99`", "there are 0: "]);
}

#[test]
fn no_adapter_at_all_names_the_package_to_install() {
    let dir = tempfile::tempdir().unwrap();
    let args = [&tiny("paper")[..], &out(dir.path().join("run"))].concat();
    for words in [&["devices".to_string()][..], &["check".into()], &[&["run".into()][..], &args].concat()] {
        let mut command = floe();
        let nowhere = dir.path().join("no-driver.json");
        command.args(words).env("VK_ICD_FILENAMES", &nowhere).env("VK_DRIVER_FILES", &nowhere);
        if cfg!(target_os = "linux") {
            said(&mut command).refuses(1, &["no Vulkan", "apt install mesa-vulkan-drivers"]);
        }
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_model_that_no_device_holds() {
    let huge = set(&["task.dim=1400"]);
    refused("paper", &huge, 1, &["kernel `", "needs uniform binding in bytes >= ", "lower the model's size"]);
}

#[test]
fn a_table_with_text_where_a_number_belongs() {
    let csv = table(4, 10).replacen("t1,2", "t1,two", 1);
    let line = csv.lines().position(|l| l.contains("two")).expect("the bad line") + 1;
    let place = format!("mine.csv, line {line}, column `a`: `two");
    refused_table(&csv, 1, &[&place, "is not a number", "write it like 1234.5"]);
}

#[test]
fn a_table_with_gaps() {
    let gap = |cell: &str| table(4, 10).replacen("t0,0,0,", &format!("t0,0,{cell},"), 1);
    let place = "mine.csv, line 2, column `b`: the value is missing";
    refused_table(&gap(""), 1, &[place, "fill it in or remove the row"]);
    refused_table(&gap("NA"), 1, &[place, "`NA`"]);
    let short = table(4, 10) + "t0,1\n";
    refused_table(&short, 1, &["line 42 has 2 cells, but the header has 4", "one cell a column"]);
}

#[test]
fn a_table_too_small() {
    refused_table("", 1, &["is empty", "a header line and rows"]);
    refused_table("task,a,b,y\n", 1, &["a header but no rows"]);
    refused_table(&table(1, 30), 1, &["too few tasks in `task` (`t0`)", "`task.task_column`"]);
    // Three demonstrations and the query take four rows.
    refused_table(&table(5, 3), 1, &["has 3 rows, but a prompt takes 4", "lower the shots"]);
    refused_table(&table(5, 7), 1, &["has 7 rows", "needs 8 (4 to train and 4 to test)", "lower the shots"]);
    refused("tables", &set(&["task.path=no-such.csv"]), 1, &["no-such.csv", "`task.path`"]);
    refused("tables", &set(&["pretrain.shots=2000"]), 1, &["but a prompt takes 2001", "lower the shots"]);
}

#[test]
fn a_checkpoint_that_is_none_or_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.safetensors");
    succeed("pretrain", &[&tiny("paper")[..], &out(&good)].concat());
    let bytes = std::fs::read(&good).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        text(path)
    };
    let half = file("half.safetensors", &bytes[..bytes.len() / 2]);
    let torn = file("torn.safetensors", &[&bytes[..bytes.len() - 4], &[7; 4]].concat());
    let empty = file("empty.safetensors", b"");
    let prose = file("prose.safetensors", "an experiment, not a checkpoint".as_bytes());
    let missing = text(dir.path().join("missing.safetensors"));
    let (good, new) = (text(good), dir.path().join("new.safetensors"));
    let before = names(dir.path());
    for (path, message) in [
        (&half, "half.safetensors: is truncated"),
        (&torn, "torn.safetensors: is torn or was altered"),
        (&empty, "empty.safetensors: is empty"),
        (&prose, "prose.safetensors: is not a floe checkpoint"),
        (&missing, "missing.safetensors: there is no such file"),
    ] {
        say("eval", &[path]).refuses(1, &[message]);
        let from = ["--from".to_string(), path.clone()];
        say("finetune --method zs-v", &[&from[..], &out(&new)].concat()).refuses(1, &[message]);
    }
    // Of another shape: by a setting, and beside a model of another experiment.
    let parts = ["good.safetensors: does not fit this model", "is [1, 4, 4] instead of [2, 4, 4]", "`model`"];
    say("eval --set model.heads=2", &[&good]).refuses(1, &parts);
    let from = ["--from".to_string(), good.clone()];
    say("finetune --set model.heads=2 --method zs-v", &[&from[..], &out(&new)].concat()).refuses(1, &parts);

    let no_method = ["no method `zs-w`", "zs-all, zs-qk, zs-v"];
    say("finetune --method zs-w", &[&from[..], &out(&new)].concat()).refuses(2, &no_method);
    let no_pattern = ["`*.w`", "there are layers.0.attn.v"];
    say("finetune --train *.w", &[&from[..], &out(&new)].concat()).refuses(2, &no_pattern);
    assert_eq!(names(dir.path()), before, "nothing is left behind");
}

#[test]
fn a_place_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for run in [file.clone(), file.join("run")] {
        let parts = ["can't be created", "choose another --out", run.to_str().unwrap()];
        say("run", &[&tiny("paper")[..], &out(&run)].concat()).refuses(1, &parts);
    }
    // Before any training, so that none is lost.
    for (out_path, message) in [
        (file.join("x.safetensors"), "is not a directory"),
        (dir.path().join("none/x.safetensors"), "there is no directory"),
        (dir.path().to_path_buf(), "name a file in it"),
    ] {
        let said = say("pretrain", &[&tiny("paper")[..], &out(&out_path)].concat());
        said.refuses(1, &["cannot be written", message]);
        assert!(!said.err.contains("steps"), "{}", said.err);
    }
    say("report", &[text(&file)]).refuses(1, &["file"]);
    say("report", &[text(dir.path())]).refuses(1, &["config.toml: not found", "`floe run`"]);
    assert_eq!(names(dir.path()), ["file"]);
    assert_eq!(read(&file), "in the way");
}

/// A learning rate at which the second step has no finite loss.
const WILD: &str = "optimizer.lr=1e30";

fn no_half_files(directory: &Path) {
    for name in names(directory) {
        assert!(!name.contains(".tmp") && !name.starts_with('.'), "{name} is left behind");
    }
}

#[test]
fn a_loss_that_is_not_finite() {
    let dir = tempfile::tempdir().unwrap();
    let wild = |phase: &str| [format!("--set={phase}.{WILD}"), format!("--set={phase}.optimizer.clip=0")];
    let parts = ["the loss is ", " at step 1", "lower the learning rate", "set a gradient clip"];

    let run = dir.path().join("a");
    let said = say("run", &[&tiny("paper")[..], &wild("pretrain"), &out(&run)].concat());
    said.refuses(1, &[&["pretrain `pretrained`"], &parts[..]].concat());
    assert_eq!(names(&run.join("checkpoints")), [""; 0]);
    assert_eq!(names(&run), ["checkpoints", "config.toml", "metrics.jsonl", "run.json"]);

    let run = dir.path().join("b");
    let said = say("run", &[&tiny("paper")[..], &wild("finetune"), &out(&run)].concat());
    said.refuses(1, &[&["finetune `zs-all`"], &parts[..]].concat());
    assert_eq!(names(&run.join("checkpoints")), ["pretrained.safetensors"]);
    assert!(!model(&run, "pretrained").tensors.is_empty());
    assert!(!run.join("eval.csv").exists() && !run.join("report.html").exists());
    no_half_files(&run);

    let file = dir.path().join("c.safetensors");
    say("pretrain", &[&tiny("paper")[..], &wild("pretrain"), &out(&file)].concat()).refuses(1, &parts);
    assert!(!file.exists());
    no_half_files(dir.path());
}

#[test]
fn wrong_usage() {
    say("run paper --resume", &[] as &[&str]).refuses(2, &["--resume needs --out DIR"]);
    for (line, part) in [
        ("fly", "fly"),
        ("run", "PRESET"),
        ("run paper --sed 1", "--sed"),
        ("finetune --from a --out b", "--method"),
        ("finetune --from a --out b --train *.v --loss mse", "`zs`, `fs` or `zs+fs`"),
        ("eval", "FILE.safetensors"),
    ] {
        let said = say(line, &[] as &[&str]);
        assert_eq!(said.code, 2, "{line}: {}", said.err);
        assert!(said.err.contains(part) && !said.err.contains("panicked"), "{line}: {}", said.err);
    }
}
