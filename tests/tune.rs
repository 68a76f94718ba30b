//! `floe tune`, and which variant a run takes: `--variant`, what was tuned, the default; a resumed one what it began
//! with.

mod common;

use common::*;
use floe::gpu::{self, AdapterSummary};
use floe::kernels::{Tuning, VARIANTS};
use floe::tune::cache::{self, Entry, Key};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;

fn adapter() -> &'static AdapterSummary {
    static ADAPTER: OnceLock<AdapterSummary> = OnceLock::new();
    ADAPTER.get_or_init(|| gpu::open("auto").unwrap_or_else(|e| panic!("{e}")).adapter().clone())
}

fn default() -> &'static str {
    Tuning::of(adapter()).name
}

/// A variant that is not the default and sums in another order, so that it gives other last bits.
fn other() -> &'static str {
    let differs = |v: &&Tuning| v.fits(adapter()) && v.workgroup != Tuning::of(adapter()).workgroup;
    VARIANTS.iter().find(differs).expect("one of the other class").name
}

/// A cache file with `other()` chosen for a key.
fn tuned_for(dir: &Path, key: Key) {
    let entry = Entry { key, variant: other().into(), cut: None, chunk: None, ratio: 0.5 };
    cache::keep(&dir.join("tune.json"), entry).unwrap();
}

/// Runs `floe` with a cache directory.
fn with(cache: &Path, line: &str, more: &[String]) -> Said {
    let mut command = floe();
    command.args(line.split_whitespace()).args(more).env("FLOE_CACHE_DIR", cache);
    said(&mut command)
}

/// A run of pre-training and one method, and what its `run.json` says of the variant: its name, and who chose it.
fn run(cache: &Path, out_dir: &Path, line: &str) -> (Said, [String; 2]) {
    let small = [&tiny("paper")[..], &out(out_dir)].concat();
    let one = "--set methods=[{name='zs-v',loss='zs',train=['*.v']}]";
    let said = with(cache, &format!("run {one} {line}"), &small);
    assert_eq!(said.code, 0, "{}", said.err);
    (said, variant(out_dir))
}

fn variant(run: &Path) -> [String; 2] {
    let info: Value = serde_json::from_str(&read(run.join("run.json"))).unwrap();
    ["name", "chosen"].map(|key| info["variant"][key].as_str().unwrap().to_string())
}

fn warnings(said: &Said) -> Vec<&str> {
    said.err.lines().filter(|line| line.starts_with("warn: ")).collect()
}

#[test]
fn a_dry_run_measures_every_variant_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let dry = with(&cache, "tune --dry-run", &[]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    for variant in Tuning::of_class(adapter()) {
        let row = dry.out.lines().find(|line| line.split_whitespace().next() == Some(variant.name));
        let row = row.unwrap_or_else(|| panic!("{} is not in:\n{}", variant.name, dry.out));
        // Parity of every variant is green, by another suite, so each has its times.
        assert!(!row.contains(" -"), "{row}");
    }
    assert_eq!(dry.out.lines().filter(|line| line.ends_with("  chosen")).count(), 1, "{}", dry.out);
    assert!(!cache.exists(), "--dry-run keeps nothing");
}

#[test]
fn tune_measures_keeps_and_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, file) = (dir.path().join("cache"), dir.path().join("cache").join("tune.json"));
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(&file, "torn").unwrap();
    let said = with(&cache, "tune", &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains(&format!("kept in {}", file.display())), "{}", said.out);
    assert_eq!(warnings(&said).len(), 1, "the damaged file is replaced, and that is said: {}", said.err);
    let entry = cache::look_up(&file, &Key::of(adapter())).unwrap().expect("an entry");
    assert!(Tuning::of_class(adapter()).iter().any(|v| v.name == entry.variant));
    let (said, recorded) = run(&cache, &dir.path().join("run"), "");
    assert_eq!(recorded, [entry.variant.as_str(), "tuned"]);
    assert!(
        said.err.contains(&format!("variant `{}`, chosen by `floe tune`", entry.variant)),
        "{}",
        said.err
    );

    let said = with(&cache, "tune --forget", &[]);
    assert!(said.out.starts_with("forgotten: "), "{}", said.out);
    assert_eq!(cache::look_up(&file, &Key::of(adapter())).unwrap(), None);
    let said = with(&cache, "tune --forget", &[]);
    assert!(said.out.starts_with("nothing is kept"), "{}", said.out);
    with(&cache, "tune --forget --dry-run", &[]).refuses_usage();
}

#[test]
fn a_flag_wins_over_what_was_tuned_and_that_over_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, cache) = (dir.path().join("empty"), dir.path().join("cache"));
    tuned_for(&cache, Key::of(adapter()));
    let of = |cache: &Path, name: &str, line: &str| run(cache, &dir.path().join(name), line).1;
    assert_eq!(of(&empty, "a", ""), [default(), "default"]);
    assert_eq!(of(&cache, "b", ""), [other(), "tuned"]);
    let (said, recorded) = run(&cache, &dir.path().join("c"), &format!("--variant {}", default()));
    assert_eq!(recorded, [default(), "flag"]);
    assert!(!said.err.contains("floe tune"), "{}", said.err);
}

#[test]
fn another_driver_or_version_is_no_choice_and_a_bad_file_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    let key = Key::of(adapter());
    let others = [
        Key { driver_info: format!("{} and newer", key.driver_info), ..key.clone() },
        Key { driver: "another".into(), ..key.clone() },
        Key { floe: "0.0.1".into(), ..key.clone() },
        Key { backend: "another".into(), ..key.clone() },
    ];
    let cache = dir.path().join("others");
    others.into_iter().for_each(|other| tuned_for(&cache, other));
    let (said, recorded) = run(&cache, &dir.path().join("run"), "");
    assert_eq!(recorded, [default(), "default"]);
    assert_eq!(warnings(&said), [] as [&str; 0]);

    let cache = dir.path().join("bad");
    let file = cache.join("tune.json");
    cache::keep(&file, Entry { key, variant: "fast".into(), cut: None, chunk: None, ratio: 1.0 }).unwrap();
    let unknown = read(&file);
    for (i, text) in [unknown.as_str(), &unknown[..20], "\u{0}"].into_iter().enumerate() {
        std::fs::write(&file, text).unwrap();
        let (said, recorded) = run(&cache, &dir.path().join(format!("bad-{i}")), "");
        assert_eq!(recorded, [default(), "default"]);
        let [warning] = warnings(&said)[..] else { panic!("one line: {}", said.err) };
        for part in ["tune.json", "delete it or run `floe tune` again", "default"] {
            assert!(warning.contains(part), "`{part}` is not in: {warning}");
        }
    }
    let said = with(&cache, "tune --forget", &[]);
    said.refuses(1, &["tune.json", "delete it"]);
}

#[test]
fn a_resumed_run_goes_on_with_the_variant_it_began_with() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, cache) = (dir.path().join("empty"), dir.path().join("cache"));
    let [plain, whole, resumed] = ["plain", "whole", "resumed"].map(|name| dir.path().join(name));
    tuned_for(&cache, Key::of(adapter()));
    run(&empty, &plain, "");
    run(&cache, &whole, "");
    run(&cache, &resumed, "");
    let bits = |run: &Path| std::fs::read(run.join("checkpoints/zs-v.safetensors")).unwrap();
    assert!(bits(&plain) != bits(&whole), "the variants must differ in bits for this to test anything");
    assert_same_run(&whole, &resumed);

    // As if it had been stopped after pre-training, and the choice forgotten since.
    for file in ["checkpoints/zs-v.safetensors", "eval.csv", "baselines.csv", "report.html"] {
        std::fs::remove_file(resumed.join(file)).unwrap();
    }
    let line = format!("run {} --resume", resumed.display());
    let contradiction = with(&empty, &format!("{line} --variant {}", default()), &[]);
    contradiction.refuses(2, &[&format!("--variant `{}`", default()), &format!("began with `{}`", other())]);
    let said = with(&empty, &line, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains(&format!("variant `{}`, as at the beginning", other())), "{}", said.err);
    assert_same_run(&whole, &resumed);
    assert_eq!(variant(&resumed), [other(), "tuned"], "who chose it stays on record");

    // A run.json that does not tell is worth a warning, and one that names no variant of this device an error.
    let info = read(resumed.join("run.json"));
    std::fs::write(resumed.join("run.json"), info.replace(&format!("\"{}\"", other()), "\"fast\"")).unwrap();
    with(&empty, &line, &[]).refuses(2, &["began with variant `fast`", "--out"]);
    std::fs::write(resumed.join("run.json"), "{}").unwrap();
    let said = with(&empty, &format!("{line} --variant {}", other()), &[]);
    assert_eq!((said.code, warnings(&said).len()), (0, 1), "{}", said.err);
}

impl Said {
    /// Wrong usage as the argument parser tells it.
    fn refuses_usage(&self) {
        assert_eq!(self.code, 2, "{}", self.err);
        assert!(self.err.contains("cannot be used with"), "{}", self.err);
    }
}
