//! Nothing is lost: one process writes to a place, floe removes what it wrote itself, no output lands on an input, a
//! report is there whole, and what can't be printed is an error.

mod common;

use common::*;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NOTHING: &[&str] = &[];

/// A program that is killed with the test that started it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(args: &[String]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.env("FLOE_CACHE_DIR", no_cache()).env_remove("RUST_LOG");
        let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Running(child.expect("floe starts"))
    }

    /// Waits for a file, which says how far it has come.
    fn until(&mut self, file: &Path) {
        let began = Instant::now();
        while !file.exists() {
            assert!(self.0.try_wait().unwrap().is_none(), "over before {} was there", file.display());
            assert!(began.elapsed() < Duration::from_secs(120), "{} never came", file.display());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn words(line: &str, more: &[&[String]]) -> Vec<String> {
    line.split_whitespace().map(String::from).chain(more.concat()).collect()
}

/// Minutes of training: under way for as long as a test takes.
fn long() -> Vec<String> {
    let sets = ["pretrain.steps=1000000", "pretrain.batch=2000", "record.checkpoint_every=200"];
    [tiny("paper"), sets.map(|set| format!("--set={set}")).to_vec()].concat()
}

#[test]
fn a_directory_that_a_run_writes_to_is_anothers_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut first = Running::start(&words("run", &[&long(), &out(&run)]));
    first.until(&run.join("checkpoints/pretrained.state.safetensors"));
    let holder = format!("process {}", first.0.id());
    let before = read(run.join("config.toml"));
    for second in [
        words("run --resume", &[&[text(&run)]]),
        words("run", &[&long(), &out(&run)]),
        words("run --resume", &[&long(), &out(&run), &["--set=pretrain.steps=5".into()]]),
        words("sweep --set sweep.seed=[0,1]", &[&tiny("paper"), &out(&run)]),
        words("sweep --resume --set sweep.seed=[0,1]", &[&tiny("paper"), &out(&run)]),
        words("report", &[&[text(&run)]]),
    ] {
        said(floe().args(&second))
            .refuses(1, &[&text(&run), &holder, "`floe run`", "wait for it or stop it"]);
    }
    assert!(first.0.try_wait().unwrap().is_none(), "the first goes on");
    assert_eq!(read(run.join("config.toml")), before);
    // With the process the lock is gone, whatever is left of it.
    first.kill();
    assert!(run.join(".floe-lock").exists(), "killed before it could clean up");
    let mut again = Running::start(&words("run --resume", &[&[text(&run)]]));
    let own = format!("\"pid\":{},", again.0.id());
    while !std::fs::read_to_string(run.join(".floe-lock.json")).is_ok_and(|note| note.contains(&own)) {
        assert!(again.0.try_wait().unwrap().is_none(), "over before it held the directory");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn of_many_that_want_a_fresh_directory_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let (run, alone) = (dir.path().join("run"), dir.path().join("alone"));
    let args = |to: &Path| words("run --set methods=[]", &[&tiny("paper"), &out(to)]);
    let outcomes: Vec<Said> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..5).map(|_| scope.spawn(|| said(floe().args(args(&run))))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let won = outcomes.iter().filter(|said| said.code == 0).count();
    assert_eq!(won, 1, "{:?}", outcomes.iter().map(|said| said.err.clone()).collect::<Vec<_>>());
    for lost in outcomes.iter().filter(|said| said.code != 0) {
        let error = lost.error(lost.code);
        assert!(error.contains("has been writing there") || error.contains("holds a run already"), "{error}");
    }
    said(floe().args(args(&alone))).error_free();
    assert_same_run(&run, &alone);
    assert_eq!(names(&run), names(&alone));
    assert!(!names(&run).iter().any(|name| name.starts_with('.')), "{:?}", names(&run));
}

#[test]
fn a_checkpoint_that_is_being_made_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m.safetensors");
    let mut first = Running::start(&words("pretrain", &[&long(), &out(&model)]));
    first.until(&dir.path().join("m.state.safetensors"));
    let holder = format!("process {}", first.0.id());
    for resume in [NOTHING, &["--resume"]] {
        let more: Vec<String> = resume.iter().map(|r| r.to_string()).collect();
        let second = words("pretrain", &[&long(), &out(&model), &more]);
        said(floe().args(second)).refuses(1, &["m.state.safetensors", &holder, "`floe pretrain`"]);
    }
    // Beside it there is room.
    for name in ["n.safetensors", "m.2"] {
        succeed("pretrain", &[&tiny("paper")[..], &out(dir.path().join(name))].concat());
    }
    first.kill();
    let said = succeed("pretrain", &[&tiny("paper")[..], &out(&model)].concat());
    assert!(said.err.contains("warn: ") && said.err.contains("what was kept at step "), "{}", said.err);
    assert_eq!(names(dir.path()), ["m.2", "m.safetensors", "n.safetensors"]);
}

/// Names of other people's files that look like floe's.
const THEIRS: [&str; 7] = [
    ".notes.tmp",
    ".config.toml.swp",
    ".run.json.tmp",
    ".run.json.abcdef.tmp",
    ".notes.txt.abcdEF12.floe-tmp",
    ".report-draft",
    "notes.floe-tmp",
];

#[test]
fn only_what_floe_wrote_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let rooms = [run.clone(), run.join("checkpoints"), run.join("figures")];
    for room in &rooms {
        std::fs::create_dir_all(room.join(".run.json.abcdEF12.floe-tmp")).unwrap();
        THEIRS.iter().for_each(|name| std::fs::write(room.join(name), "theirs").unwrap());
    }
    let torn = [
        run.join(".config.toml.abcdEF12.floe-tmp"),
        run.join(".report.html.abcdEF12.floe-tmp"),
        run.join("checkpoints/.zs-v.safetensors.abcdEF12.floe-tmp"),
        run.join("figures/.tradeoff.svg.abcdEF12.floe-tmp"),
    ];
    for path in &torn {
        std::fs::write(path, "half").unwrap();
    }
    succeed("run --set methods=[]", &[&tiny("paper")[..], &out(&run)].concat());
    std::fs::write(&torn[3], "half").unwrap();
    succeed("report", &[text(&run)]);
    succeed("run --resume", &[text(&run)]);
    for room in &rooms {
        THEIRS.iter().for_each(|name| assert_eq!(read(room.join(name)), "theirs"));
        assert!(room.join(".run.json.abcdEF12.floe-tmp").is_dir());
    }
    for path in &torn {
        assert!(!path.exists(), "{} is left", path.display());
    }
    // Where a training state is kept, another's file is not in its place by accident.
    let state = dir.path().join("m.state.safetensors");
    std::fs::write(&state, "theirs").unwrap();
    let model = out(dir.path().join("m.safetensors"));
    say("pretrain", &[&tiny("paper")[..], &model].concat())
        .refuses(1, &["m.state.safetensors", "is in the way"]);
    assert_eq!(read(&state), "theirs");
    assert!(!dir.path().join("m.safetensors").exists());
}

#[test]
fn no_output_lands_on_an_input() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(dir.path().join(name));
    succeed("pretrain", &[&tiny("paper")[..], &out(at("v.safetensors"))].concat());
    for copy in ["m.state.safetensors", "old.json"] {
        std::fs::copy(at("v.safetensors"), at(copy)).unwrap();
    }
    std::fs::write(at("mine.toml"), "[pretrain]\nsteps = 5\n").unwrap();
    std::fs::write(at("data.csv"), table(6, 24)).unwrap();
    std::fs::create_dir(at("run")).unwrap();
    std::fs::write(at("run/eval.csv"), table(6, 24)).unwrap();
    let kept: Vec<(String, Vec<u8>)> = names(dir.path())
        .into_iter()
        .filter(|name| name != "run")
        .map(|name| (at(&name), std::fs::read(at(&name)).unwrap()))
        .collect();
    let dotted = text(dir.path().join(".").join("v.safetensors"));
    let mut cases = vec![
        format!("eval {0} --out {0}", at("v.safetensors")),
        format!("eval --out {dotted} {}", at("v.safetensors")),
        format!("eval {0} {1} --out {1}", at("v.safetensors"), at("old.json")),
        format!("finetune --from {0} --method zs-v --out {0}", at("v.safetensors")),
        format!("finetune --from {} --train *.v --out {}", at("m.state.safetensors"), at("m.safetensors")),
        format!("finetune --from {} --train *.v --out {}", at("m.state.safetensors"), at("m")),
        format!("probe {0} {0}", at("v.safetensors")),
        format!("bench --only none --compare {0} --json {0}", at("old.json")),
        format!("bench --only none --compare {0} --csv {0}", at("old.json")),
        format!("bench --only none --json {0} --csv {0}", at("new.json")),
        format!("pretrain {0} --out {0}", at("mine.toml")),
        format!("pretrain tables --set task.log1p=[] --set task.path={0} --out {0}", at("data.csv")),
        format!("run tables --set task.log1p=[] --set task.path={} --out {}", at("run/eval.csv"), at("run")),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("v.safetensors"), at("soft.safetensors")).unwrap();
        std::fs::hard_link(at("v.safetensors"), at("hard.safetensors")).unwrap();
        for link in ["soft.safetensors", "hard.safetensors"] {
            cases.push(format!("eval {} --out {}", at("v.safetensors"), at(link)));
            cases.push(format!("finetune --from {} --train *.v --out {}", at(link), at("v.safetensors")));
        }
    }
    let shots = SMALL.iter().map(|set| format!("--set={set}")).collect::<Vec<_>>();
    for case in &cases {
        let more = if case.contains("tables") { &shots[..] } else { &[] };
        let said = say(case, more);
        let error = said.error(2);
        assert!(error.contains("would write") || error.contains("would both write"), "{case}: {error}");
    }
    for (path, bytes) in kept {
        assert!(std::fs::read(&path).unwrap() == bytes, "{path} is what it was");
    }
    assert_eq!(read(at("run/eval.csv")), table(6, 24));
    // A training state's name is kept for training states.
    let own = out(at("x.state.safetensors"));
    say("pretrain", &[&tiny("paper")[..], &own].concat()).refuses(2, &["--out", ".state.safetensors"]);
    // An output beside its input is none over it.
    succeed("eval --set eval.prompts=100", &[&[at("v.safetensors")][..], &out(at("v.csv"))].concat());
}

#[test]
fn a_report_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    succeed("run", &[&tiny("paper")[..], &out(&run)].concat());
    let whole = names(&run.join("figures"));
    let page = read(run.join("report.html"));
    // Killed at any moment, it leaves the page that was there, whole figures, and after the next time nothing else.
    for kill_after in [0, 20, 40, 60, 80, 100, 120, 160, 200] {
        let running = Running::start(&words("report", &[&[text(&run)]]));
        std::thread::sleep(Duration::from_millis(kill_after));
        running.kill();
        assert_eq!(read(run.join("report.html")), page);
        for name in names(&run.join("figures")).iter().filter(|name| !name.starts_with('.')) {
            let svg = read(run.join("figures").join(name));
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{name} is half there");
        }
    }
    succeed("report", &[text(&run)]);
    assert_eq!(names(&run.join("figures")), whole);
    assert!(!names(&run).iter().any(|name| name.starts_with('.')), "{:?}", names(&run));
    // What can't be written stops it before anything has changed: a directory where the last figure goes.
    std::fs::write(run.join("figures/tradeoff.svg"), "old").unwrap();
    std::fs::remove_file(run.join("report.html")).unwrap();
    std::fs::create_dir(run.join("report.html")).unwrap();
    say("report", &[text(&run)]).refuses(1, &["report.html", "it is a directory"]);
    assert_eq!(read(run.join("figures/tradeoff.svg")), "old", "no figure is newer than the page");
    assert_eq!(names(&run.join("figures")), whole);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (run, model) = (text(dir.path().join("run")), text(dir.path().join("m.safetensors")));
    succeed("run --set methods=[]", &[&tiny("paper")[..], &out(&run)].concat());
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let into_full = |args: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.env("FLOE_CACHE_DIR", no_cache()).env_remove("RUST_LOG").args(args).stdout(full());
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: String::new(), err }
    };
    for line in [
        format!("eval {run}/checkpoints/pretrained.safetensors"),
        format!("run {run} --resume"),
        format!("report {run}"),
        format!("probe {run}/checkpoints/pretrained.safetensors {model}"),
        "devices".into(),
        "presets".into(),
        "init paper".into(),
        "bench --only grad_reduce".into(),
        "bench --only grad_reduce --json -".into(),
        "tune --forget".into(),
        "--help".into(),
        "eval --help".into(),
        "--version".into(),
    ] {
        into_full(&words(&line, &[])).refuses(1, &["standard output", "No space left on device"]);
    }
    let sweep =
        words("sweep --set sweep.seed=[0,1] --set methods=[]", &[&tiny("paper"), &out(dir.path().join("s"))]);
    into_full(&sweep).refuses(1, &["standard output", "No space left on device"]);
    let pretrain = words("pretrain", &[&tiny("paper"), &out(&model)]);
    into_full(&pretrain).refuses(1, &["standard output", "No space left on device"]);
    assert!(Path::new(&model).exists(), "what was asked for is made all the same");
    // Nowhere to say what is wrong: the exit code says it.
    for (line, code) in [("run no-such-preset", 2), ("fly", 2), ("eval no-such-file", 1), ("devices", 0)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command.args(line.split(' ')).stdout(Stdio::null()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{line}");
    }
}

#[test]
fn a_file_of_any_size_is_an_error_and_not_the_end_of_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let huge = |path: &Path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let path = dir.path().join("huge");
    huge(&path);
    let huge_file = text(&path);
    for line in ["eval", "bench --compare", "run", "sweep", "finetune --train *.v --out x --from"] {
        let said = say(line, &[&huge_file]);
        let code = if ["run", "sweep"].contains(&line) { 2 } else { 1 };
        // A checkpoint may have any size, and says in its first bytes whether it is one.
        let checkpoint = line == "eval" || line.ends_with("--from");
        let why = if checkpoint { "is not a floe checkpoint" } else { "has more than " };
        said.refuses(code, &["huge", why]);
    }
    if cfg!(unix) {
        say("run /dev/zero", NOTHING).refuses(2, &["/dev/zero", "has more than 16 MB"]);
    }
    let run = dir.path().join("run");
    succeed("run --set methods=[]", &[&tiny("paper")[..], &out(&run)].concat());
    for (name, why) in [
        ("run.json", "has more than "),
        ("eval.csv", "has more than "),
        ("baselines.csv", "has more than "),
        ("config.toml", "has more than "),
        ("checkpoints/pretrained.safetensors", "is not a floe checkpoint"),
    ] {
        let kept = std::fs::read(run.join(name)).unwrap();
        huge(&run.join(name));
        say("report", &[text(&run)]).refuses(1, &[name.rsplit('/').next().unwrap(), why]);
        std::fs::write(run.join(name), kept).unwrap();
    }
    succeed("report", &[text(&run)]);
}
