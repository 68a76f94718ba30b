//! The seam between a family and all that is around its training step: loop, log, state, sweep, profile.

use crate::error::Result;
use crate::gpu::{Buffer, Engine, Launch, Recording};
use crate::optim::Optimizer;
use crate::params::Spans;
use std::any::Any;

/// What a phase trains, for how long and by which rule. On what, only its family knows.
pub trait Phase: Any {
    /// Optimizer steps in all.
    fn steps(&self) -> u64;

    /// By which rule.
    fn optimizer(&self) -> &Optimizer;

    /// Trained elements of the arena.
    fn train(&self) -> &Spans;

    /// What is descended, in a word.
    fn descends(&self) -> &'static str;

    /// Whether models trained by the two, of the same shape, can share steps: they are given the same data and are done
    /// together. Trained sets, rates and weights may differ.
    fn joins(&self, other: &dyn Phase) -> bool;

    /// Where schedules other than the learning rate's stand at a step, a phrase each: those that move.
    fn moving(&self, _step: u64) -> Vec<String> {
        Vec::new()
    }
}

/// Learning rate of a phase at a step.
pub fn lr(phase: &dyn Phase, step: u64) -> f64 {
    phase.optimizer().lr_at(step, phase.steps())
}

/// Starting values of a model.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The arena.
    pub params: &'a [f32],
    /// [moments an element, trained]; empty for zeros.
    pub moments: &'a [f32],
    /// The same for all models of a step.
    pub step: u64,
}

/// What steps leave on the device: [members, rows, columns], a row a step, round and round.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The numbers.
    pub buffer: Buffer,
    /// Steps that are there at a time: no submission makes more.
    pub rows: usize,
    /// Names of the numbers of a step.
    pub columns: &'static [&'static str],
}

impl Ring {
    /// The numbers of a member's step among the words of the buffer.
    pub fn row<'a>(&self, words: &'a [f32], member: usize, step: u64) -> &'a [f32] {
        let row = member * self.rows + (step % self.rows as u64) as usize;
        &words[row * self.columns.len()..][..self.columns.len()]
    }
}

/// What is said of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// What was descended, before the step's update.
    pub loss: f32,
    /// The parts of it by name; none where it has no such part.
    pub parts: Vec<(&'static str, Option<f32>)>,
    /// Before clipping.
    pub grad_norm: f32,
    /// Learning rate of the step.
    pub lr: f64,
}

/// What is kept of a model: the arena and the moments, as a [`Start`] takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The arena.
    pub params: Vec<f32>,
    /// [moments an element, trained].
    pub moments: Vec<f32>,
}

/// Training steps of one model, or of several that share their data, made ready on a device.
pub trait Step {
    /// What is run for each step, or for a few.
    fn recording(&self) -> &Recording;

    /// Where the numbers of steps are found.
    fn ring(&self) -> &Ring;

    /// Submits `count` steps from step `at` on, no more than the ring has rows.
    ///
    /// # Errors
    /// What [`Engine::submit`] gives.
    fn submit(&self, engine: &Engine, at: u64, count: u64) -> Result<()>;

    /// As [`Step::submit`], and when each launch ran ([`Engine::submit_timed`]).
    ///
    /// # Errors
    /// The same.
    fn submit_timed(&self, engine: &Engine, at: u64, count: u64) -> Result<Vec<Launch>>;

    /// What a row of the ring says.
    fn numbers(&self, member: usize, step: u64, row: &[f32]) -> Numbers;

    /// Waits for the steps submitted and reads back what is kept of each member.
    ///
    /// # Errors
    /// A device failure.
    fn kept(&self, engine: &Engine) -> Result<Vec<Kept>>;
}
