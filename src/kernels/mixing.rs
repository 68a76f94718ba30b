//! Linear attention of whole sequences, put together: forward, and backward from what forward kept.

mod backward;
pub(in crate::kernels) mod cases;

pub use backward::{Grads, Scratch, backward};

use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::Frame;
use crate::kernels::linear::chunk_inverse;
use crate::kernels::linear::chunk_product::{self, ChunkProduct, Factor, Finish, Gates, Pair, Side};
use crate::kernels::linear::state_scan::{self, Ends, Way};
use crate::kernels::tensor::matmul::Form;

/// What goes in, `[rows, …]` each.
#[derive(Clone, Copy)]
pub struct Taken<'a> {
    /// `[rows, H K]`.
    pub q: &'a Operand,
    /// `[rows, G K]`.
    pub k: &'a Operand,
    /// `[rows, G V]`.
    pub v: &'a Operand,
}

/// What a forward pass leaves for a backward one.
#[derive(Clone)]
pub struct Kept {
    /// Where anything decays or is replaced.
    pub gates: Option<Gates>,
    /// `[rows, H c]`: what each token takes of each other one of its chunk.
    seen: Operand,
    /// `[slots K, H V]`, in one array or two.
    states: Vec<Operand>,
    delta: Option<Delta>,
}

/// What the delta rule keeps.
#[derive(Clone)]
struct Delta {
    /// `[rows, H c]`: (I + A)⁻¹.
    inverse: Operand,
    /// `[rows, H V]`, `[rows, H K]` and `[rows, H V]`: docs/MATH.md has their definitions.
    u: Operand,
    y: Operand,
    r: Operand,
}

/// What forward passes need beside it, and need not keep.
#[derive(Clone)]
pub struct Passing {
    /// `[slots K, H V]`: what chunks add to states.
    added: Option<Operand>,
    /// `[rows, H c]`: A.
    met: Option<Operand>,
}

fn square(label: &'static str, frame: &Frame, tuning: &Tuning) -> Operand {
    Operand::new(label, frame.chunks.room.rows, frame.sizes.heads * frame.chunks.length, tuning)
}

/// Room for states, `[slots K, H V]`, in as many arrays as they take turns in.
fn states(label: &'static str, frame: &Frame, tuning: &Tuning) -> Vec<Operand> {
    let (sizes, turns) = (frame.sizes, frame.turns());
    let rows = frame.chunks.slots() / turns * sizes.keys;
    (0..turns).map(|_| Operand::new(label, rows, sizes.heads * sizes.values, tuning)).collect()
}

impl Gates {
    /// Room for them.
    pub fn new(label: &'static str, frame: &Frame, tuning: &Tuning) -> Self {
        let (rows, length) = (frame.gate_rows(), frame.chunks.length);
        Gates {
            gates: Operand::new(label, rows, 4 * length, tuning),
            decays: Operand::new(label, rows, length, tuning),
        }
    }
}

impl Kept {
    /// Room for it.
    pub fn new(label: &'static str, frame: &Frame, tuning: &Tuning) -> Self {
        let (sizes, rows) = (frame.sizes, frame.chunks.room.rows);
        let delta = || {
            let new = |width: usize| Operand::new(label, rows, sizes.heads * width, tuning);
            let inverse = square(label, frame, tuning);
            Delta { inverse, u: new(sizes.values), y: new(sizes.keys), r: new(sizes.values) }
        };
        let gated = frame.rule.decay || frame.rule.delta;
        Kept {
            gates: gated.then(|| Gates::new(label, frame, tuning)),
            seen: square(label, frame, tuning),
            states: states(label, frame, tuning),
            delta: frame.rule.delta.then(delta),
        }
    }
}

impl Kept {
    /// States on entry of chunks and behind the last ones, `[slots K, H V]`, in the arrays that they take turns in.
    pub fn states(&self) -> &[Operand] {
        &self.states
    }
}

impl Passing {
    /// Room for it.
    pub fn new(label: &'static str, frame: &Frame, tuning: &Tuning) -> Self {
        let delta = frame.rule.delta;
        Passing {
            added: (!delta).then(|| states(label, frame, tuning).remove(0)),
            met: delta.then(|| square(label, frame, tuning)),
        }
    }
}

/// A product's operands.
fn pair<'a>(form: Form, a: Side<'a>, b: Side<'a>, k: usize) -> Pair<'a> {
    Pair { form, a, b, k }
}

/// The sides that products are made of.
struct Sides<'a> {
    frame: &'a Frame,
    taken: Taken<'a>,
}

impl<'a> Sides<'a> {
    fn q(&self) -> Side<'a> {
        Side::tokens(self.taken.q, self.frame.sizes.heads)
    }

    fn k(&self) -> Side<'a> {
        Side::tokens(self.taken.k, self.frame.sizes.groups)
    }

    fn v(&self) -> Side<'a> {
        Side::tokens(self.taken.v, self.frame.sizes.groups)
    }

    /// An array of tokens, of all heads.
    fn own(&self, array: &'a Operand) -> Side<'a> {
        Side::tokens(array, self.frame.sizes.heads)
    }

    fn square(&self, array: &'a Operand) -> Side<'a> {
        Side::square(array, self.frame)
    }

    fn state(&self, arrays: &'a [Operand], ahead: usize) -> Side<'a> {
        Side::state(arrays, ahead, self.frame)
    }
}

/// Outputs `[rows, H V]` of sequences that begin with `initial`, `[sequences K, H V]`, or with nothing. `kept.gates` hold what
/// [`chunk_gates`](crate::kernels::linear::chunk_gates) makes.
pub fn forward(
    taken: Taken,
    initial: Option<&Operand>,
    out: &Operand,
    kept: &Kept,
    passing: &Passing,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let (keys, values, length) = (frame.sizes.keys, frame.sizes.values, frame.chunks.length);
    let at = Sides { frame, taken };
    let gates = kept.gates.as_ref();
    let mut recording = Recording::default();
    let mut all =
        |product: ChunkProduct| recording.extend(chunk_product::record(&product, frame, gates, tuning));
    let seen = Finish::Seen { strict: false, reach: true };
    all(ChunkProduct {
        terms: vec![pair(Form::Nt, at.q(), at.k(), keys)],
        finish: seen,
        c: at.square(&kept.seen),
        m: length,
        n: length,
    });
    let within = match &kept.delta {
        None => {
            let added = std::slice::from_ref(passing.added.as_ref().expect("no delta rule"));
            all(ChunkProduct {
                terms: vec![pair(Form::Tn, at.k().by(Factor::Leave), at.v(), length)],
                finish: Finish::Plain,
                c: at.state(added, 1),
                m: keys,
                n: values,
            });
            recording.extend(state_scan::ends(added, Ends::Put(initial), false, frame, tuning));
            recording.extend(state_scan::record(
                &added[0],
                &kept.states[0],
                Way::Forward,
                gates,
                frame,
                tuning,
            ));
            at.v()
        }
        Some(delta) => {
            let met = passing.met.as_ref().expect("the delta rule");
            all(ChunkProduct {
                terms: vec![pair(Form::Nt, at.k().by(Factor::Beta), at.k(), keys)],
                finish: Finish::Seen { strict: true, reach: false },
                c: at.square(met),
                m: length,
                n: length,
            });
            recording.extend(chunk_inverse::record(met, &delta.inverse, frame, tuning));
            let mut all = |product: ChunkProduct| {
                recording.extend(chunk_product::record(&product, frame, gates, tuning))
            };
            for (of, factor, c, n) in
                [(at.v(), Factor::Beta, &delta.u, values), (at.k(), Factor::BetaEnter, &delta.y, keys)]
            {
                all(ChunkProduct {
                    terms: vec![pair(Form::Nn, at.square(&delta.inverse), of.by(factor), length)],
                    finish: Finish::Plain,
                    c: at.own(c),
                    m: length,
                    n,
                });
            }
            recording.extend(state_scan::ends(&kept.states, Ends::Put(initial), false, frame, tuning));
            for n in 0..frame.chunks.steps() {
                recording.extend(delta_step(&at, kept, delta, n, tuning));
            }
            at.own(&delta.r)
        }
    };
    let product = ChunkProduct {
        terms: vec![
            pair(Form::Nn, at.q().by(Factor::Enter), at.state(&kept.states, 0), keys),
            pair(Form::Nn, at.square(&kept.seen), within, length),
        ],
        finish: Finish::Plain,
        c: at.own(out),
        m: length,
        n: values,
    };
    recording.extend(chunk_product::record(&product, frame, gates, tuning));
    recording
}

/// R = U − Y S, and the state behind it, of the n-th chunk of each sequence.
fn delta_step(at: &Sides, kept: &Kept, delta: &Delta, n: usize, tuning: &Tuning) -> Recording {
    let (frame, gates) = (at.frame, kept.gates.as_ref());
    let (keys, values, length) = (frame.sizes.keys, frame.sizes.values, frame.chunks.length);
    let left = ChunkProduct {
        terms: vec![pair(Form::Nn, at.own(&delta.y).times(-1.0), at.state(&kept.states, 0), keys)],
        finish: Finish::Plus(at.own(&delta.u)),
        c: at.own(&delta.r),
        m: length,
        n: values,
    };
    let next = ChunkProduct {
        terms: vec![pair(Form::Tn, at.k().by(Factor::Leave), at.own(&delta.r), length)],
        finish: Finish::Plus(at.state(&kept.states, 0).by(Factor::Through)),
        c: at.state(&kept.states, 1),
        m: keys,
        n: values,
    };
    let mut recording = chunk_product::step(&left, frame, gates, n, tuning);
    recording.extend(chunk_product::step(&next, frame, gates, n, tuning));
    recording
}

/// `[sequences K, H V]`: the states behind the last tokens.
pub fn last_states(kept: &Kept, to: &Operand, frame: &Frame, tuning: &Tuning) -> Recording {
    state_scan::ends(&kept.states, Ends::Take(to), true, frame, tuning)
}

/// Multiply-adds of the products, twice: forward, and backward.
pub fn flops(frame: &Frame, rows: usize) -> [f64; 2] {
    let (k, v, c) = (frame.sizes.keys as f64, frame.sizes.values as f64, frame.chunks.length as f64);
    let each = 2.0 * (rows * frame.sizes.heads) as f64;
    // A token's own products: with a chunk's keys, with values, with a state.
    let plain = [c * k + c * v + 2.0 * k * v, 3.0 * c * k + 2.0 * c * v + 4.0 * k * v];
    // A, its inverse (a sixth of a product), U and Y, R; and all of it on the way back.
    let delta = [
        c * k + c * c / 6.0 + c * (k + v) + k * v,
        2.0 * c * (k + v) + c * (k + v) + 2.0 * c * k + 2.0 * k * v,
    ];
    let of = |i: usize| each * (plain[i] + if frame.rule.delta { delta[i] } else { 0.0 });
    [of(0), of(1)]
}
