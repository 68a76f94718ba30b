//! `--extend`: a finished phase trained for longer has the bits of one that was as long from the beginning.

mod common;

use common::*;
use floe::store::checkpoint::{self, MOMENTS};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Momentum, then Adam: moments that matter.
const EXPERIMENT: &str = r#"
[task]
dim = 2
[pretrain]
steps = 20
batch = 64
shots = 3
[finetune]
steps = 12
batch = 64
shots = 3
[eval]
prompts = 200
seeds = 1
shots = 3
[record]
every = 1
checkpoint_every = 8
[[methods]]
name = "adam"
loss = "zs"
train = ["*"]
[methods.optimizer]
rule = "adam"
lr = 0.001
[[methods]]
name = "value"
loss = "zs+fs"
train = ["*.v"]
schedule = "linear"
steps = 10
"#;

fn experiment() -> String {
    experiment_file("extend-experiment", EXPERIMENT)
}

fn args(sets: &[&str], dir: &Path, more: &[&str]) -> Vec<String> {
    let sets = sets.iter().flat_map(|set| ["--set".to_string(), set.to_string()]);
    let more = more.iter().map(|word| word.to_string());
    [vec![experiment()], sets.collect(), out(dir).to_vec(), more.collect()].concat()
}

/// A finished run of its own for each test, copied from one.
fn finished(dir: &Path) -> PathBuf {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let dir = shared("extend-finished");
        succeed("run", &args(&[], &dir, &[]));
        dir
    });
    let copy = dir.join("run");
    common::copy(run, &copy);
    copy
}

#[test]
fn longer_pre_training_is_that_of_the_length_and_what_follows_is_trained_again() {
    let dir = tempfile::tempdir().unwrap();
    let (run, whole) = (finished(dir.path()), dir.path().join("whole"));
    let said = succeed("run --extend --set pretrain.steps=30", &[text(&run)]);
    for line in ["pretrained: goes on from step 20 to 30", "adam: trained again", "value: trained again"] {
        assert!(said.err.contains(line), "{line} is not in {}", said.err);
    }
    succeed("run", &args(&["pretrain.steps=30"], &whole, &[]));
    assert_same_run(&whole, &run);
    // Done is done.
    let said = succeed("run --resume", &[text(&run)]);
    assert!(said.err.contains("pretrained: finished before"), "{}", said.err);
}

#[test]
fn longer_fine_tuning_leaves_the_rest_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (run, whole) = (finished(dir.path()), dir.path().join("whole"));
    let kept = std::fs::read(run.join("metrics.jsonl")).unwrap();
    let said = succeed("run --extend --set finetune.steps=20", &[text(&run)]);
    assert!(said.err.contains("adam: goes on from step 12 to 20 with its moments"), "{}", said.err);
    for name in ["pretrained", "value"] {
        assert!(said.err.contains(&format!("{name}: finished before")), "{}", said.err);
    }
    succeed("run", &args(&["finetune.steps=20"], &whole, &[]));
    for name in ["pretrained", "adam", "value"] {
        let file = format!("checkpoints/{name}.safetensors");
        assert!(
            std::fs::read(run.join(&file)).unwrap() == std::fs::read(whole.join(&file)).unwrap(),
            "{name}"
        );
    }
    for file in ["config.toml", "eval.csv", "baselines.csv"] {
        assert_eq!(read(run.join(file)), read(whole.join(file)), "{file}");
    }
    assert!(std::fs::read(run.join("metrics.jsonl")).unwrap().len() > kept.len());

    // Schedules are drawn out, which is said.
    let said = succeed("run --extend --set methods.value.steps=40", &[text(&run)]);
    assert!(said.err.contains("value: goes on from step 10 to 40"), "{}", said.err);
    assert!(said.err.contains("few-shot weight's, now 0.7"), "{}", said.err);
}

#[test]
fn what_cannot_be_longer_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    let all = || {
        let files = names(&run.join("checkpoints"));
        let paths = files.iter().map(|name| run.join("checkpoints").join(name));
        paths
            .chain([run.join("run.json"), run.join("config.toml")])
            .map(|p| std::fs::read(p).unwrap())
            .collect::<Vec<_>>()
    };
    let before = all();
    let refused = |line: &str, parts: &[&str]| say(line, &[text(&run)]).refuses(2, parts);
    refused("run --resume --set finetune.steps=20", &["finetune.steps is 12 there, 20 here", "--extend"]);
    refused("run --extend --set seed=3", &["seed is 0 there, 3 here"]);
    refused("run --extend --set seed=3 --set finetune.steps=20", &["seed is 0 there, 3 here"]);
    refused("run --extend --set pretrain.steps=10", &["pretrained.safetensors", "20 steps already, and 10"]);
    assert!(all() == before, "what was refused is untouched");

    let path = run.join("checkpoints/adam.safetensors");
    let mut without = checkpoint::read(&path).unwrap();
    without.tensors.remove(MOMENTS);
    checkpoint::write(&path, &without).unwrap();
    let said = say("run --extend --set finetune.steps=20", &[text(&run)]);
    said.refuses(1, &["adam.safetensors", "has no `optimizer.moments`"]);
}

#[test]
fn single_steps_extend_too() {
    let dir = tempfile::tempdir().unwrap();
    let (model, whole) = (dir.path().join("m.safetensors"), dir.path().join("whole.safetensors"));
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    succeed("pretrain", &args(&[], &model, &[]));
    succeed("pretrain", &args(&["pretrain.steps=30"], &model, &["--extend"]));
    succeed("pretrain", &args(&["pretrain.steps=30"], &whole, &[]));
    assert!(bytes(&model) == bytes(&whole));
    say("pretrain", &args(&["pretrain.steps=30"], &model, &["--extend"]))
        .refuses(2, &["has its 30 steps already"]);

    let tuned = |line: &str, to: &Path| {
        say(&format!("finetune --method adam {line} --from"), &[&[text(&whole)][..], &out(to)].concat())
    };
    let (short, long) = (dir.path().join("short.safetensors"), dir.path().join("long.safetensors"));
    assert_eq!(tuned("", &short).code, 0);
    tuned("--extend --set seed=4 --set finetune.steps=20", &short).refuses(2, &["seed is 0 there, 4 here"]);
    assert_eq!(tuned("--extend --set finetune.steps=20", &short).code, 0);
    assert_eq!(tuned("--set finetune.steps=20", &long).code, 0);
    assert!(bytes(&short) == bytes(&long));
}

#[test]
fn a_state_without_its_moments_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (model, state) = (dir.path().join("m.safetensors"), dir.path().join("m.state.safetensors"));
    succeed("pretrain", &args(&[], &model, &[]));
    // The state of a phase that stopped at its 20th step of 30.
    let mut whole = checkpoint::read(&model).unwrap();
    whole.metadata.remove("steps");
    let config = whole.metadata["config"].replacen("steps = 20", "steps = 30", 1);
    whole.metadata.extend([("step", "20"), ("wall_s", "1.0")].map(|(k, v)| (k.to_string(), v.to_string())));
    whole.metadata.insert("config".into(), config);
    let resumed = |change: &dyn Fn(&mut checkpoint::Checkpoint)| {
        let mut changed = whole.clone();
        change(&mut changed);
        checkpoint::write(&state, &changed).unwrap();
        say("pretrain", &args(&["pretrain.steps=30"], &model, &["--resume"]))
    };
    resumed(&|c| drop(c.tensors.remove(MOMENTS))).refuses(1, &["m.state", "has no `optimizer.moments`"]);
    let shorter = |c: &mut checkpoint::Checkpoint| {
        let moments = c.tensors.get_mut(MOMENTS).unwrap();
        moments.data.pop();
        moments.shape = vec![moments.data.len()];
    };
    resumed(&shorter).refuses(1, &["m.state", "has 31 entries instead of 32"]);
    resumed(&|c| drop(c.metadata.insert("step".into(), "31".into())))
        .refuses(1, &["its step is 31, beyond the 30"]);
    let said = resumed(&|c| drop(c.metadata.insert("method".into(), "a\u{1b}b".into())));
    said.refuses(2, &["the state is of method `a\\u{1b}b`"]);
    say("eval", &[text(&state)]).refuses(1, &["is the state of a phase under way"]);
    assert_eq!(resumed(&|_| ()).code, 0);
}
