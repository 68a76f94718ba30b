//! What floe computes on one small batch, written out for a check from outside (`tests/interop`).

use crate::config::{Loss, Schedule};
use crate::error::Result;
use crate::gpu::Buffer;
use crate::job::{Experiment, Machine};
use crate::kernels::Tuning;
use crate::kernels::prompt::{Source, prompt_sample};
use crate::kernels::shared::masked_update::NONE;
use crate::models::Step;
use crate::models::prompt::{Plan, Start, Stepper};
use crate::params::Spans;
use crate::store::checkpoint::{Checkpoint, Tensor};
use std::collections::BTreeMap;

/// Weight of the few-shot loss in the probe: any number that tells the two losses apart.
const FEW: f32 = 0.5;

/// Prompts of the pre-training law, and the loss `zs + 0.5 fs` of `params` on them with its gradient.
///
/// Tensors: `tokens` `[B, N, D]`, `targets` `[B]`, `weights` `[2]`, `loss` `[1]`, and `grad.<parameter>` `[H, D, D]`.
pub fn probe(experiment: &Experiment, machine: Machine, params: &[f32], batch: usize) -> Result<Checkpoint> {
    let table = &experiment.table;
    let plan = Plan {
        loss: Loss::ZsFs,
        weight: FEW as f64,
        schedule: Schedule::Constant,
        steps: 1,
        batch,
        train: Spans::all(table.len()),
        ..experiment.plans[0].1.clone()
    };
    // Kernel by kernel, so that the gradient is there to read, and on prompts that can be written out.
    let Machine { engine, .. } = machine;
    let tuning = Tuning { resident: 0.0, moments: false, ..machine.tuning };
    let start = Start { params, moments: &[], step: 0 };
    let stepper = Stepper::new(&experiment.config.model, table, &plan, start, 1, &tuning);
    stepper.submit(engine, 0, 1)?;
    let metrics: Vec<f32> = engine.read(&stepper.ring().buffer)?;
    let grads: Vec<f32> = engine.read(&stepper.grads)?;

    let width = experiment.problem.dim + 2;
    let shape = vec![batch, plan.shots + 1, width];
    let tokens = Buffer::words("tokens", shape.iter().product());
    let targets = Buffer::words("targets", batch);
    let state = Buffer::words("state", 1);
    let out = (&tokens, &targets);
    let recording = prompt_sample::record(&Source::new(&plan.law), plan.shots, batch, &state, out, &tuning);
    engine.submit(&recording, 1)?;

    let mut tensors = BTreeMap::new();
    let mut put = |name: &str, shape: Vec<usize>, mut data: Vec<f32>| {
        data.truncate(shape.iter().product());
        tensors.insert(name.to_string(), Tensor { shape, data });
    };
    put("tokens", shape, engine.read(&tokens)?);
    put("targets", vec![batch], engine.read(&targets)?);
    put("weights", vec![2], vec![1.0, FEW]);
    put("loss", vec![1], vec![metrics[0] + FEW * metrics[1]]);
    let gradient = |element: usize| match stepper.places[0][element] {
        NONE => 0.0,
        place => grads[place as usize],
    };
    for p in &table.params {
        let data = (p.offset..p.offset + p.len()).map(gradient).collect();
        put(&format!("grad.{}", p.name), p.shape.to_vec(), data);
    }
    Ok(Checkpoint { tensors, ..Default::default() })
}
