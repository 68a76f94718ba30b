//! `floe probe MODEL --text TEXT`

use super::super::places::Places;
use super::super::print;
use super::super::source::Device;
use super::Loaded;
use crate::error::{Error, Result};
use crate::models::learn::{self, Batch, Capacity, Learner, Training};
use crate::models::lm::Room;
use crate::optim::Optimizer;
use crate::params::{Param, Spans, mask};
use crate::store::atomic;
use crate::store::checkpoint::{self, Checkpoint, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Most tokens: all their logits are written.
const MOST: usize = 4096;

/// What is probed.
pub struct Asked<'a> {
    pub model: &'a Path,
    pub adapter: Option<&'a Path>,
    pub text: &'a str,
    /// Patterns over parameters whose gradients are written too.
    pub train: &'a [String],
    pub out: &'a Path,
    pub device: &'a Device,
}

pub fn run(asked: &Asked) -> Result<()> {
    let Asked { model, adapter, text, train, out, device } = *asked;
    Places::default().read("the model", model).write("--out", out).check()?;
    atomic::check_writable(out)?;
    let loaded = Loaded::open(model, adapter, device)?;
    let ids = loaded.encode(text)?;
    if ids.is_empty() || ids.len() > MOST {
        return Err(Error::Usage(format!("--text: {} tokens; it can be 1 to {MOST}", ids.len())));
    }
    loaded.fits(ids.len(), "--text")?;
    let mut runner = loaded.runner(Room { rows: ids.len(), tokens: ids.len() }, true)?;
    let mut logits = Vec::new();
    runner.logits(&loaded.engine, &ids, |row| {
        logits.extend_from_slice(row);
        Ok(())
    })?;
    let losses = match ids.len() {
        1 => Vec::new(),
        _ => runner.losses(&loaded.engine, &ids)?,
    };
    let loss = losses.iter().map(|x| f64::from(*x)).sum::<f64>() / losses.len().max(1) as f64;
    let shape = vec![ids.len(), logits.len() / ids.len()];
    let tensors = [
        ("ids", vec![ids.len()], ids.iter().map(|&id| id as f32).collect()),
        ("logits", shape, logits),
        ("loss", vec![1], vec![loss as f32]),
    ];
    let tensors = tensors.map(|(name, shape, data)| (name.to_string(), Tensor { shape, data }));
    let mut tensors: BTreeMap<String, Tensor> = tensors.into();
    drop(runner);
    if !train.is_empty() || adapter.is_some() {
        tensors.extend(gradients(&loaded, &ids, train)?);
    }
    checkpoint::write(out, &Checkpoint { tensors, ..Default::default() })?;
    print(&format!("{}\n", out.display()))
}

/// `grad.<tensor>` of the mean loss: of each tensor of which a pattern names something, or of an adapter.
fn gradients(loaded: &Loaded, ids: &[u32], train: &[String]) -> Result<Vec<(String, Tensor)>> {
    if ids.len() < 2 {
        return Err(Error::Usage("--text: one token has no loss, and no gradient".into()));
    }
    let (engine, tuning) = (&loaded.engine, &loaded.tuning);
    let weights = loaded.weights()?;
    let table = learn::trainable(&weights);
    let trained = match loaded.adapter {
        Some(_) => Spans::all(table.len()),
        None => mask::resolve(train, &table).map_err(|e| Error::Usage(format!("--train: {e}")))?,
    };
    let groups = [(trained.clone(), Optimizer::default())];
    let room = Capacity { counted: ids.len() - 1, sequences: 1, ..Capacity::any(ids.len()) };
    let training = Training { groups: &groups, room, recompute: false, dropout: 0.0 };
    let mut learner = Learner::new(Rc::new(weights), &training, engine, tuning)?;
    let mut batch = Batch::default();
    batch.push(ids, 1);
    batch.mean();
    learner.loss(engine, &batch)?;
    learner.backward(engine, false)?;
    let named = |param: &&Param| !trained.within(param.place()).is_empty();
    let gradient = |param: &Param| -> Result<(String, Tensor)> {
        let data = learner.gradient(engine, &param.name)?;
        Ok((format!("grad.{}", param.name), Tensor { shape: param.shape.clone(), data }))
    };
    table.params.iter().filter(named).map(gradient).collect()
}
