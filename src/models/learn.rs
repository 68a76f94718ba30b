//! Training of a decoder: losses of counted tokens, gradients of what is trained, and a masked step.
//!
//! A pass takes sequences packed in rows, each layer's arrays kept; the backward pass goes down to the lowest layer of which
//! anything is trained, and makes a weight's gradient where something of it is.

mod backward;
mod flops;
mod grads;
mod linears;
mod mixed;
mod picked;
mod update;

use crate::error::{Error, Result};
use crate::gpu::{Engine, Prepared, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::backward::embed_grad::Taken;
use crate::kernels::layout::starts::Starts;
use crate::kernels::linear::chunks::Room;
use crate::models::lm::activations::Activations;
use crate::models::lm::forward::Head;
use crate::models::lm::{MemoryPlan, Weights, table};
use crate::optim::Optimizer;
use crate::params::{ParamTable, Spans};
use backward::Backward;
use grads::Grads;
use picked::Picked;
use std::ops::Range;
use std::rc::Rc;
use update::Stepped;

/// Sequences packed in rows, and which of their tokens count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Tokens of all sequences, one behind the other.
    pub ids: Vec<u32>,
    /// Each row's sequence's first row.
    pub starts: Vec<u32>,
    /// Rows whose next token is foretold, ascending.
    pub counted: Vec<Counted>,
}

/// A row that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Which.
    pub row: u32,
    /// The token that comes next.
    pub target: u32,
    /// What its loss is multiplied by.
    pub weight: f32,
}

impl Batch {
    /// Adds a sequence of which the tokens from `first` on count, each as much as any other of the batch once
    /// [`Batch::mean`] is called.
    ///
    /// # Panics
    /// If `first` is 0: nothing foretells the first token.
    pub fn push(&mut self, ids: &[u32], first: usize) {
        assert!(first > 0, "a first token has none before it");
        self.add(ids, std::slice::from_ref(&(first..ids.len())));
    }

    /// Adds a sequence of which the tokens at these places count.
    ///
    /// # Panics
    /// If one is the first.
    pub fn add(&mut self, ids: &[u32], counted: &[Range<usize>]) {
        let start = self.ids.len() as u32;
        self.ids.extend(ids);
        self.starts.extend(ids.iter().map(|_| start));
        for at in counted.iter().cloned().flatten() {
            assert!(at > 0, "a first token has none before it");
            self.counted.push(Counted { row: start + at as u32 - 1, target: ids[at], weight: 1.0 });
        }
    }

    /// Tokens of each sequence.
    fn lengths(&self) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::new();
        for (row, start) in self.starts.iter().enumerate() {
            match all.last_mut() {
                Some(tokens) if *start as usize != row => *tokens += 1,
                _ => all.push(1),
            }
        }
        all
    }

    /// Makes the loss the mean over the rows that count.
    pub fn mean(&mut self) {
        let weight = 1.0 / self.counted.len().max(1) as f32;
        self.counted.iter_mut().for_each(|counted| counted.weight = weight);
    }
}

/// How much a learner has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Most rows of a pass.
    pub rows: usize,
    /// Most of them that count.
    pub counted: usize,
    /// Most sequences.
    pub sequences: usize,
    /// Most tokens of a sequence.
    pub longest: usize,
}

impl Capacity {
    /// Of rows of which each may count and begin or end a sequence.
    pub fn any(rows: usize) -> Self {
        Capacity { rows, counted: rows, sequences: rows, longest: rows }
    }

    fn chunks(&self) -> Room {
        Room { rows: self.rows, sequences: self.sequences, longest: self.longest }
    }
}

/// What is trained, and how.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// Groups of trained elements that have no element in common, with their optimizers, which share rule, betas and clipping.
    pub groups: &'a [(Spans, Optimizer)],
    /// How much there is room for.
    pub room: Capacity,
    /// A layer's arrays are computed a second time instead of kept.
    pub recompute: bool,
    /// Share of what adapters read that is left out in training.
    pub dropout: f64,
}

/// What a learner holds.
struct Parts {
    activations: Activations,
    picked: Picked,
    taken: Taken,
    grads: Grads,
    stepped: Stepped,
}

impl Parts {
    fn new(weights: &Weights, table: &ParamTable, training: &Training, tuning: &Tuning) -> Result<Self> {
        if tuning.half {
            let what =
                "keeps weights in half precision, where small steps are lost; train with another variant";
            return Err(Error::Usage(format!("variant `{}` {what}", tuning.name)));
        }
        let trained = training.groups.iter().fold(Spans::default(), |all, (own, _)| all.union(own));
        let mut activations = Activations::kept(weights, training.room.chunks(), training.recompute, tuning);
        if training.dropout > 0.0 {
            activations.drop_out(weights, training.dropout, tuning);
        }
        let grads = Grads::new(weights, table, &trained);
        Ok(Parts {
            activations,
            picked: Picked::new(weights, training.room, tuning),
            taken: Taken::new(training.room.rows),
            stepped: Stepped::new(weights, table, &grads, training.groups)?,
            grads,
        })
    }

    fn forward(&self, weights: &Weights, tuning: &Tuning) -> Recording {
        let mut forward = self.activations.record(weights, self.activations.rows, &Head::None, tuning);
        forward.extend(self.picked.forward(weights, self.activations.end(), tuning));
        forward
    }

    fn backward(&self, weights: &Weights, tuning: &Tuning) -> [Recording; 2] {
        let backward =
            Backward::new(weights, &self.activations, &self.picked, &self.taken, &self.grads, tuning);
        [false, true].map(|add| backward.record(add))
    }
}

/// The table of what can be trained: an adapter's parameters, or all of a model.
pub fn trainable(weights: &Weights) -> ParamTable {
    weights.adapter_table().unwrap_or_else(|| table::table(&weights.decoder))
}

/// What a [`Learner`] holds with its weights: the handles that its passes bind, counted without a device.
///
/// # Errors
/// As [`Learner::new`].
pub fn plan(weights: &Weights, training: &Training, tuning: &Tuning) -> Result<MemoryPlan> {
    let parts = Parts::new(weights, &trainable(weights), training, tuning)?;
    let mut all = parts.forward(weights, tuning);
    parts.backward(weights, tuning).into_iter().for_each(|one| all.extend(one));
    all.extend(parts.stepped.record(tuning));
    Ok(MemoryPlan::of(&all.memory()))
}

/// Σ weight · nats.
fn weighted(losses: &[f32], batch: &Batch) -> f64 {
    losses.iter().zip(&batch.counted).map(|(loss, own)| f64::from(*loss) * f64::from(own.weight)).sum()
}

/// What is trained of a model, by which rule.
pub struct Learner {
    weights: Rc<Weights>,
    table: ParamTable,
    room: Capacity,
    parts: Parts,
    forward: Prepared,
    /// Gradients are written, or added to what is there.
    backward: [Prepared; 2],
    update: Prepared,
}

impl Learner {
    /// Room for batches, gradients of what is trained, and moments at zero. Of weights with an adapter the adapter is trained.
    ///
    /// # Errors
    /// Weights in half precision; groups that share a vec4; a limit that the adapter doesn't offer; a device failure.
    pub fn new(weights: Rc<Weights>, training: &Training, engine: &Engine, tuning: &Tuning) -> Result<Self> {
        let table = trainable(&weights);
        let parts = Parts::new(&weights, &table, training, tuning)?;
        let [first, more] = parts.backward(&weights, tuning).map(|one| engine.prepare(one));
        Ok(Learner {
            forward: engine.prepare(parts.forward(&weights, tuning))?,
            backward: [first?, more?],
            update: engine.prepare(parts.stepped.record(tuning))?,
            weights,
            table,
            room: training.room,
            parts,
        })
    }

    /// Names and places of what can be trained.
    pub fn table(&self) -> &ParamTable {
        &self.table
    }

    /// The weights that are trained.
    pub fn weights(&self) -> &Rc<Weights> {
        &self.weights
    }

    /// The loss of a batch, Σ weight · nats, whose arrays are left for [`Learner::backward`]. Nothing is left out by chance.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If the batch is empty, larger than the room, or a token is beyond the vocabulary.
    pub fn loss(&mut self, engine: &Engine, batch: &Batch) -> Result<f64> {
        Ok(weighted(&self.losses(engine, batch)?, batch))
    }

    /// [`Learner::loss`] with what dropout leaves out in the draw of that number.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn loss_of_draw(&mut self, engine: &Engine, batch: &Batch, draw: u32, seed: u64) -> Result<f64> {
        if let Some(chance) = &self.parts.activations.chance {
            chance.put(engine, draw, seed)?;
        }
        Ok(weighted(&self.pass(engine, batch)?, batch))
    }

    /// Nats of each token that counts. Nothing is left out by chance.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// As [`Learner::loss`].
    pub fn losses(&mut self, engine: &Engine, batch: &Batch) -> Result<Vec<f32>> {
        if let Some(chance) = &self.parts.activations.chance {
            chance.rest(engine)?;
        }
        self.pass(engine, batch)
    }

    fn pass(&mut self, engine: &Engine, batch: &Batch) -> Result<Vec<f32>> {
        let (rows, words) = (batch.ids.len(), self.weights.decoder.vocabulary);
        assert!(rows > 0 && rows <= self.room.rows, "{rows} rows of {}", self.room.rows);
        assert!(
            batch.starts.len() == rows && batch.ids.iter().all(|id| (*id as usize) < words),
            "ids and starts"
        );
        let Parts { activations, taken, picked, .. } = &self.parts;
        engine.write(&activations.ids, &batch.ids)?;
        engine.write(&activations.cursor.0, &[rows as u32, 0, 0, 0])?;
        if let Starts::Packed(starts) = &activations.starts {
            engine.write(starts, &batch.starts)?;
        }
        if self.weights.decoder.mixing.any_linear() {
            activations.chunks.put(engine, &batch.lengths(), 0)?;
        }
        let [count, tokens, order] = Taken::of(&batch.ids);
        engine.write(&taken.count, &count)?;
        engine.write(&taken.tokens, &tokens)?;
        engine.write(&taken.order, &order)?;
        picked.put(engine, batch, self.room)?;
        engine.run(&self.forward)?;
        engine.read(picked.losses(batch.counted.len()))
    }

    /// The gradient of the last loss, written, or added to the one that is there.
    ///
    /// # Errors
    /// A device failure.
    pub fn backward(&mut self, engine: &Engine, add: bool) -> Result<()> {
        engine.run(&self.backward[usize::from(add)])
    }

    /// The gradient of a tensor, `[out, in]`: zeros where none was asked for.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn gradient(&self, engine: &Engine, name: &str) -> Result<Vec<f32>> {
        self.parts.grads.read(engine, self.table.get(name).expect("a name of the table"))
    }

    /// A step by the gradient that is there, each group at its learning rate times `factor`; `step` counts from 0. Gives the
    /// gradient's norm before it is clipped.
    ///
    /// # Errors
    /// A device failure.
    pub fn step(&mut self, engine: &Engine, step: u64, factor: f64) -> Result<f32> {
        self.parts.stepped.put(engine, step, factor)?;
        engine.run(&self.update)?;
        self.parts.stepped.norm(engine)
    }

    /// The first layer and head of which a state of linear attention, as the last pass left it, is not finite.
    ///
    /// # Errors
    /// A device failure.
    pub fn unsound(&self, engine: &Engine) -> Result<Option<[usize; 2]>> {
        for (layer, block) in self.parts.activations.blocks.iter().enumerate() {
            let Some(mix) = &block.mix else { continue };
            if let Some(head) = mix.unsound(engine)? {
                return Ok(Some([layer, head]));
            }
        }
        Ok(None)
    }

    /// Multiply-adds, twice, of a batch's forward and backward pass.
    pub fn flops(&self, batch: &Batch) -> f64 {
        flops::of(&self.weights, &self.parts.grads, self.parts.activations.recompute, batch)
    }

    /// The moments, a part at a time, in an order that what is trained decides.
    pub fn moments(&self) -> Vec<View> {
        self.parts.stepped.moments()
    }
}
