//! Passes of a published language model.

use super::work::{Job, Work};
use crate::error::Result;
use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::models::lm::{Room, Runner, Weights};
use crate::pretrained::{Decoder, Pretrained};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Tokens of a whole pass, and those before a single one.
const TOKENS: usize = 512;

/// A pass that can be run again and again.
pub struct Pass {
    runner: Rc<RefCell<Runner>>,
    ids: Vec<u32>,
    /// One token behind the others, or all of them with the loss of each.
    one: bool,
}

impl Pass {
    /// Runs it to its end: numbers are read.
    pub fn run(&self, engine: &Engine) -> Result<()> {
        let mut runner = self.runner.borrow_mut();
        if !self.one {
            return runner.losses(engine, &self.ids).map(drop);
        }
        let past = self.ids.len() - 1;
        // A token costs a state the same wherever it is.
        if runner.has_states() {
            runner.rewind(0);
            return runner.feed(engine, &self.ids[past..]).map(drop);
        }
        if runner.past() < past {
            runner.rewind(0);
            runner.feed(engine, &self.ids[..past])?;
        }
        runner.rewind(past);
        runner.feed(engine, &self.ids[past..]).map(drop)
    }
}

/// Multiplications and additions of a token behind so many others.
fn flops(decoder: &Decoder, past: f64) -> f64 {
    let matrices =
        decoder.tensors().into_iter().filter(|(name, s)| s.len() == 2 && !name.contains("embed_tokens"));
    let products: usize = matrices.map(|(_, shape)| shape[0] * shape[1]).sum();
    let head = if decoder.tied { decoder.vocabulary * decoder.width } else { 0 };
    2.0 * (products + head) as f64 + 4.0 * past * (decoder.layers * decoder.heads * decoder.head_dim) as f64
}

/// What is timed of a model: a pass of [`TOKENS`] tokens with the loss of each, and of one token behind them.
pub fn passes(path: &Path, engine: &Engine, tuning: &Tuning) -> Result<Vec<Work>> {
    let model = Pretrained::open(path)?;
    let tokens = TOKENS.min(model.decoder().context);
    let weights = Rc::new(Weights::load(&model, engine, tuning)?);
    let runner = Rc::new(RefCell::new(Runner::new(weights, Room { rows: tokens, tokens }, tuning)));
    let decoder = model.decoder();
    let ids: Vec<u32> = (0..tokens).map(|i| (i * 7919 % decoder.vocabulary) as u32).collect();
    let weights = 4.0 * decoder.parameters() as f64;
    let stems = vec!["matmul", "embed", "rms_norm", "rope", "attention", "swiglu", "cross_entropy"];
    let work = |name: String, one: bool, flops: f64| Work {
        name,
        stems: stems.clone(),
        flops,
        bytes: weights,
        trained: None,
        optimizer_bytes: None,
        job: Job::Pass(Box::new(Pass { runner: runner.clone(), ids: ids.clone(), one })),
    };
    let whole = tokens as f64 * flops(decoder, 0.5 * tokens as f64);
    Ok(vec![
        work(format!("model: {tokens} tokens with their losses"), false, whole),
        work(format!("model: a token behind {}", tokens - 1), true, flops(decoder, tokens as f64)),
    ])
}
