//! A model that is fed tokens: keys and values of those before stay on the device.

use super::activations::Activations;
use super::forward::Head;
use super::weights::Weights;
use crate::error::Result;
use crate::gpu::{Engine, Prepared, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::Rows;
use crate::kernels::tensor::cross_entropy::{Losses, NONE};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How much a runner has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Most tokens of a pass.
    pub rows: usize,
    /// Most tokens in all.
    pub tokens: usize,
}

/// What a runner is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    Last,
}

/// Weights, activations and the passes that have been recorded.
pub struct Runner {
    weights: Rc<Weights>,
    activations: Activations,
    room: Room,
    tuning: Tuning,
    last: Head,
    past: usize,
    passes: BTreeMap<(usize, Asked), Prepared>,
    scoring: Option<Scoring>,
}

/// A pass that gives the losses of so many tokens.
struct Scoring {
    rows: usize,
    targets: View,
    losses: View,
    pass: Prepared,
}

impl Runner {
    /// A runner that has seen nothing.
    pub fn new(weights: Rc<Weights>, room: Room, tuning: &Tuning) -> Self {
        let decoder = &weights.decoder;
        let activations = Activations::new(&weights, room.rows, room.tokens, tuning);
        let last = Head::Last(Rows::new("logits", 1, decoder.vocabulary));
        Runner {
            activations,
            room,
            tuning: *tuning,
            last,
            past: 0,
            passes: BTreeMap::new(),
            scoring: None,
            weights,
        }
    }

    /// Tokens that it knows.
    pub fn vocabulary(&self) -> usize {
        self.weights.decoder.vocabulary
    }

    /// Tokens that have been seen.
    pub fn past(&self) -> usize {
        self.past
    }

    /// Forgets all tokens from one on; all of them where a state has taken them up, which has no way back.
    pub fn rewind(&mut self, past: usize) {
        if past < self.past {
            self.past = if self.has_states() { 0 } else { past };
        }
    }

    /// Whether it keeps a state of the tokens so far instead of their keys and values, in any layer.
    pub fn has_states(&self) -> bool {
        self.weights.decoder.mixing.any_linear()
    }

    /// Takes tokens, and gives the logits of what comes next: `[W]`.
    ///
    /// # Errors
    /// A limit that the adapter doesn't offer; a device failure.
    ///
    /// # Panics
    /// If there are none, more than there is room for, or one is beyond the vocabulary.
    pub fn feed(&mut self, engine: &Engine, ids: &[u32]) -> Result<Vec<f32>> {
        assert!(!ids.is_empty() && self.past + ids.len() <= self.room.tokens, "{} tokens", ids.len());
        let chunks: Vec<&[u32]> = ids.chunks(self.room.rows).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let asked = if i + 1 == chunks.len() { Asked::Last } else { Asked::Nothing };
            self.put(engine, chunk)?;
            let key = (chunk.len(), asked);
            if !self.passes.contains_key(&key) {
                let head = if asked == Asked::Last { &self.last } else { &Head::None };
                let recording = self.activations.record(&self.weights, chunk.len(), head, &self.tuning);
                // Of a prompt's length there is one pass; of one token there are many.
                self.passes.retain(|(rows, _), _| *rows == 1);
                self.passes.insert(key, engine.prepare(recording)?);
            }
            engine.run(&self.passes[&key])?;
            self.past += chunk.len();
        }
        let Head::Last(logits) = &self.last else { unreachable!("made so") };
        let mut row: Vec<f32> = engine.read(&logits.view)?;
        row.truncate(logits.cols);
        Ok(row)
    }

    /// Logits of every token of a text that begins anew, `[T, W]`, given away row by row.
    ///
    /// # Errors
    /// As [`Runner::feed`]; what `take` gives.
    ///
    /// # Panics
    /// As that.
    pub fn logits(
        &mut self,
        engine: &Engine,
        ids: &[u32],
        mut take: impl FnMut(&[f32]) -> Result<()>,
    ) -> Result<()> {
        self.past = 0;
        let vocabulary = self.vocabulary();
        let logits = Rows::new("logits", self.room.rows, vocabulary);
        let head = Head::All(logits.clone());
        for chunk in ids.chunks(self.room.rows) {
            self.put(engine, chunk)?;
            engine.submit(&self.activations.record(&self.weights, chunk.len(), &head, &self.tuning), 1)?;
            self.past += chunk.len();
            for row in 0..chunk.len() {
                let from = row * logits.pitch;
                let view: View = logits.view.slice(from..from + vocabulary);
                take(&engine.read::<f32>(view)?)?;
            }
        }
        Ok(())
    }

    /// The loss of each token of a text that begins anew, in nats, given those before it: `[T - 1]`, of ids 1, 2 …
    ///
    /// # Errors
    /// As [`Runner::feed`].
    ///
    /// # Panics
    /// As that, and if the text is longer than a pass.
    pub fn losses(&mut self, engine: &Engine, ids: &[u32]) -> Result<Vec<f32>> {
        assert!(ids.len() <= self.room.rows, "{} tokens in a pass of {}", ids.len(), self.room.rows);
        self.past = 0;
        let scoring = match self.scoring.take() {
            Some(scoring) if scoring.rows == ids.len() => scoring,
            _ => self.scoring(engine, ids.len())?,
        };
        let targets: Vec<u32> = ids.iter().skip(1).copied().chain([NONE]).collect();
        self.put(engine, ids)?;
        engine.write(&scoring.targets, &targets)?;
        engine.run(&scoring.pass)?;
        let losses = engine.read(scoring.losses.slice(0..ids.len() - 1));
        self.scoring = Some(scoring);
        losses
    }

    fn scoring(&self, engine: &Engine, rows: usize) -> Result<Scoring> {
        let losses = Losses::new(self.room.rows, self.weights.head(), &self.tuning);
        let (targets, found) = (View::from(&losses.targets), View::from(&losses.losses));
        let head = Head::Losses(losses);
        let recording = self.activations.record(&self.weights, rows, &head, &self.tuning);
        Ok(Scoring { rows, targets, losses: found, pass: engine.prepare(recording)? })
    }

    /// Puts tokens and their place where passes read them.
    fn put(&self, engine: &Engine, ids: &[u32]) -> Result<()> {
        let vocabulary = self.vocabulary();
        self.activations.place(engine, ids.len(), self.past)?;
        assert!(ids.iter().all(|&id| (id as usize) < vocabulary), "ids below {vocabulary}");
        engine.write(&self.activations.ids, ids)?;
        engine.write(&self.activations.cursor.0, &[ids.len() as u32, self.past as u32, 0, 0])
    }
}
