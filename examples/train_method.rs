//! Pre-trains a small model, fine-tunes its value matrix alone, and prints the trade-off: what that gains without
//! demonstrations on the task fine-tuned on, and what it loses with demonstrations on tasks never seen.
//!
//! Where PyTorch has a module, an optimizer and a loop, floe has a configuration: which parameters a method may change is
//! a pattern over their names, and what it leaves out has no gradient, no moments and no decay.

use floe::{Experiment, Machine, Result, config, gpu};

/// What a file for `floe run` may hold. Keys that are left out have the paper's values.
const EXPERIMENT: &str = r#"
seed = 1
task = { kind = "regression", dim = 2 }
pretrain = { steps = 1500, batch = 400, shots = 10 }
finetune = { steps = 1500, batch = 400, shots = 10 }
eval = { prompts = 4000, seeds = 2, shots = 10 }

[[methods]]
name = "value"
loss = "zs"             # the zero-shot loss: the query alone, no demonstrations
train = ["*.v"]         # layers.0.attn.v [H, D, D]; query and key stay as they are, to the bit
"#;

fn main() -> Result<()> {
    let experiment = Experiment::open(config::resolve_text("this example", EXPERIMENT, &[])?)?;
    // Any adapter that Vulkan, Metal or DirectX 12 has, a software one where there is no other.
    let engine = gpu::open("auto")?;
    let machine = Machine::of(&engine);

    let pretrained = experiment.train("pretrained", experiment.init(), machine)?;
    let tuned = experiment.train("value", pretrained.clone(), machine)?;

    // Mean squared errors at 0, 1, …, 10 demonstrations, of both models on the same prompts.
    let models = [("pretrained".to_string(), pretrained), ("value".to_string(), tuned)];
    let rows = experiment.evaluator(machine).models(&models)?;
    let error = |model: &str, task: &str, shots: usize| {
        let row = rows
            .iter()
            .find(|row| (row.model == model, row.task == task, row.shots == shots) == (true, true, true));
        row.map_or(f64::NAN, |row| row.mean)
    };
    let change = |task, shots| error("value", task, shots) - error("pretrained", task, shots);
    println!(
        "zero-shot error on the target: {:.3} before, {:.3} after",
        error("pretrained", "target", 0),
        error("value", "target", 0)
    );
    println!("zero-shot gain: {:.3}", -change("target", 0));
    println!("10-shot loss on fresh tasks: {:.3}", change("fresh", 10));
    Ok(())
}
