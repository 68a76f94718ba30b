//! The loop over a method's steps: save, validate, step, log.

use super::batches::Batches;
use super::state::{self, At};
use super::{Experiment, Method, validate};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::interrupt;
use crate::job::Machine;
use crate::models::learn::Learner;
use crate::params::Spans;
use crate::store::methods::{Loss, Sample};
use crate::store::metrics::{Line, Parts};
use crate::train::Told;
use std::path::PathBuf;
use std::time::Instant;

/// A method that is being trained.
pub struct Learning<'a> {
    /// What the weights go on with, as they are.
    pub say: &'a dyn Fn(&Learner) -> Result<Vec<Sample>>,
    pub experiment: &'a Experiment,
    pub method: &'a Method,
    pub trained: &'a Spans,
    pub machine: Machine<'a>,
    /// Where the resumable state is kept.
    pub state: PathBuf,
    /// Where the weights of the lowest validation loss are.
    pub best: PathBuf,
    /// FLOP/s of the adapter at best; 0 where it is not known.
    pub roof: f64,
    /// The validation loss before the first step, where it is known.
    pub start: Option<Loss>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Learned {
    pub at: At,
    /// Multiply-adds, twice, of what was trained now.
    pub flops: f64,
    /// The validation loss after the last step.
    pub end: Option<Loss>,
    /// What it said on the way, by step.
    pub said: Vec<(u64, Vec<Sample>)>,
}

/// Which state of linear attention is not finite, in words.
fn unsound(learner: &Learner, engine: &Engine) -> Result<String> {
    let found = learner.unsound(engine)?;
    Ok(found.map_or(String::new(), |[layer, head]| {
        format!(", and the state of layer {layer}, head {head} is not finite")
    }))
}

impl Learning<'_> {
    /// Trains to the end.
    ///
    /// # Errors
    /// [`Error::Diverged`]; [`Error::Interrupted`] after the state is saved; device and file errors.
    pub fn run(&self, learner: &mut Learner, mut at: At, told: &mut Told) -> Result<Learned> {
        let (config, engine) = (&self.experiment.config, self.machine.engine);
        let finetune = &config.finetune;
        let each = [finetune.batch, finetune.accumulate];
        let mut batches =
            Batches::new(&self.experiment.texts.train, self.experiment.row(), each, config.seed);
        let (began, first) = (at.step, at.clone());
        let mut flops = 0.0;
        let every = config.eval.sample_every;
        while at.step < self.method.steps {
            let step = at.step;
            let stop = interrupt::asked();
            if stop || (step > began && step.is_multiple_of(config.record.checkpoint_every)) {
                self.save(learner, &at, true)?;
            }
            if stop {
                let place = format!("step {step} of {} of {}", self.method.steps, self.method.name);
                return Err(Error::Interrupted(place));
            }
            if step.is_multiple_of(config.eval.every) {
                let judged = self.validate(learner, &mut at, told);
                if let Err(Error::Interrupted(_)) = judged {
                    self.save(learner, &at, true)?;
                }
                judged?;
            }
            if every > 0
                && step > 0
                && step.is_multiple_of(every)
                && at.said.iter().all(|(own, _)| *own != step)
            {
                at.said.push((step, (self.say)(learner)?));
            }
            let clock = Instant::now();
            let (mut loss, mut tokens) = (0.0, 0);
            for (i, pass) in batches.of(step).iter().enumerate() {
                let draw = (step * finetune.accumulate as u64 + i as u64) as u32;
                loss += learner.loss_of_draw(engine, pass, draw, config.seed)?;
                learner.backward(engine, i > 0)?;
                tokens += pass.ids.len() as u64;
                flops += learner.flops(pass);
            }
            let factor = self.method.optimizer.factor(step, self.method.steps);
            let norm = learner.step(engine, step, factor)?;
            let line = self.line("finetune", step, loss, norm, self.method.optimizer.lr * factor);
            if !loss.is_finite() || !norm.is_finite() {
                let method = self.method.name.clone();
                let (loss, lr) = (line.loss, line.lr as f32);
                let place = unsound(learner, engine)?;
                return Err(Error::Diverged { phase: "finetune", method, step, loss, lr, place });
            }
            at.step += 1;
            at.tokens += tokens;
            at.train_s += clock.elapsed().as_secs_f64();
            let last = at.step == self.method.steps;
            if step.is_multiple_of(config.record.every) || last {
                told.log.append(std::slice::from_ref(&line))?;
            }
            let seconds = (at.train_s - first.train_s).max(1e-9);
            let speed = (at.tokens - first.tokens) as f64 / seconds;
            let roof = match self.roof > 0.0 {
                true => format!(", {:.0} % of the roof", 100.0 * flops / seconds / self.roof),
                false => String::new(),
            };
            told.progress.speed(format!("{speed:.0} tokens/s{roof}"));
            told.progress.step(at.step, self.method.steps, &line);
        }
        let judged = self.validate(learner, &mut at, told);
        if let Err(Error::Interrupted(_)) = judged {
            self.save(learner, &at, true)?;
        }
        Ok(Learned { end: judged?, said: at.said.clone(), at, flops })
    }

    /// Judges what was kept back, and keeps the weights that judge it best.
    fn validate(&self, learner: &mut Learner, at: &mut At, told: &mut Told) -> Result<Option<Loss>> {
        let found = match self.start.filter(|_| at.step == 0) {
            Some(known) => Some(known),
            None => validate::loss(self.experiment, learner, self.experiment.room(), self.machine.engine)?,
        };
        let Some(found) = found else { return Ok(None) };
        if !found.mean.is_finite() {
            let (method, step) = (self.method.name.clone(), at.step.saturating_sub(1));
            let lr = self.method.optimizer.lr_at(step, self.method.steps) as f32;
            let (loss, place) = (found.mean as f32, unsound(learner, self.machine.engine)?);
            return Err(Error::Diverged { phase: "finetune", method, step, loss, lr, place });
        }
        let mut line = self.line("validate", at.step, found.mean, f32::NAN, 0.0);
        line.parts = Parts(vec![("stderr".into(), found.stderr.map(|x| x as f32))]);
        told.log.append(&[line])?;
        if at.best.is_none_or(|(best, _)| found.mean < best) {
            at.best = Some((found.mean, at.step));
            self.save(learner, at, false)?;
        }
        Ok(Some(found))
    }

    fn line(&self, phase: &str, step: u64, loss: f64, grad_norm: f32, lr: f64) -> Line {
        let (phase, method) = (phase.to_string(), self.method.name.clone());
        Line { phase, method, step, loss: loss as f32, parts: Parts::default(), grad_norm, lr }
    }

    /// Writes the state to go on from, or the weights alone as the best so far.
    fn save(&self, learner: &Learner, at: &At, whole: bool) -> Result<()> {
        let path = if whole { &self.state } else { &self.best };
        let from = (&self.experiment.identity, self.machine.tuning.name);
        state::save(path, self.method, (learner, self.trained), at, from, whole, self.machine.engine)
    }
}
