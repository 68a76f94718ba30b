//! Linear attention as a call: shapes in, tensors in, tensors and gradients out, without a model.
//!
//! ```no_run
//! use floe::linear_attention::{Inputs, LinearAttention, Options, Shape};
//!
//! let engine = floe::gpu::open("auto")?;
//! let tuning = floe::kernels::Tuning::of(engine.adapter());
//! let shape = Shape { batch: 1, tokens: 100, heads: 2, groups: 2, keys: 32, values: 32 };
//! let delta = Options { delta: true, ..Options::default() };
//! let mut layer = LinearAttention::new(shape, delta, &engine, &tuning)?;
//! let (x, beta) = (vec![0.1; 100 * 2 * 32], vec![0.5; 100 * 2]);
//! let inputs = Inputs { q: &x, k: &x, v: &x, decay: None, beta: Some(&beta), initial: None };
//! let output = layer.forward(&engine, &inputs)?;       // out [B, T, H, V], state [B, H, K, V]
//! let gradients = layer.backward(&engine, &output.out, None)?;
//! # Ok::<(), floe::Error>(())
//! ```

mod arrays;

use crate::error::{Error, Result};
use crate::gpu::{DType, Engine, Prepared, Recording};
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Operand, textured};
use crate::kernels::linear::chunk_gates::{self, Beta, Decay, Raw, RawGrads};
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::{Frame, Rule, Sizes, chunk_grad};
use crate::kernels::mixing::{self, Grads, Kept, Passing, Scratch, Taken};
use arrays::{Array, by_heads, by_rows};

/// Sizes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// B.
    pub batch: usize,
    /// T.
    pub tokens: usize,
    /// H.
    pub heads: usize,
    /// G: key/value heads, which query heads share evenly.
    pub groups: usize,
    /// K: width of queries and keys, a multiple of 16.
    pub keys: usize,
    /// V: width of values, a multiple of 16.
    pub values: usize,
}

/// Which recurrence: S_t = a_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ, o_t = scale · S_tᵀ q_t, the term with k kᵀ and β alone
/// with the delta rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// States decay: [`Inputs::decay`] is given.
    pub decay: bool,
    /// The delta rule: [`Inputs::beta`] is given. Keys are taken as they are; give them unit length.
    pub delta: bool,
    /// Outputs are divided by the number of tokens so far.
    pub mean: bool,
    /// 1 / √K if not given.
    pub scale: Option<f32>,
    /// Tokens of a chunk, a multiple of 16; the variant's if not given.
    pub chunk: Option<usize>,
    /// Queries, keys and gates are frozen: the gradient of values alone is made, and that of first states.
    pub values_alone: bool,
    /// Queries, keys, values and the gradient of outputs are read in half precision, by variants for GPUs; states and sums
    /// stay in f32.
    pub half: bool,
}

/// Tensors, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `[B, T, H, K]`.
    pub q: &'a [f32],
    /// `[B, T, G, K]`.
    pub k: &'a [f32],
    /// `[B, T, G, V]`.
    pub v: &'a [f32],
    /// Logarithms of the decays a, at most 0: `[B, T, H]`.
    pub decay: Option<&'a [f32]>,
    /// β: `[B, T, H]`.
    pub beta: Option<&'a [f32]>,
    /// S before the first token: `[B, H, K, V]`; zeros if not given.
    pub initial: Option<&'a [f32]>,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// o: `[B, T, H, V]`.
    pub out: Vec<f32>,
    /// S behind the last token: `[B, H, K, V]`.
    pub state: Vec<f32>,
}

/// What a loss's gradient of outputs makes of what went in.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// `[B, T, H, K]`; empty where frozen.
    pub q: Vec<f32>,
    /// `[B, T, G, K]`; likewise.
    pub k: Vec<f32>,
    /// `[B, T, G, V]`.
    pub v: Vec<f32>,
    /// `[B, T, H]`, of the logarithms; none without decay.
    pub decay: Option<Vec<f32>>,
    /// `[B, T, H]`; none without the delta rule.
    pub beta: Option<Vec<f32>>,
    /// `[B, H, K, V]`.
    pub initial: Vec<f32>,
}

/// Arrays on the device and the passes over them.
pub struct LinearAttention {
    shape: Shape,
    options: Options,
    arrays: Arrays,
    forward: Prepared,
    backward: Prepared,
    recordings: [Recording; 2],
    flops: [f64; 2],
}

/// What the host writes and reads.
struct Arrays {
    q: Array,
    k: Array,
    v: Array,
    dout: Array,
    decay: Array,
    beta: Array,
    initial: Array,
    dlast: Array,
    out: Array,
    last: Array,
    dq: Array,
    dk: Array,
    dv: Array,
    ddecay: Array,
    dbeta: Array,
    dinitial: Array,
}

impl LinearAttention {
    /// Room on the device and compiled passes.
    ///
    /// # Errors
    /// Sizes that can't be computed with; more than the adapter's limits; a device failure.
    pub fn new(shape: Shape, options: Options, engine: &Engine, tuning: &Tuning) -> Result<Self> {
        let Shape { batch, tokens, heads, groups, keys, values } = shape;
        let chunk = options.chunk.unwrap_or(tuning.chunk);
        check(shape, options, chunk, tuning)?;
        let rows = batch * tokens;
        let sizes = Sizes { heads, groups, keys, values };
        let scale = options.scale.unwrap_or((1.0 / (keys as f64).sqrt()) as f32);
        let rule = Rule { decay: options.decay, delta: options.delta, mean: options.mean, scale };
        let frame = Frame { sizes, rule, chunks: Chunks::holding(chunk, &vec![tokens; batch]) };
        let kind = if options.half { DType::F16 } else { DType::F32 };
        let read = |cols| Array::new("inputs", rows, cols, kind, tuning);
        let array = |label, cols| Array::new(label, rows, cols, DType::F32, tuning);
        let state = |label| Array::new(label, batch * keys, heads * values, DType::F32, tuning);
        let arrays = Arrays {
            q: read(heads * keys),
            k: read(groups * keys),
            v: read(groups * values),
            dout: read(heads * values),
            decay: array("inputs", heads),
            beta: array("inputs", heads),
            initial: state("states in and out"),
            dlast: state("states in and out"),
            out: array("outputs", heads * values),
            last: state("states in and out"),
            dq: array("gradients", heads * keys),
            dk: array("gradients", groups * keys),
            dv: array("gradients", groups * values),
            ddecay: array("gradients", heads),
            dbeta: array("gradients", heads),
            dinitial: state("states in and out"),
        };
        let recordings = arrays.record(shape, options, &frame, tuning);
        let [forward, backward] = &recordings;
        Ok(LinearAttention {
            forward: engine.prepare(forward.clone())?,
            backward: engine.prepare(backward.clone())?,
            recordings,
            flops: mixing::flops(&frame, rows),
            arrays,
            shape,
            options,
        })
    }

    /// Outputs and last states.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If a tensor has another size than the shape says, or one is given or missing against the options.
    pub fn forward(&mut self, engine: &Engine, inputs: &Inputs) -> Result<Output> {
        assert_eq!(inputs.decay.is_some(), self.options.decay, "decays");
        assert_eq!(inputs.beta.is_some(), self.options.delta, "shares of the delta rule");
        for (array, data) in
            [(&self.arrays.q, inputs.q), (&self.arrays.k, inputs.k), (&self.arrays.v, inputs.v)]
        {
            array.write(engine, data)?;
        }
        for (array, data) in [(&self.arrays.decay, inputs.decay), (&self.arrays.beta, inputs.beta)] {
            data.map_or(Ok(()), |data| array.write(engine, data))?;
        }
        self.put(engine, &self.arrays.initial, inputs.initial)?;
        engine.run(&self.forward)?;
        Ok(Output { out: self.arrays.out.read(engine)?, state: self.take(engine, &self.arrays.last)? })
    }

    /// Gradients of the last forward pass, of `dout` `[B, T, H, V]` and `dstate` `[B, H, K, V]` of the last states.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If a tensor has another size than the shape says.
    pub fn backward(&mut self, engine: &Engine, dout: &[f32], dstate: Option<&[f32]>) -> Result<Gradients> {
        self.arrays.dout.write(engine, dout)?;
        self.put(engine, &self.arrays.dlast, dstate)?;
        engine.run(&self.backward)?;
        let all = !self.options.values_alone;
        let gate = |asked: bool, array: &Array| asked.then(|| array.read(engine)).transpose();
        Ok(Gradients {
            q: if all { self.arrays.dq.read(engine)? } else { Vec::new() },
            k: if all { self.arrays.dk.read(engine)? } else { Vec::new() },
            v: self.arrays.dv.read(engine)?,
            decay: gate(all && self.options.decay, &self.arrays.ddecay)?,
            beta: gate(all && self.options.delta, &self.arrays.dbeta)?,
            initial: self.take(engine, &self.arrays.dinitial)?,
        })
    }

    /// Multiply-adds of the products, twice: of a forward pass, and of a backward pass.
    pub fn flops(&self) -> [f64; 2] {
        self.flops
    }

    /// The launches of a forward pass and of a backward pass, to be timed.
    pub fn recordings(&self) -> &[Recording; 2] {
        &self.recordings
    }

    /// States `[B, H, K, V]`, or zeros.
    fn put(&self, engine: &Engine, array: &Array, states: Option<&[f32]>) -> Result<()> {
        let Shape { batch, heads, keys, values, .. } = self.shape;
        match states {
            Some(states) => array.write(engine, &by_rows(states, [heads, keys, values])),
            None => array.write(engine, &vec![0.0; batch * heads * keys * values]),
        }
    }

    fn take(&self, engine: &Engine, array: &Array) -> Result<Vec<f32>> {
        let Shape { heads, keys, values, .. } = self.shape;
        Ok(by_heads(&array.read(engine)?, [heads, keys, values]))
    }
}

impl Arrays {
    /// Forward and backward.
    fn record(&self, shape: Shape, options: Options, frame: &Frame, tuning: &Tuning) -> [Recording; 2] {
        let Shape { batch, tokens, heads, groups, keys, values } = shape;
        let rows = batch * tokens;
        let taken = Taken { q: self.q.operand(), k: self.k.operand(), v: self.v.operand() };
        let raw = Raw {
            decay: if options.decay { Decay::Given(self.decay.operand()) } else { Decay::None },
            beta: if options.delta { Beta::Given(self.beta.operand()) } else { Beta::None },
        };
        let (kept, passing) = (Kept::new("kept", frame, tuning), Passing::new("scratch", frame, tuning));
        let scratch = Scratch::new("scratch", frame, tuning);
        let mut forward = Recording::default();
        if let Some(gates) = &kept.gates {
            forward.extend(chunk_gates::record(&raw, gates, frame, tuning));
        }
        let (initial, out) = (self.initial.operand(), self.out.operand());
        forward.extend(mixing::forward(taken, Some(initial), out, &kept, &passing, frame, tuning));
        forward.extend(mixing::last_states(&kept, self.last.operand(), frame, tuning));
        // By query heads first, where keys and values are shared.
        let wide = |width: usize| Operand::new("scratch", rows, heads * width, tuning);
        let own = (groups < heads).then(|| [wide(keys), wide(values)]);
        let [dk, dv] = match &own {
            Some([k, v]) => [k, v],
            None => [self.dk.operand(), self.dv.operand()],
        };
        let all = !options.values_alone;
        let gated = all && (options.decay || options.delta);
        let raw_grads = RawGrads {
            decay: options.decay.then_some(self.ddecay.operand()),
            a_log: None,
            beta: options.delta.then_some(self.dbeta.operand()),
        };
        let grads = Grads {
            q: all.then_some(self.dq.operand()),
            k: all.then_some(dk),
            v: Some(dv),
            gates: gated.then_some((raw, raw_grads)),
            initial: Some(self.dinitial.operand()),
        };
        let given = (self.dout.operand(), Some(self.dlast.operand()));
        let mut backward = mixing::backward(taken, given, &grads, &kept, &scratch, frame, tuning);
        if own.is_some() {
            let (cursor, sharing) = (Cursor::at(rows, 0), heads / groups);
            let of = [(dk, self.dk.operand(), keys), (dv, self.dv.operand(), values)];
            for (x, y, dim) in of.into_iter().skip(usize::from(!all)) {
                backward.extend(chunk_grad::head_sums(x, y, sharing, dim, &cursor, tuning));
            }
        }
        [forward, backward]
    }
}

/// Most elements of an array: what counts of bytes are made of stays far from overflow.
const MOST: usize = 1 << 30;

/// Holds that sizes can be computed with.
fn check(shape: Shape, options: Options, chunk: usize, tuning: &Tuning) -> Result<()> {
    let Shape { batch, tokens, heads, groups, keys, values } = shape;
    let wrong = |what: String| Err(Error::Usage(format!("linear attention: {what}")));
    let sizes = [("B", batch), ("T", tokens), ("H", heads), ("G", groups), ("K", keys), ("V", values)];
    if let Some((name, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return wrong(format!("{name} is 0"));
    }
    let counted =
        [tokens, heads, keys.max(values)].iter().try_fold(batch, |all, size| all.checked_mul(*size));
    if counted.is_none_or(|count| count > MOST) {
        let width = keys.max(values);
        return wrong(format!("[{batch}, {tokens}, {heads}, {width}] has more than {MOST} elements"));
    }
    if !heads.is_multiple_of(groups) {
        return wrong(format!("{heads} query heads can't share {groups} key/value heads evenly"));
    }
    for (name, size) in [("K", keys), ("V", values), ("a chunk", chunk)] {
        if !size.is_multiple_of(16) || size == 0 {
            return wrong(format!("{name} is {size}; it can be a multiple of 16"));
        }
    }
    if chunk > 128 {
        return wrong(format!("a chunk is {chunk}; at most 128"));
    }
    if options.half && textured(tuning) {
        let name = tuning.name;
        return wrong(format!("half precision is of variants for GPUs, and this one is `{name}`; take f32"));
    }
    let room = batch * (tokens.div_ceil(chunk) + 1) * heads;
    if room > 65_535 {
        return wrong(format!("{room} chunks and heads are more than a launch has room for (65535)"));
    }
    Ok(())
}
