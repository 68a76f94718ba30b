//! Writes a model as a checkpoint, reads it back as any program might, and tests it.
//!
//! Checkpoints are safetensors: `safetensors.numpy.load_file` in Python reads them too, and
//! `floe::store::checkpoint::read_any` reads what Python has written.

use floe::store::checkpoint;
use floe::train::{finished, state};
use floe::{Checkpoint, Experiment, Machine, Result, config, gpu};

const EXPERIMENT: &str = r#"
model = { layers = 2, heads = 2 }
task = { kind = "regression", dim = 2 }
pretrain = { steps = 20, batch = 64, shots = 4 }
eval = { prompts = 500, seeds = 1, shots = 4 }
"#;

fn main() -> Result<()> {
    let experiment = Experiment::open(config::resolve_text("this example", EXPERIMENT, &[])?)?;
    let engine = gpu::open("auto")?;
    let machine = Machine::of(&engine);
    let params = experiment.train("pretrained", experiment.init(), machine)?;

    // One arena holds all parameters; the table says which stand where.
    let tensors = state::tensors(&experiment.table, &params);
    let metadata = experiment.identity.metadata().collect();
    let path = std::env::temp_dir().join(format!("floe-example-{}.safetensors", std::process::id()));
    checkpoint::write(&path, &Checkpoint { tensors, metadata })?;

    let found = checkpoint::read(&path)?;
    for (name, tensor) in &found.tensors {
        println!("{name} {:?}", tensor.shape);
    }
    println!("fingerprint {}", found.metadata["fingerprint"]);

    // Names and shapes are compared with the model's; the same weights give the same errors, to the bit.
    let read = finished::load_weights(&path, &experiment.table)?;
    println!("same bits: {}", read == params);
    for row in experiment.evaluator(machine).models(&[("read".to_string(), read)])? {
        if row.task == "fresh" {
            println!("{} shots: {:.3} ± {:.3}", row.shots, row.mean, row.stderr.unwrap_or(f64::NAN));
        }
    }
    std::fs::remove_file(&path).map_err(|e| floe::Error::file(&path, e))
}
