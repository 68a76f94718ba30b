//! Commands of language models, and what they share.

pub mod check;
pub mod eval;
pub mod finetune;
pub mod generate;
pub mod merge;
pub mod model;
pub mod probe;
pub mod run;
pub mod tokenizer;

use super::source::Device;
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::models::lm::{MemoryPlan, Room, Runner, Weights, inference};
use crate::pretrained::{PeftAdapter, Pretrained, Tokenizer};
use crate::units::{grouped, megabytes};
use std::path::Path;
use std::rc::Rc;

/// A plan as rows of a table.
pub fn planned(title: &str, plan: &MemoryPlan) -> Vec<Vec<String>> {
    let (large, small): (Vec<_>, Vec<_>) =
        plan.rows.iter().partition(|(_, bytes)| bytes * 100 >= plan.bytes());
    let rest: u64 = small.iter().map(|(_, bytes)| bytes).sum();
    let rest = (rest > 0).then(|| vec!["the rest".to_string(), megabytes(rest)]);
    let rows = large.into_iter().map(|(label, bytes)| vec![label.clone(), megabytes(*bytes)]).chain(rest);
    let header = vec![title.to_string(), String::new()];
    let all = vec!["all".to_string(), megabytes(plan.bytes())];
    std::iter::once(header).chain(rows).chain([all]).collect()
}

/// A model that is ready to be fed.
pub struct Loaded {
    pub model: Pretrained,
    pub tokenizer: Tokenizer,
    pub engine: Engine,
    pub tuning: Tuning,
    /// What is added to the weights.
    pub adapter: Option<PeftAdapter>,
}

impl Loaded {
    /// Opens a model and a device; no weight is read yet.
    pub fn open(path: &Path, adapter: Option<&Path>, device: &Device) -> Result<Self> {
        let model = Pretrained::open(path)?;
        let tokenizer = model.tokenizer()?;
        let adapter = adapter.map(|path| PeftAdapter::open(path, &model)).transpose()?;
        let (engine, tuning) = device.open()?;
        Ok(Loaded { model, tokenizer, engine, tuning, adapter })
    }

    /// Weights on the device, and room for logits, or for losses. What it will hold is planned, and said, before any of it is
    /// taken.
    pub fn runner(&self, room: Room, losses: bool) -> Result<Runner> {
        let most = self.engine.adapter().storage_bytes;
        let plan = inference(self.model.decoder(), room, losses, most, &self.tuning);
        log::info!(
            "{} of device memory planned for {} tokens",
            megabytes(plan.bytes()),
            grouped(room.tokens as u64)
        );
        let weights = self.weights()?;
        Ok(Runner::new(Rc::new(weights), room, &self.tuning))
    }

    /// All weights on the device, with the adapter beside them.
    pub fn weights(&self) -> Result<Weights> {
        let mut weights = Weights::load(&self.model, &self.engine, &self.tuning)?;
        if let Some(adapter) = &self.adapter {
            weights.load_adapter(adapter, &self.engine, &self.tuning)?;
        }
        Ok(weights)
    }

    /// Holds that so many tokens are no more than the model was made for.
    pub fn fits(&self, tokens: usize, what: &str) -> Result<()> {
        let decoder = self.model.decoder();
        let most = decoder.context;
        // Linear attention without positions goes on for ever.
        match tokens <= most || !decoder.mixing.turns(decoder.layers) {
            true => Ok(()),
            false => Err(Error::Usage(format!(
                "{what}: {} tokens are more than the model's context of {}",
                grouped(tokens as u64),
                grouped(most as u64)
            ))),
        }
    }

    /// A text's ids, behind the model's first token where it has one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.tokenizer.encode(text)?;
        let start = self.model.start().filter(|start| ids.first() != Some(start));
        let ids: Vec<u32> = start.into_iter().chain(ids).collect();
        let rows = self.model.decoder().vocabulary;
        match ids.iter().find(|id| **id as usize >= rows) {
            None => Ok(ids),
            Some(id) => Err(Error::file(
                self.model.path(),
                format!("its tokenizer gives token {id}, beyond the embedding's {rows} rows"),
            )),
        }
    }

    /// What the device held at most, beside what was planned.
    pub fn say_memory(&self) {
        log::info!("{} of device memory held at most", megabytes(self.engine.ledger().peak()));
    }
}
