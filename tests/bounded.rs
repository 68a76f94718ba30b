//! What has the length of a run, of an evaluation or of a sweep takes neither memory nor a launch of that size.

mod common;

use common::*;
use floe::config::{self, Schedule};
use floe::gpu::{self, Buffer, Engine, View};
use floe::job::sweep::Members;
use floe::job::{Experiment, Machine};
use floe::kernels::Tuning;
use floe::kernels::prompt::{Source, prompt_eval};
use floe::models::prompt::{Plan, Start, Stepper};
use floe::models::{Phase, Step};
use floe::prompt::shape::{Models, Shape};

fn open() -> (Engine, Tuning) {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    (engine, tuning)
}

fn experiment(sets: &[&str]) -> Experiment {
    let sets: Vec<String> = SMALL.iter().chain(&["task.dim=2"]).chain(sets).map(|s| s.to_string()).collect();
    Experiment::open(config::load("paper", &sets).unwrap()).unwrap()
}

/// Prompts of several launches, the last of them shorter, give the errors of one launch that has them all.
#[test]
fn an_evaluation_in_parts_is_the_whole() {
    let (engine, tuning) = open();
    let law = experiment(&[]).problem.tests[2].law(0);
    let shape = Shape { layers: 1, heads: 1, dim: 2 };
    let prompts = 5 * prompt_eval::prompts(&law, &shape, 0) / 2 + 7;
    let experiment = experiment(&[&format!("eval.prompts={prompts}"), "eval.shots=0"]);
    let evaluator = experiment.evaluator(Machine::new(&engine, tuning));
    let start = experiment.init();
    let named = |name: &str, by: f32| (name.to_string(), start.iter().map(|x| x * by).collect::<Vec<f32>>());
    let rows = evaluator.models(&[named("a", 1.0)]).unwrap();
    assert_eq!(rows, evaluator.models(&[named("a", 1.0)]).unwrap(), "the same bits again");

    let source = Source::new(&law);
    let models = Models::ONE;
    let whole = prompt_eval::Eval { source: &source, shape, shots: 0, batch: prompts, models };
    let lanes = whole.lanes(&tuning);
    let mut words = start.clone();
    words.resize(shape.weights_stride(), 0.0);
    let (weights, sums) = (Buffer::holding("weights", &words), Buffer::words("sums", whole.words(lanes)));
    engine.submit(&whole.record(&weights, &sums, lanes, &tuning), 1).unwrap();
    let read: Vec<f32> = engine.read(&sums).unwrap();
    let mean = read[..lanes].iter().map(|&x| x as f64).sum::<f64>() / prompts as f64;
    let row = rows.iter().find(|row| row.task == "fresh").unwrap();
    assert!((row.mean - mean).abs() < 2e-5 * mean, "{} in parts, {mean} whole", row.mean);

    // Whoever else is tested.
    let together: Vec<_> = (0..5).map(|m| named(&format!("m{m}"), 1.0 + 0.1 * m as f32)).collect();
    for (alone, beside) in rows.iter().zip(evaluator.models(&together).unwrap()) {
        assert!((alone.mean - beside.mean).abs() < 1e-6 * alone.mean, "{} and {}", alone.mean, beside.mean);
    }
}

/// Every step of a phase of 2³² − 1, here its last ones, has the numbers of its own place in the schedules.
#[test]
fn schedules_take_memory_by_the_submission() {
    let (engine, tuning) = open();
    let experiment = experiment(&["finetune.optimizer.lr_schedule=linear", "finetune.optimizer.lr=1e7"]);
    let (_, plan) = experiment.plans.iter().find(|(name, _)| name == "zsfs-all").unwrap();
    let steps = u32::MAX as u64;
    let plan = Plan { steps, schedule: Schedule::Linear, ..plan.clone() };
    let params = experiment.init();
    for tuning in [tuning, Tuning { resident: 0.0, ..tuning }] {
        let bits = |ring: usize, chunks: &[u64]| {
            let start = Start { params: &params, moments: &[], step: steps - 9 };
            let (model, table) = (&experiment.config.model, &experiment.table);
            let stepper = Stepper::new(model, table, &plan, start, ring, &tuning);
            let buffers = stepper.recording.dispatches().flat_map(|d| &d.resources);
            assert!(buffers.filter_map(|r| r.view()).map(View::bytes).max().unwrap() < 1 << 20);
            let mut at = steps - 9;
            for &count in chunks {
                stepper.submit(&engine, at, count).unwrap();
                at += count;
            }
            let moved: Vec<u32> = engine.read(&stepper.params).unwrap();
            (moved, engine.read::<u32>(&stepper.moments).unwrap())
        };
        let whole = bits(16, &[9]);
        assert_eq!(whole, bits(3, &[3, 3, 3]));
        assert_eq!(whole, bits(4, &[1, 4, 3, 1]));
        let start: Vec<u32> = params.iter().map(|x| x.to_bits()).collect();
        // The rates of the last steps are a few billionths of the first one's: 0.02 down to 0.
        assert_ne!(whole.0[..params.len()], start);
    }
}

/// Padding to whole groups may be what does not fit: 42 models in 21 groups of two have room, 41 have not.
#[test]
fn batches_of_a_sweep_fit_with_their_padding() {
    let (engine, tuning) = open();
    let machine = Machine::new(&engine, tuning);
    let rates: Vec<String> = (1..=14).map(|i| format!("{:.3}", i as f64 / 1000.0)).collect();
    for (dim, methods) in
        [(12, "\"zs-all\", \"zs-qk\", \"zs-v\""), (12, "\"zs-v\""), (25, "\"zsfs-all\", \"zs-all\"")]
    {
        let sets = [
            format!("task.dim={dim}"),
            format!("sweep.only=[{methods}]"),
            format!("sweep.finetune.optimizer.lr=[{}]", rates.join(", ")),
        ];
        let members = Members::open(config::load_sweep("paper", &sets).unwrap()).unwrap();
        members.check(machine).unwrap();
        let batches = members.batches(machine).unwrap();
        let mut all: Vec<usize> = batches.concat();
        all.sort();
        assert!(all.into_iter().eq(0..members.list.len()), "every model once");
        for batch in &batches {
            let phases: Vec<&dyn Phase> = batch.iter().map(|&i| members.phase(i)).collect();
            members.experiments[0].check_step(&phases, machine).unwrap();
        }
    }
    // A single model that does not fit is an error still.
    let sets = ["task.dim=1000".to_string(), "sweep.seed=[0, 1]".to_string()];
    let members = Members::open(config::load_sweep("paper", &sets).unwrap()).unwrap();
    let limit = members.check(machine).err().map(|e| e.to_string());
    let fits = engine.uniform_bytes() >= 4 * 2 * 1002 * 1002;
    assert!(fits || limit.is_some_and(|text| text.contains("uniform binding in bytes")));
}

/// Sizes that no machine has are told in a line, with little memory to do it in.
#[cfg(unix)]
#[test]
fn sizes_are_refused_before_memory_is_taken() {
    let methods = shared("bounded-methods.toml");
    let method = |i: usize| format!("[[methods]]\nname = \"m{i}\"\nloss = \"zs\"\ntrain = [\"*\"]\n");
    std::fs::write(&methods, (0..1001).map(method).collect::<String>()).unwrap();
    let methods = text(&methods);
    let seeds = (0..4096).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let many = format!("sweep paper --set task.dim=1000 --set sweep.seed=[{seeds}]");
    let crossed = format!("sweep paper --set sweep.seed=[{seeds}] --set sweep.pretrain.steps=[1,2]");
    for (line, parts) in [
        ("run paper --set eval.prompts=1000000000000", ["eval.prompts", "at most 4294967295"]),
        ("run paper --set task.pool=1000000000000000", ["task.pool", "at most 4294967295"]),
        ("run paper --set model.layers=1000000", ["model.layers", "at most 1024"]),
        ("run paper --set model.heads=9223372036854775807", ["model.heads", "at most"]),
        ("run paper --set model.layers=1000 --set model.heads=1000", ["model.layers", "parameters"]),
        ("run tables --set model.layers=100000", ["model.layers", "at most 1024"]),
        ("run tables --set model.layers=1000 --set model.heads=100", ["model.layers", "parameters"]),
        ("run paper --set task.dim=100000", ["task.dim", "at most 1446"]),
        ("run paper --set task.dim=18446744073709551615", ["task.dim", "beyond 64 bits"]),
        ("run paper --set pretrain.batch=1000000000000", ["pretrain.batch", "at most 4294967295"]),
        ("run paper --set finetune.batch=4000000000", ["finetune.batch", "too large"]),
        ("run paper --set eval.seeds=1000000000000", ["eval.seeds", "at most 4294967295"]),
        ("run paper --set eval.shots=1000000 --set eval.prompts=1", ["eval.shots", "at most 65536"]),
        ("run paper --set pretrain.steps=4294967296", ["pretrain.steps", "at most 4294967295"]),
        ("run paper --set methods.zs-v.steps=10000000000", ["methods.zs-v.steps", "at most 4294967295"]),
        (&format!("run {methods}"), ["methods", "at most 1000"]),
        (&many, ["4096 cells", "parameters"]),
        (&crossed, ["4096 × 2 cells", "at most 4096"]),
        ("probe none.safetensors out.safetensors --batch 1000000000000", ["--batch", "1000000000000"]),
    ] {
        let program = env!("CARGO_BIN_EXE_floe");
        let mut command = assert_cmd::Command::new("sh");
        // In kibibytes: enough for the program and its threads.
        command.args(["-c", &format!("ulimit -v 1000000; exec {program} \"$@\""), "floe"]);
        command.env_remove("RUST_LOG").env("FLOE_CACHE_DIR", no_cache()).args(line.split(' '));
        let said = said(&mut command);
        assert_eq!(said.code, 2, "{line}: {}", said.err);
        assert!(!said.err.contains("panicked") && !said.err.contains("memory"), "{line}: {}", said.err);
        for part in parts {
            assert!(said.err.contains(part), "{line}: `{part}` is not in: {}", said.err);
        }
    }
}
