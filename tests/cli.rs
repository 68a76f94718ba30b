//! The command line as a person meets it.

mod common;

use common::*;
use std::process::{Command, Stdio};

const COMMANDS: [&str; 12] = [
    "run", "sweep", "presets", "init", "pretrain", "finetune", "eval", "report", "devices", "check", "bench",
    "tune",
];

const NOTHING: &[&str] = &[];

#[test]
fn help_of_every_command() {
    let help = succeed("--help", NOTHING).out;
    for command in COMMANDS {
        let listed = help.lines().any(|line| line.split_whitespace().next() == Some(command));
        assert!(listed, "{command} is not in:\n{help}");
        let own = succeed(&format!("{command} --help"), NOTHING);
        assert!(own.out.contains(&format!("Usage: floe {command}")), "{}", own.out);
        assert!(own.err.is_empty());
        let about = own.out.lines().next().unwrap();
        assert!(about.len() > 15 && help.contains(&about[..15]), "{command}: {about}");
        // Every option is explained.
        let lines: Vec<&str> = own.out.lines().map(str::trim).collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("--")) {
            let inline = line.contains("  ");
            assert!(inline || lines.get(i + 1).is_some_and(|next| !next.is_empty()), "{command} {line}");
        }
    }
    let bare = say("", NOTHING);
    assert_eq!(bare.code, 2);
    assert!(bare.err.contains("Usage: floe"));
}

#[test]
fn version_and_presets() {
    assert_eq!(succeed("--version", NOTHING).out, format!("floe {}\n", env!("CARGO_PKG_VERSION")));
    let out = succeed("presets", NOTHING).out;
    let first: Vec<&str> = out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(
        first,
        ["paper", "paper-qkv", "tables", "paper-sweep", "finetune", "text", "mixers", "text-large"]
    );
    assert!(out.lines().all(|line| line.split("  ").count() >= 2), "a name and what it is:\n{out}");
}

#[test]
fn init_starts_an_experiment_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    for preset in ["paper", "paper-qkv", "tables"] {
        let text = succeed("init", &[preset]).out;
        assert!(text.lines().filter(|line| line.starts_with('#')).count() > 30, "commented");
        let file = dir.path().join(format!("{preset}.toml"));
        std::fs::write(&file, text).unwrap();
        let mine = floe::config::load(&common::text(&file), &[]).unwrap();
        assert_eq!(mine, floe::config::load(preset, &[]).unwrap());
    }
    assert!(succeed("init", &["paper-sweep"]).out.contains("\n[sweep]\n"));
    // Edited where a person would, it runs; without --out into runs/ of the current directory, never over another.
    let mut sets = tiny("paper").split_off(1);
    sets.extend(["--set".into(), "methods=[]".into()]);
    for name in ["paper", "paper-2"] {
        let said = said(floe().args(["run", "paper.toml"]).args(&sets).current_dir(dir.path()));
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(said.out.trim().replace('\\', "/"), format!("runs/{name}/report.html"));
        assert!(dir.path().join("runs").join(name).join("report.html").exists());
    }
}

#[test]
fn devices_lists_adapters_with_their_limits() {
    let listed = succeed("devices", NOTHING).out;
    let lines: Vec<&str> = listed.lines().collect();
    for column in ["#", "name", "backend", "type", "driver", "storage", "shared", "workgroup", "features"] {
        assert!(lines[0].split_whitespace().any(|c| c == column), "{column}: {}", lines[0]);
    }
    assert!(
        lines[1].starts_with("0  ") && lines[1].contains(" MiB") && lines[1].contains(" KiB"),
        "{listed}"
    );
    assert!(listed.contains("`--device`"), "how to use it:\n{listed}");
    // What is listed is what --device takes.
    let name = lines[1].split("  ").find(|cell| cell.len() > 2).unwrap().trim();
    let part = name.split(' ').next().unwrap().to_uppercase();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let line = format!("run --set methods=[] --device {part}");
    let said = succeed(&line, &[&tiny("paper")[..], &out(&run)].concat());
    assert!(said.err.starts_with(name) || said.err.contains(&format!("\n{name} (")), "{}", said.err);
}

#[test]
fn check_is_green_and_shows_every_kernel() {
    let said = succeed("check", NOTHING);
    for kernel in floe::kernels::KERNELS {
        let row = said.out.lines().find(|line| line.split_whitespace().nth(1) == Some(kernel.stem));
        let row = row.unwrap_or_else(|| panic!("{} is not in:\n{}", kernel.stem, said.out));
        assert!(row.starts_with("ok  "), "{row}");
    }
    let last = said.out.lines().last().unwrap();
    let cases = said.out.lines().count() - 2;
    assert_eq!(last, format!("all {cases} cases are green"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let floe = env!("CARGO_BIN_EXE_floe");
    let (code, err) = (dir.path().join("code"), dir.path().join("err"));
    // The program starts when `true` has closed the pipe's other end. Help, lists and errors all go there.
    for (line, both, expected) in [
        ("init paper", false, 0),
        ("--help", false, 0),
        ("devices", false, 0),
        ("run no-such-preset", true, 2),
        ("fly", true, 2),
    ] {
        let stderr = if both { "&1".to_string() } else { format!("'{}'", err.display()) };
        let code_file = code.display();
        let script = format!(
            "(sleep 0.2; '{floe}' {line} 2>{stderr}; echo $? >'{code_file}') | true; \
             while [ ! -s '{code_file}' ]; do sleep 0.05; done"
        );
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        let said = if both { String::new() } else { read(&err) };
        assert_eq!(read(&code).trim(), expected.to_string(), "floe {line}: {said}");
        std::fs::remove_file(&code).unwrap();
    }
    let script = format!("'{floe}' init paper | head -1");
    let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let said = succeed("run", &[&tiny("paper")[..], &out(&run)].concat());
    assert_eq!(said.out, format!("{}\n", run.join("report.html").display()));
    for text in [&said.out, &said.err] {
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    }
    for model in ["pretrained", "zs-all", "zs-qk", "zs-v", "zsfs-all", "zsfs-qk", "zsfs-v"] {
        let lines: Vec<&str> =
            said.err.lines().filter(|line| line.split_whitespace().next() == Some(model)).collect();
        let [covers, ends] = lines[..] else { panic!("{model}: {}", said.err) };
        assert!(covers.starts_with(&format!("{model} trains ")), "{covers}");
        assert!(ends.contains("20 steps, ") && ends.contains(" a second, "), "{ends}");
    }
    let quiet = said_quiet(&run);
    assert_eq!(quiet, "", "RUST_LOG=off says nothing");
}

fn said_quiet(run: &std::path::Path) -> String {
    let mut command = floe();
    command.args(["run", "--resume"]).arg(run).env("RUST_LOG", "off");
    let said = said(&mut command);
    assert_eq!(said.code, 0, "{}", said.err);
    said.err.lines().filter(|line| !line.contains("XDG_RUNTIME_DIR")).collect()
}

#[test]
fn bench_times_what_is_asked_and_compares() {
    let dir = tempfile::tempdir().unwrap();
    let (json, csv) = (dir.path().join("a.json"), dir.path().join("a.csv"));
    let arguments = [text(&json), "--csv".into(), text(&csv)];
    let said = succeed("bench --only grad_reduce,step:zs-v --json", &arguments);
    for name in ["roof: copy", "roof: fill", "roof: multiply-add", "grad_reduce: paper", "step:zs-v"] {
        assert!(said.out.lines().any(|line| line.starts_with(name)), "{name} is not in:\n{}", said.out);
    }
    let report: floe::bench::Report = serde_json::from_str(&read(&json)).unwrap();
    assert!(report.roof_gflops > 0.0 && report.roof_gbytes_s > 0.0);
    let step = report.figures.iter().find(|f| f.name == "step:zs-v").unwrap();
    assert!(step.ms > 0.0 && step.ms_min <= step.ms && step.ms <= step.ms_max);
    // The value matrix of the paper's model, and one moment of each element.
    assert_eq!((step.trained, step.optimizer_bytes), (Some(49), Some(4 * 49)));
    assert_eq!(read(&csv).lines().count(), 1 + report.figures.len());
    // Nothing is faster than the roofs, which are the best of all samples and not the median.
    for figure in &report.figures {
        assert!(figure.roof <= 100.0 || !figure.name.starts_with("roof"), "{figure:?}");
    }
    let again = succeed("bench --only grad_reduce --compare", &[text(&json)]);
    let line = again.out.lines().find(|l| l.starts_with("grad_reduce")).unwrap();
    assert!(line.split_whitespace().last().unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
    say("bench --compare", &[text(&csv)]).refuses(1, &["a.csv", "floe bench --json"]);
}

#[test]
fn bench_shows_that_masks_pay_and_times_whole_evaluations() {
    let json = succeed("bench --json - --only", &["masks: d = 5,eval:"]).out;
    let report: floe::bench::Report = serde_json::from_str(&json).unwrap();
    let models: Vec<&str> = report.masks.iter().map(|pair| pair.name.as_str()).collect();
    let expected = ["d = 5, 1 layer, 1 head", "d = 5, 2 layers, 2 heads"];
    assert_eq!(models, expected.map(|model| format!("masks: {model}")));
    let trained: Vec<_> = report.masks.iter().map(|pair| [pair.all.trained, pair.value.trained]).collect();
    assert_eq!(trained, [[98, 49], [392, 98]]);
    for pair in &report.masks {
        // One moment of each trained element: state shrinks with the mask, whatever the clock says.
        assert_eq!(pair.value.optimizer_bytes, 4 * pair.value.trained);
        assert!(pair.ratio_low <= pair.ratio && pair.ratio <= pair.ratio_high && pair.value.ms > 0.0);
    }
    let eval = report.figures.iter().find(|f| f.name == "eval: paper").unwrap();
    assert!(eval.ms > 0.0 && eval.device_ms.is_none());
}

#[test]
fn attention_is_timed_and_what_has_no_room_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (json, csv) = (dir.path().join("a.json"), dir.path().join("a.csv"));
    let all = ["attention", "--shape", "1,20,2,16", "--mixer", "gated,delta"].map(String::from);
    let files = ["--json".to_string(), common::text(&json), "--csv".into(), common::text(&csv)];
    let out = succeed("bench", &[&all[..], &files[..]].concat()).out;
    for part in ["gated", "delta", "1,20,2,16", "forward ms", "v alone", "roofs: "] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let table: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let lines = table["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let number = |name: &str| line[name].as_f64().unwrap();
        assert!(
            number("error") < 1e-5 && number("forward_ms") > 0.0 && number("both_ms") > number("forward_ms")
        );
    }
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 3);
    let words = |args: &[&str]| {
        let said = say("bench", &[&["attention"], args].concat());
        assert!(said.code == 2 && said.err.contains("--"), "{args:?}: {}", said.err);
        said.err
    };
    assert!(words(&["--mixer", "softmax"]).contains("there are linear, retention"));
    assert!(words(&["--dtype", "f8"]).contains("there are f32 and f16"));
    assert!(words(&["--shape", "1,2,3"]).contains("four numbers"));
    assert!(words(&["--shape", "1,1000000,1,16", "--mixer", "linear"]).contains("name a smaller one"));
}
