//! Training of a decoder: losses of counted tokens, gradients of what is trained, and a masked step.
//!
//! A pass takes sequences packed in rows, each layer's arrays kept; the backward pass goes down to the lowest layer of which
//! anything is trained, and makes a weight's gradient where something of it is.

mod backward;
mod grads;
mod picked;
mod update;

use super::forward::{Activations, Head};
use super::{Weights, table};
use crate::error::{Error, Result};
use crate::gpu::{Engine, Prepared};
use crate::kernels::Tuning;
use crate::kernels::backward::embed_grad::Taken;
use crate::kernels::layout::starts::Starts;
use crate::optim::Optimizer;
use crate::params::{ParamTable, Spans};
use backward::Backward;
use grads::Grads;
use picked::Picked;
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
        let start = self.ids.len() as u32;
        self.ids.extend(ids);
        self.starts.extend(ids.iter().map(|_| start));
        let row = |at: usize| start + at as u32 - 1;
        self.counted.extend((first..ids.len()).map(|at| Counted {
            row: row(at),
            target: ids[at],
            weight: 1.0,
        }));
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
}

/// What is trained of a model, by which rule.
pub struct Learner {
    weights: Rc<Weights>,
    table: ParamTable,
    room: Capacity,
    activations: Activations,
    picked: Picked,
    taken: Taken,
    grads: Grads,
    stepped: Stepped,
    forward: Prepared,
    /// Gradients are written, or added to what is there.
    backward: [Prepared; 2],
    update: Prepared,
}

impl Learner {
    /// Room for batches, gradients of what is trained, and moments at zero.
    ///
    /// # Errors
    /// Weights in half precision; a limit that the adapter doesn't offer; a device failure.
    pub fn new(
        weights: Rc<Weights>,
        trained: &Spans,
        optimizer: &Optimizer,
        room: Capacity,
        engine: &Engine,
        tuning: &Tuning,
    ) -> Result<Self> {
        if tuning.half {
            let what =
                "keeps weights in half precision, where small steps are lost; train with another variant";
            return Err(Error::Usage(format!("variant `{}` {what}", tuning.name)));
        }
        let decoder = &weights.decoder;
        let table = table::table(decoder);
        let activations = Activations::kept(decoder, room.rows, tuning);
        let picked = Picked::new(&weights, room, tuning);
        let taken = Taken::new(room.rows);
        let grads = Grads::new(&weights, &table, trained);
        let stepped = Stepped::new(&weights, &table, trained, &grads, optimizer);
        let mut forward = activations.record(&weights, room.rows, &Head::None, tuning);
        forward.extend(picked.forward(&weights, activations.end(), tuning));
        let backward = Backward::new(&weights, &activations, &picked, &taken, &grads, tuning);
        let backward = [false, true].map(|add| engine.prepare(backward.record(add)));
        let [first, more] = backward;
        Ok(Learner {
            forward: engine.prepare(forward)?,
            backward: [first?, more?],
            update: engine.prepare(stepped.record(tuning))?,
            weights,
            table,
            room,
            activations,
            picked,
            taken,
            grads,
            stepped,
        })
    }

    /// Names and places of all parameters.
    pub fn table(&self) -> &ParamTable {
        &self.table
    }

    /// The loss of a batch, Σ weight · nats, whose arrays are left for [`Learner::backward`].
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If the batch is empty, larger than the room, or a token is beyond the vocabulary.
    pub fn loss(&mut self, engine: &Engine, batch: &Batch) -> Result<f64> {
        let (rows, words) = (batch.ids.len(), self.weights.decoder.vocabulary);
        assert!(rows > 0 && rows <= self.room.rows, "{rows} rows of {}", self.room.rows);
        assert!(
            batch.starts.len() == rows && batch.ids.iter().all(|id| (*id as usize) < words),
            "ids and starts"
        );
        engine.write(&self.activations.ids, &batch.ids)?;
        engine.write(&self.activations.cursor.0, &[rows as u32, 0, 0, 0])?;
        if let Starts::Packed(starts) = &self.activations.starts {
            engine.write(starts, &batch.starts)?;
        }
        let [count, tokens, order] = Taken::of(&batch.ids);
        engine.write(&self.taken.count, &count)?;
        engine.write(&self.taken.tokens, &tokens)?;
        engine.write(&self.taken.order, &order)?;
        self.picked.put(engine, batch, self.room)?;
        engine.run(&self.forward)?;
        let losses: Vec<f32> = engine.read(self.picked.losses(batch.counted.len()))?;
        Ok(losses
            .iter()
            .zip(&batch.counted)
            .map(|(loss, own)| f64::from(*loss) * f64::from(own.weight))
            .sum())
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
        self.grads.read(engine, self.table.get(name).expect("a name of the table"))
    }

    /// A step by the gradient that is there, at a learning rate; `step` counts from 0. Gives the gradient's norm before it is
    /// clipped.
    ///
    /// # Errors
    /// A device failure.
    pub fn step(&mut self, engine: &Engine, step: u64, lr: f64) -> Result<f32> {
        self.stepped.put(engine, step, lr)?;
        engine.run(&self.update)?;
        self.stepped.norm(engine)
    }
}
