//! What a model goes on with.

use super::Experiment;
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::interrupt;
use crate::kernels::Tuning;
use crate::models::lm::{Room, Runner, Sampler, Weights};
use crate::pretrained::{Pretrained, Tokenizer};
use crate::store::methods::Sample;
use std::rc::Rc;

/// Most tokens that are taken at a time.
const PASS: usize = 64;

/// Tokens of a sequence to validate on that a sample goes on behind, where nobody says.
const PROMPT: usize = 24;

/// What samples go on behind: what was asked for, or how sequences to validate on begin.
pub fn prompts(experiment: &Experiment) -> Result<Vec<Vec<u32>>> {
    let asked = &experiment.config.eval.samples;
    if experiment.config.eval.sample_tokens == 0 {
        return Ok(Vec::new());
    }
    if !asked.is_empty() {
        let start = experiment.model.start();
        let encode = |text: &String| {
            let ids = experiment.tokenizer.encode(text)?;
            let start = start.filter(|start| ids.first() != Some(start));
            Ok(start.into_iter().chain(ids).collect::<Vec<u32>>())
        };
        let all = asked.iter().map(encode).collect::<Result<Vec<_>>>()?;
        return match all.iter().position(Vec::is_empty) {
            Some(_) => {
                Err(Error::config("eval.samples", "has an empty text in it; give words to go on behind"))
            }
            None => Ok(all),
        };
    }
    let begin = |sequence: &crate::text::Sequence| {
        let counted = sequence.counted.first().map_or(1, |range| range.start);
        // A question as far as its answer, a text a little way.
        let length = if counted > 1 { counted } else { PROMPT.min(sequence.ids.len()) };
        sequence.ids[..length].to_vec()
    };
    let from = if experiment.texts.validation.is_empty() {
        &experiment.texts.train
    } else {
        &experiment.texts.validation
    };
    Ok(from.iter().take(2).map(begin).collect())
}

/// How a model goes on: what is likeliest; or, where it begins from scratch and would soon repeat itself, by chance.
pub fn sampler(experiment: &Experiment) -> Sampler {
    match experiment.is_fresh() {
        true => Sampler { temperature: 0.8, seed: experiment.config.seed, ..Sampler::default() },
        false => Sampler::default(),
    }
}

/// The tokens that a sampler chooses behind each prompt, so many of them, or fewer where the model ends.
///
/// # Errors
/// What the tokenizer or the device gives; [`Error::Interrupted`](crate::Error::Interrupted).
pub fn go_on(
    prompts: &[Vec<u32>],
    tokens: usize,
    (model, tokenizer, sampler): (&Pretrained, &Tokenizer, &Sampler),
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
    let ends = model.ends();
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
