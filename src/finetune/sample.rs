//! What a model goes on with.

use crate::error::Result;
use crate::gpu::Engine;
use crate::interrupt;
use crate::kernels::Tuning;
use crate::models::lm::{Room, Runner, Sampler, Weights};
use crate::pretrained::{Pretrained, Tokenizer};
use crate::store::methods::Sample;
use std::rc::Rc;

/// Most tokens that are taken at a time.
const PASS: usize = 64;

/// The likeliest tokens behind each prompt, so many of them, or fewer where the model ends.
///
/// # Errors
/// What the tokenizer or the device gives; [`Error::Interrupted`](crate::Error::Interrupted).
pub fn go_on(
    prompts: &[Vec<u32>],
    tokens: usize,
    (model, tokenizer): (&Pretrained, &Tokenizer),
    weights: &Rc<Weights>,
    engine: &Engine,
    tuning: &Tuning,
) -> Result<Vec<Sample>> {
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    if longest == 0 {
        return Ok(Vec::new());
    }
    let all = (longest + tokens).next_multiple_of(64);
    let mut runner = Runner::new(weights.clone(), Room { rows: longest.min(PASS), tokens: all }, tuning);
    let (sampler, ends) = (Sampler::default(), model.ends());
    let mut samples = Vec::new();
    for prompt in prompts {
        runner.rewind(0);
        let mut logits = runner.feed(engine, prompt)?;
        let mut said = Vec::new();
        while said.len() < tokens {
            interrupt::check(|| "a sample of the model".into())?;
            let id = sampler.choose(&logits, said.len() as u32);
            if ends.contains(&id) {
                break;
            }
            said.push(id);
            logits = runner.feed(engine, &[id])?;
        }
        samples.push(Sample { prompt: tokenizer.decode(prompt)?, said: tokenizer.decode(&said)? });
    }
    Ok(samples)
}
