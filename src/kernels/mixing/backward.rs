//! The backward pass, from what the forward pass kept (docs/MATH.md, "Linear attention").

use super::{Delta, Kept, Sides, Taken, pair, square, states};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::Operand;
use crate::kernels::linear::Frame;
use crate::kernels::linear::chunk_gates::{self, Raw, RawGrads};
use crate::kernels::linear::chunk_grad::{self, DeltaTerms, Marks, Terms};
use crate::kernels::linear::chunk_product::{self, ChunkProduct, Factor, Finish, Side};
use crate::kernels::linear::state_scan::{self, Ends, Way};
use crate::kernels::tensor::matmul::Form;

/// Where gradients go, by query heads where keys and values are shared; what nobody asks for is not reckoned.
#[derive(Clone, Copy, Default)]
pub struct Grads<'a> {
    /// `[rows, H K]`.
    pub q: Option<&'a Operand>,
    /// `[rows, H K]`.
    pub k: Option<&'a Operand>,
    /// `[rows, H V]`.
    pub v: Option<&'a Operand>,
    /// Of what gates come from: those of queries, keys and values are asked for too.
    pub gates: Option<(Raw<'a>, RawGrads<'a>)>,
    /// `[sequences K, H V]`: of the first states.
    pub initial: Option<&'a Operand>,
}

/// What a backward pass needs beside what is kept.
pub struct Scratch {
    /// `[rows, H c]`.
    dseen: Operand,
    /// `[slots K, H V]`.
    dstates: Vec<Operand>,
    /// What chunks add to it, where no delta rule ties them.
    added: Option<Operand>,
    marks: Option<Marks>,
    dots: Buffer,
    delta: Option<DeltaScratch>,
}

struct DeltaScratch {
    /// `[rows, H c]`.
    met: Operand,
    /// `[rows, H V]`: dR and Tᵀ dR.
    dr: Operand,
    tu: Operand,
    /// `[rows, H K]`: dY, Tᵀ dY, N K, and what has exp(−b) in it.
    dy: Operand,
    ty: Operand,
    nk: Operand,
    dk: Operand,
}

impl Scratch {
    /// Room for it.
    pub fn new(label: &'static str, frame: &Frame, tuning: &Tuning) -> Self {
        let (sizes, rows, delta) = (frame.sizes, frame.chunks.room.rows, frame.rule.delta);
        let new = |width: usize| Operand::new(label, rows, sizes.heads * width, tuning);
        let gated = delta || frame.rule.decay;
        let marks = || Marks::new(label, frame, tuning);
        let more = || DeltaScratch {
            met: square(label, frame, tuning),
            dr: new(sizes.values),
            tu: new(sizes.values),
            dy: new(sizes.keys),
            ty: new(sizes.keys),
            nk: new(sizes.keys),
            dk: new(sizes.keys),
        };
        Scratch {
            dseen: square(label, frame, tuning),
            dstates: states(label, frame, tuning),
            added: (!delta).then(|| states(label, frame, tuning).remove(0)),
            marks: gated.then(marks),
            dots: Buffer::words(label, frame.gate_rows()),
            delta: delta.then(more),
        }
    }
}

/// What `dout`, `[rows, H V]`, and `dlast` of the last states, `[sequences K, H V]`, make of what went in.
pub fn backward(
    taken: Taken,
    (dout, dlast): (&Operand, Option<&Operand>),
    grads: &Grads,
    kept: &Kept,
    scratch: &Scratch,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let (keys, values, length) = (frame.sizes.keys, frame.sizes.values, frame.chunks.length);
    let at = Sides { frame, taken };
    let gates = kept.gates.as_ref();
    let record = |product: ChunkProduct| chunk_product::record(&product, frame, gates, tuning);
    let mut recording = Recording::default();
    let tokens = |terms, c, n| ChunkProduct { terms, finish: Finish::Plain, c, m: length, n };
    // Queries alone ask for nothing of what comes after.
    let later = grads.k.is_some() || grads.v.is_some() || grads.initial.is_some();
    let within = match &kept.delta {
        None if !later => at.v(),
        Some(delta) if !later => at.own(&delta.r),
        None => {
            let added = std::slice::from_ref(scratch.added.as_ref().expect("no delta rule"));
            recording.extend(record(ChunkProduct {
                terms: vec![pair(Form::Tn, at.q().by(Factor::Enter), at.own(dout), length)],
                finish: Finish::Plain,
                c: at.state(added, 0),
                m: keys,
                n: values,
            }));
            recording.extend(state_scan::ends(added, Ends::Put(dlast), true, frame, tuning));
            let dstates = &scratch.dstates[0];
            recording.extend(state_scan::record(&added[0], dstates, Way::Back, gates, frame, tuning));
            at.v()
        }
        Some(delta) => {
            recording.extend(state_scan::ends(&scratch.dstates, Ends::Put(dlast), true, frame, tuning));
            for n in (0..frame.chunks.steps()).rev() {
                recording.extend(delta_step(&at, dout, kept, delta, scratch, n, tuning));
            }
            at.own(&delta.r)
        }
    };
    let dseen = at.square(&scratch.dseen);
    if grads.q.is_some() || grads.k.is_some() {
        recording.extend(record(ChunkProduct {
            terms: vec![pair(Form::Nt, at.own(dout), within, values)],
            finish: Finish::Seen { strict: false, reach: true },
            c: dseen,
            m: length,
            n: length,
        }));
    }
    if let Some(dq) = grads.q {
        let terms = vec![
            pair(Form::Nn, dseen, at.k(), length),
            pair(Form::Nt, at.own(dout).by(Factor::Enter), at.state(&kept.states, 0), values),
        ];
        recording.extend(record(tokens(terms, at.own(dq), keys)));
    }
    let leaving = at.state(&scratch.dstates, 1);
    let mut of_keys = vec![
        pair(Form::Tn, dseen, at.q(), length),
        pair(Form::Nt, within.by(Factor::Leave), leaving, values),
    ];
    match (&kept.delta, &scratch.delta, grads.k, grads.v) {
        (Some(delta), Some(own), Some(_), _) => {
            recording.extend(delta_terms(&at, kept, delta, own, tuning));
            let met = at.square(&own.met);
            of_keys.push(pair(Form::Tn, met, at.k().by(Factor::Beta), length));
            recording.extend(record(tokens(of_keys, at.own(&own.dk), keys)));
            let met = vec![pair(Form::Nn, met, at.k(), length)];
            recording.extend(record(tokens(met, at.own(&own.nk), keys)));
        }
        (Some(delta), Some(own), None, Some(dv)) => {
            let terms = vec![pair(Form::Tn, at.square(&delta.inverse), at.own(&own.dr), length)];
            let taken = ChunkProduct { finish: Finish::Beta, ..tokens(terms, at.own(dv), values) };
            recording.extend(record(taken));
        }
        (None, _, dk, dv) => {
            if let Some(dk) = dk {
                recording.extend(record(tokens(of_keys, at.own(dk), keys)));
            }
            if let Some(dv) = dv {
                let of_values = vec![
                    pair(Form::Tn, at.square(&kept.seen), at.own(dout), length),
                    pair(Form::Nn, at.k().by(Factor::Leave), leaving, keys),
                ];
                recording.extend(record(tokens(of_values, at.own(dv), values)));
            }
        }
        _ => {}
    }
    recording.extend(of_gates(&at, grads, kept, scratch, tuning));
    if let Some(initial) = grads.initial {
        recording.extend(state_scan::ends(&scratch.dstates, Ends::Take(initial), false, frame, tuning));
    }
    recording
}

/// dR of the n-th chunk of each sequence, and the gradient of the state before it.
fn delta_step(
    at: &Sides,
    dout: &Operand,
    kept: &Kept,
    delta: &Delta,
    scratch: &Scratch,
    n: usize,
    tuning: &Tuning,
) -> Recording {
    let (frame, gates) = (at.frame, kept.gates.as_ref());
    let (keys, values, length) = (frame.sizes.keys, frame.sizes.values, frame.chunks.length);
    let own = scratch.delta.as_ref().expect("the delta rule");
    let tokens = |array| Side::tokens(array, frame.sizes.heads);
    let after = Side::state(&scratch.dstates, 1, frame);
    let taken = ChunkProduct {
        terms: vec![
            pair(Form::Tn, Side::square(&kept.seen, frame), tokens(dout), length),
            pair(Form::Nn, at.k().by(Factor::Leave), after, keys),
        ],
        finish: Finish::Plain,
        c: tokens(&own.dr),
        m: length,
        n: values,
    };
    let before = ChunkProduct {
        terms: vec![
            pair(Form::Tn, at.q().by(Factor::Enter), tokens(dout), length),
            pair(Form::Tn, tokens(&delta.y).times(-1.0), tokens(&own.dr), length),
        ],
        finish: Finish::Plus(after.by(Factor::Through)),
        c: Side::state(&scratch.dstates, 0, frame),
        m: keys,
        n: values,
    };
    let mut recording = chunk_product::step(&taken, frame, gates, n, tuning);
    recording.extend(chunk_product::step(&before, frame, gates, n, tuning));
    recording
}

/// dY, what the inverse makes of dR and dY, and N: the gradient of A times what tokens still have of each other.
fn delta_terms(at: &Sides, kept: &Kept, delta: &Delta, own: &DeltaScratch, tuning: &Tuning) -> Recording {
    let (frame, gates) = (at.frame, kept.gates.as_ref());
    let (keys, values, length) = (frame.sizes.keys, frame.sizes.values, frame.chunks.length);
    let mut recording = Recording::default();
    let mut put = |terms, c, n, finish| {
        let product = ChunkProduct { terms, finish, c, m: length, n };
        recording.extend(chunk_product::record(&product, frame, gates, tuning));
    };
    let tokens = |array| Side::tokens(array, frame.sizes.heads);
    let inverse = Side::square(&delta.inverse, frame);
    let states = Side::state(&kept.states, 0, frame);
    put(
        vec![pair(Form::Nt, tokens(&own.dr).times(-1.0), states, values)],
        tokens(&own.dy),
        keys,
        Finish::Plain,
    );
    put(vec![pair(Form::Tn, inverse, tokens(&own.dr), length)], tokens(&own.tu), values, Finish::Plain);
    put(vec![pair(Form::Tn, inverse, tokens(&own.dy), length)], tokens(&own.ty), keys, Finish::Plain);
    let met = vec![
        pair(Form::Nt, tokens(&own.tu).times(-1.0), tokens(&delta.u), values),
        pair(Form::Nt, tokens(&own.ty).times(-1.0), tokens(&delta.y), keys),
    ];
    put(met, Side::square(&own.met, frame), length, Finish::Seen { strict: true, reach: false });
    recording
}

/// Marks of tokens, with the delta rule what keys and values get, and what gates come from.
fn of_gates(at: &Sides, grads: &Grads, kept: &Kept, scratch: &Scratch, tuning: &Tuning) -> Recording {
    let frame = at.frame;
    let mut recording = Recording::default();
    let (Some(gates), Some(marks)) = (&kept.gates, &scratch.marks) else { return recording };
    if !frame.rule.delta && grads.gates.is_none() {
        return recording;
    }
    // With the delta rule keys' gradient is put together here, and queries' and values' with it.
    let (Some(dq), Some(to_keys), Some(dv)) = (grads.q, grads.k, grads.v) else {
        assert!(
            grads.gates.is_none() && (!frame.rule.delta || grads.k.is_none()),
            "what is asked for together"
        );
        return recording;
    };
    let delta = scratch.delta.as_ref().map(|own| DeltaTerms {
        v: at.taken.v,
        nk: &own.nk,
        ty: &own.ty,
        tu: &own.tu,
        dk: to_keys,
        dv,
    });
    let dk = scratch.delta.as_ref().map_or(to_keys, |own| &own.dk);
    let terms = Terms { q: at.taken.q, k: at.taken.k, dq, dk, delta };
    recording.extend(chunk_grad::record(&terms, gates, marks, frame, tuning));
    if let Some((raw, raw_grads)) = &grads.gates {
        let kept_on = raw_grads.decay.is_some() || raw_grads.a_log.is_some();
        if kept_on {
            let dots = &scratch.dots;
            recording.extend(state_scan::dots(&kept.states, &scratch.dstates, dots, frame, tuning));
        }
        let dots = kept_on.then_some(&scratch.dots);
        recording.extend(chunk_gates::record_grad(raw, marks, dots, raw_grads, frame, tuning));
    }
    recording
}
