//! Whatever a file or an argument holds, floe reads it or says in one line why not: no panic, no hang, no memory beyond
//! what it is worth, nothing raw on the terminal, nothing left behind.
//!
//!     FLOE_FUZZ=1000000 cargo test --release --test fuzz        # so many inputs, over all readers
//!     FLOE_FUZZ_SEED=7 …                                        # others
//!     FLOE_FUZZ_ONLY=4711 … --test fuzz tables                  # one again, as a failure prints it

mod guard;
mod models;
mod mutate;
mod seeds;
#[path = "../common/tiny.rs"]
mod tiny;

use floe::config::{self, Model};
use floe::job::Experiment;
use floe::models::prompt;
use floe::store::{metrics, rundir};
use floe::{Error, bench, escape, params, report, tasks, train, tune};
use guard::{Input, Reader, raw};
use mutate::{Dice, mutate};
use std::io::Write;
use std::path::Path;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// An error as the program prints it; [`the_program_itself`] holds that it does.
fn shown(error: Error) -> String {
    escape::line(&error.to_string()).into_owned()
}

fn told<T>(result: floe::Result<T>) -> Result<T, String> {
    result.map_err(shown)
}

/// One of the healthy ones, damaged; now and then it is left as it is.
fn damaged<T: AsRef<[u8]>>(dice: &mut Dice, healthy: &[T]) -> Vec<u8> {
    let bytes = healthy[dice.below(healthy.len())].as_ref();
    if dice.one_in(50) {
        return bytes.to_vec();
    }
    let other = healthy[dice.below(healthy.len())].as_ref();
    mutate(dice, bytes, other)
}

/// Words of a command line, some damaged. A shell hands no NUL on.
fn arguments(dice: &mut Dice, healthy: &[&str], most: usize) -> Vec<String> {
    let one = |dice: &mut Dice| {
        let word = dice.pick(healthy).as_bytes();
        let bytes = if dice.one_in(2) { word.to_vec() } else { mutate(dice, word, dice_free(healthy)) };
        String::from_utf8_lossy(&bytes).replace('\0', "0")
    };
    (0..dice.below(most + 1)).map(|_| one(dice)).collect()
}

/// What words are spliced with.
fn dice_free<'a>(healthy: &[&'a str]) -> &'a [u8] {
    healthy[healthy.len() - 1].as_bytes()
}

#[test]
fn experiments() {
    let healthy = seeds::experiments();
    Reader {
        name: "experiments",
        share: 200,
        // A sweep has up to 4096 experiments.
        memory: (4 * KIB, 64 * MIB),
        make: &|dice| {
            let file = if dice.one_in(4) {
                healthy[dice.below(healthy.len())].clone()
            } else {
                damaged(dice, &healthy)
            };
            let mut input = Input::file("experiment.toml", file);
            if dice.one_in(3) {
                input.words = arguments(dice, seeds::SETS, 3);
            }
            input
        },
        read: &|dir, input| {
            let path = dir.join("experiment.toml").display().to_string();
            let one = told(config::load(&path, &input.words)).map(drop);
            let many = told(config::load_sweep(&path, &input.words)).map(drop);
            match (one, many) {
                (Err(one), Err(many)) => Err(one + " | " + &many),
                _ => Ok(()),
            }
        },
        writes: &[],
    }
    .run();
}

#[test]
fn masks() {
    let merged = prompt::table(&Model { layers: 2, heads: 3, ..Model::default() }, 4);
    Reader {
        name: "masks",
        share: 180,
        memory: (64, 256 * KIB),
        make: &|dice| Input { files: Vec::new(), words: arguments(dice, seeds::PATTERNS, 4) },
        read: &|_, input| {
            let trained = told(params::mask::resolve(&input.words, &merged))?;
            assert!(trained.ranges().iter().all(|range| range.end <= merged.len()));
            Ok(())
        },
        writes: &[],
    }
    .run();
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// A table or matrix: plain, packed after it was damaged, or damaged when it was packed.
fn maybe_zipped(dice: &mut Dice, healthy: &[u8]) -> Vec<u8> {
    match dice.below(5) {
        0 => zipped(&damaged(dice, &[healthy])),
        1 => damaged(dice, &[zipped(healthy)]),
        2 => [zipped(healthy), zipped(&damaged(dice, &[healthy]))].concat(),
        _ => damaged(dice, &[healthy]),
    }
}

/// The experiment of a file, with overrides that hold for all.
fn open_task(text: &str, path: &Path, key: &str, more: &[String]) -> Result<(), String> {
    let sets: Vec<String> =
        [format!("{key}={:?}", path.display().to_string())].iter().chain(more).cloned().collect();
    let config = told(config::resolve_text("a", text, &sets))?;
    told(tasks::open(&config)).map(drop)
}

#[test]
fn tables() {
    let healthy = seeds::table();
    let text = "task = { kind = \"tables\", task_column = \"task\", target_column = \"\", log1p = [] }\n\
                pretrain.shots = 2\nfinetune.shots = 2\neval.shots = 2\n";
    let choices = [
        "task.target_column=y",
        "task.target_column=b",
        "task.log1p=[\"a\"]",
        "task.target=t1",
        "task.replacement=true",
    ];
    Reader {
        name: "tables",
        share: 150,
        memory: (4 * KIB, MIB),
        make: &|dice| Input {
            files: vec![("table.csv", maybe_zipped(dice, &healthy))],
            words: (0..dice.below(3)).map(|_| dice.pick(&choices).to_string()).collect(),
        },
        read: &|dir, input| open_task(text, &dir.join("table.csv"), "task.path", &input.words),
        writes: &[],
    }
    .run();
}

#[test]
fn covariances() {
    Reader {
        name: "covariances",
        share: 120,
        memory: (2 * KIB, MIB),
        make: &|dice| Input::file("sigma.csv", maybe_zipped(dice, seeds::COVARIANCE)),
        read: &|dir, _| open_task("task.dim = 3\n", &dir.join("sigma.csv"), "task.covariance.file", &[]),
        writes: &[],
    }
    .run();
}

#[test]
fn checkpoints() {
    let healthy = seeds::checkpoints();
    let config = config::resolve_text("a", seeds::CONFIG, &[]).expect("an experiment");
    let experiment = Experiment::open(config).expect("a healthy one");
    let plan = &experiment.plans[0].1;
    let (phase, method, identity) = ("pretrain", "pretrained", &experiment.identity);
    let job = train::Job { phase, method, plan, state_path: None, identity };
    Reader {
        name: "checkpoints",
        share: 200,
        memory: (256, MIB),
        make: &|dice| Input::file("model.safetensors", damaged(dice, &healthy)),
        read: &|dir, _| {
            let path = dir.join("model.safetensors");
            let state = told(train::state::load(&path, &job, &experiment.table)).map(drop);
            let finished = told(train::finished::load_weights(&path, &experiment.table)).map(drop);
            let _ = told(train::state::variant_of(&path))?;
            let weights = told(train::finished::Found::read(&path)).and_then(|found| {
                let config = found.noted.config.clone().unwrap_or_default();
                told(found.arena(&experiment.table))?;
                told(config::resolve_made("model.safetensors", &config, &[])).map(drop)
            });
            // One kind of file is never the other.
            state.or(finished.and(weights))
        },
        writes: &[],
    }
    .run();
}

/// One or two files of a directory damaged.
fn directory(dice: &mut Dice, healthy: &[(&'static str, Vec<u8>)]) -> Input {
    let mut files = healthy.to_vec();
    for _ in 0..1 + dice.below(2) {
        let (at, other) = (dice.below(files.len()), dice.below(files.len()));
        files[at].1 = mutate(dice, &healthy[at].1, &healthy[other].1);
    }
    Input { files, words: Vec::new() }
}

/// What a page or figure shows: text with line ends, and nothing that turns or hides it.
fn written_clean(dir: &Path) {
    let figures = std::fs::read_dir(dir.join("figures")).into_iter().flatten();
    let figures = figures.map(|entry| entry.expect("an entry").path());
    for path in figures.chain([dir.join("report.html")]).filter(|path| path.exists()) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!name.starts_with('.') && !name.contains(raw), "{name:?}");
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let found = text.chars().find(|&c| c != '\n' && raw(c));
        assert_eq!(found, None, "{} holds a raw control character", path.display());
    }
}

#[test]
fn runs() {
    let healthy = seeds::run();
    let model = &seeds::run_model();
    let read = |dir: &Path, write: bool| {
        rundir::begun(dir);
        let checkpoints = dir.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).expect("a directory");
        std::fs::write(checkpoints.join("zs-v.safetensors"), model).expect("written");
        if !write {
            return told(report::read(dir)).map(drop);
        }
        let _ = std::fs::remove_dir_all(dir.join("figures"));
        let said = told(report::write(dir));
        written_clean(dir);
        said
    };
    let reader = |name, share, write: bool| {
        Reader {
            name,
            share,
            memory: (KIB, 8 * MIB),
            make: &|dice| directory(dice, &healthy),
            read: &|dir, _| read(dir, write),
            writes: &["checkpoints", "figures", "report.html"],
        }
        .run()
    };
    reader("runs", 60, false);
    reader("runs, written", 5, true);
}

#[test]
fn sweeps() {
    let healthy = seeds::sweep();
    Reader {
        name: "sweeps",
        share: 5,
        memory: (KIB, 8 * MIB),
        make: &|dice| directory(dice, &healthy),
        read: &|dir, _| {
            let _ = std::fs::remove_dir_all(dir.join("figures"));
            let said = told(report::sweep::write(dir));
            written_clean(dir);
            said
        },
        writes: &["figures", "report.html"],
    }
    .run();
}

#[test]
fn logs() {
    let healthy = &seeds::run()[2].1;
    Reader {
        name: "logs",
        share: 10,
        memory: (256, MIB),
        make: &|dice| Input::file("metrics.jsonl", damaged(dice, &[healthy])),
        read: &|dir, input| {
            let path = dir.join("metrics.jsonl");
            told(metrics::MetricsLog::open(&path, |line| line.step < 1000))?;
            // What a killed process left torn is dropped, and that counts as refused.
            let whole = std::fs::read(&path).expect("the log").len() == input.len();
            if whole { Ok(()) } else { Err("lines were dropped".into()) }
        },
        writes: &[],
    }
    .run();
}

#[test]
fn choices() {
    let adapter = ["llvmpipe", "Vulkan", "llvmpipe", "Mesa", "0.1.0"].map(String::from);
    let [adapter, backend, driver, driver_info, floe] = adapter;
    let key = tune::cache::Key { adapter, backend, driver, driver_info, floe };
    Reader {
        name: "choices",
        share: 35,
        memory: (256, MIB),
        make: &|dice| Input::file("tune.json", damaged(dice, &[seeds::TUNED])),
        read: &|dir, _| told(tune::cache::look_up(&dir.join("tune.json"), &key)).map(drop),
        writes: &[],
    }
    .run();
}

#[test]
fn benches() {
    Reader {
        name: "benches",
        share: 35,
        memory: (256, MIB),
        make: &|dice| Input::file("bench.json", damaged(dice, &[seeds::BENCH])),
        read: &|dir, _| {
            let bytes = std::fs::read(dir.join("bench.json")).expect("the file");
            let report = serde_json::from_slice::<bench::Report>(&bytes);
            told(report.map(drop).map_err(|e| Error::file("bench.json", e)))
        },
        writes: &[],
    }
    .run();
}

/// Some of the inputs once more through the program, whose standard error is read as a terminal would get it.
#[test]
fn the_program_itself() {
    let (experiments, run, sweep) = (seeds::experiments(), seeds::run(), seeds::sweep());
    let said = |dir: &Path, arguments: &[&str], more: &[String]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_floe"));
        command
            .args(arguments)
            .args(more)
            .current_dir(dir)
            .env_remove("RUST_LOG")
            .env("FLOE_CACHE_DIR", dir.join("none"));
        let output = command.output().expect("floe starts");
        let code = output.status.code().expect("an exit code");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        let found = text.chars().find(|&c| c != '\n' && raw(c));
        assert_eq!(found, None, "raw in {text:?}");
        assert!(!text.contains("panicked") && matches!(code, 0..=2), "{code}: {text}");
        let last = text.trim_end().lines().last().unwrap_or_default();
        // An experiment that is right comes as far as the device.
        if code == 0 || last.contains("no adapter") { Ok(()) } else { Err(last.to_string()) }
    };
    let reader = |name, make: &dyn Fn(&mut Dice) -> Input, arguments: &[&str]| {
        Reader {
            name,
            share: 4,
            memory: (256, MIB),
            make,
            read: &|dir, input| said(dir, arguments, &input.words),
            writes: &["figures", "report.html", "out"],
        }
        .run();
    };
    let experiment = |dice: &mut Dice| Input {
        words: ["--set".to_string()].into_iter().chain(arguments(dice, seeds::SETS, 1)).collect(),
        ..Input::file("experiment.toml", damaged(dice, &experiments))
    };
    reader(
        "the program on experiments",
        &experiment,
        &["run", "experiment.toml", "--out", "out", "--device", "none"],
    );
    let bench = |dice: &mut Dice| Input::file("bench.json", damaged(dice, &[seeds::BENCH]));
    reader("the program on benches", &bench, &["bench", "--compare", "bench.json", "--device", "none"]);
    reader("the program on runs", &|dice| directory(dice, &run), &["report", "."]);
    reader("the program on sweeps", &|dice| directory(dice, &sweep), &["report", "."]);
}
