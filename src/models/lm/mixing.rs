//! A layer's linear attention: what it holds beside the arrays that every layer has, and the launches between projections
//! and output.

use super::activations::Block;
use super::weights::{Gating, Layer};
use crate::error::Result;
use crate::gpu::{DType, Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, texels};
use crate::kernels::linear::chunk_gates::{self, Beta, Decay, Raw};
use crate::kernels::linear::chunks::Chunks;
use crate::kernels::linear::feature_map::{self, Feature};
use crate::kernels::linear::recurrent::{self, Recurrent};
use crate::kernels::linear::{Frame, Rule, Sizes};
use crate::kernels::mixing::{self, Kept, Passing, Taken};
use crate::pretrained::{Decoder, FeatureMap, Mixer, Normaliser};
use std::collections::BTreeMap;

/// Arrays that a layer with linear attention has of its own.
#[derive(Clone)]
pub(in crate::models) struct Mix {
    pub mixer: Mixer,
    pub frame: Frame,
    /// `[rows, H]`: what decays and shares come from.
    pub decay: Option<Operand>,
    pub share: Option<Operand>,
    pub kept: Kept,
    passing: Passing,
    /// `[K, H V]`: the state behind the tokens so far, where a model is fed bit by bit.
    pub state: Option<Rows>,
}

/// The recurrence of a mixer.
pub(in crate::models) fn rule(decoder: &Decoder, mixer: Mixer) -> Rule {
    Rule {
        decay: mixer.decays(),
        delta: mixer.replaces(),
        mean: mixer == Mixer::Linear && decoder.mixing.normaliser == Normaliser::Mean,
        scale: (1.0 / (decoder.head_dim as f64).sqrt()) as f32,
    }
}

/// What queries and keys become before they meet.
pub(in crate::models) fn feature(decoder: &Decoder, mixer: Mixer) -> Option<Feature> {
    match (mixer, decoder.mixing.feature_map) {
        (mixer, _) if mixer.replaces() => Some(Feature::Unit),
        (Mixer::Linear, FeatureMap::Elu) => Some(Feature::Elu),
        (Mixer::Linear, FeatureMap::Relu) => Some(Feature::Relu),
        _ => None,
    }
}

fn sizes(decoder: &Decoder) -> Sizes {
    let dim = decoder.head_dim;
    Sizes { heads: decoder.heads, groups: decoder.kv_heads, keys: dim, values: dim }
}

/// What each kind of mixer needs once, in whichever layers it is.
#[derive(Default)]
pub(in crate::models) struct Shared(BTreeMap<Mixer, Mix>);

impl Shared {
    /// Room for a layer of this mixer: `kept` for a backward pass, arrays of its own; or, beside a state that stays, arrays
    /// that layers take turns with.
    pub fn layer(
        &mut self,
        decoder: &Decoder,
        mixer: Mixer,
        chunks: &Chunks,
        kept: bool,
        tuning: &Tuning,
    ) -> Option<Mix> {
        if !mixer.is_linear() {
            return None;
        }
        let make = || Mix::new(decoder, mixer, chunks, tuning);
        let first = self.0.entry(mixer).or_insert_with(make).clone();
        Some(match kept {
            true => Mix { passing: first.passing, ..make() },
            false => {
                let width = decoder.heads * decoder.head_dim;
                Mix { state: Some(Rows::new("states", decoder.head_dim, width)), ..first }
            }
        })
    }
}

impl Mix {
    fn new(decoder: &Decoder, mixer: Mixer, chunks: &Chunks, tuning: &Tuning) -> Self {
        let label = "activations";
        let frame = Frame { sizes: sizes(decoder), rule: rule(decoder, mixer), chunks: chunks.clone() };
        let gate = || Operand::new(label, chunks.room.rows, decoder.heads, tuning);
        Mix {
            decay: matches!(mixer, Mixer::Gated | Mixer::GatedDelta).then(gate),
            share: mixer.replaces().then(gate),
            kept: Kept::new(label, &frame, tuning),
            passing: Passing::new(label, &frame, tuning),
            state: None,
            mixer,
            frame,
        }
    }

    /// The first head of which a state is not finite.
    pub fn unsound(&self, engine: &Engine) -> Result<Option<usize>> {
        for states in self.kept.states() {
            let values: Vec<f32> = match states {
                Operand::Rows(rows) => engine.read(&rows.view)?,
                Operand::Panel(panel) => {
                    let rows = Rows::new("states read back", panel.rows, panel.cols);
                    let mut recording = Recording::default();
                    recording.read_texture(texels(&rows, panel, 0));
                    engine.submit(&recording, 1)?;
                    engine.read(&rows.view)?
                }
            };
            let pitch = states.cols().next_multiple_of(PITCH);
            let heads =
                values.iter().enumerate().filter(|(i, x)| !x.is_finite() && i % pitch < states.cols());
            if let Some(head) = heads.map(|(i, _)| i % pitch / self.frame.sizes.values).min() {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// What decays and shares come from, of so many rows.
    pub fn raw<'a>(&'a self, gating: &'a Gating) -> Raw<'a> {
        let decay = match (&gating.fixed, &self.decay) {
            (Some(fixed), _) => Decay::Fixed(fixed),
            (None, Some(raw)) => match (&gating.a_log, &gating.dt_bias) {
                (Some(a_log), Some(dt_bias)) => Decay::Softplus { raw, a_log, dt_bias },
                _ => Decay::Sigmoid(raw),
            },
            (None, None) => Decay::None,
        };
        let beta = self.share.as_ref().map_or(Beta::None, Beta::Sigmoid);
        Raw { decay, beta }
    }

    /// Queries, keys and values as they meet: turned or mapped, or as they are.
    pub fn taken<'a>(&self, block: &'a Block, decoder: &Decoder) -> Taken<'a> {
        let turned = self.mixer.turns();
        let mapped = turned || feature(decoder, self.mixer).is_some();
        Taken {
            q: if mapped { &block.queries } else { &block.q },
            k: if mapped { &block.cache.keys } else { &block.k },
            v: if turned { &block.cache.values } else { &block.v },
        }
    }

    /// From queries, keys, values and gates to outputs, of so many rows. What is turned by positions is turned.
    pub fn record(
        &self,
        block: &Block,
        (layer, decoder): (&Layer, &Decoder),
        rows: usize,
        cursor: &Cursor,
        tuning: &Tuning,
    ) -> Recording {
        let mut recording = Recording::default();
        let dim = decoder.head_dim;
        if let Some(feature) = feature(decoder, self.mixer) {
            for (x, y) in [(&block.q, &block.queries), (&block.k, &block.cache.keys)] {
                let (x, y) = (x.first(rows), y.first(rows));
                recording.extend(feature_map::record(feature, &x, &y, dim, cursor, tuning));
            }
        }
        let taken = self.taken(block, decoder);
        let [q, k, v] = [taken.q, taken.k, taken.v].map(|array| array.first(rows));
        let out = block.out.first(rows);
        let raw = self.raw(&layer.gating);
        if let Some(state) = self.state.as_ref().filter(|_| rows == 1) {
            let one = Recurrent { q: &q, k: &k, v: &v, raw, out: &out, state, cursor };
            recording.extend(recurrent::record(&one, self.frame.sizes, &self.frame.rule, tuning));
            return recording;
        }
        if let Some(gates) = &self.kept.gates {
            recording.extend(chunk_gates::record(&raw, gates, &self.frame, tuning));
        }
        let taken = Taken { q: &q, k: &k, v: &v };
        let state = self.state.clone().map(Operand::Rows);
        let (kept, passing, frame) = (&self.kept, &self.passing, &self.frame);
        recording.extend(mixing::forward(taken, state.as_ref(), &out, kept, passing, frame, tuning));
        if let Some(state) = &state {
            recording.extend(mixing::last_states(kept, state, frame, tuning));
        }
        recording
    }
}

/// Logarithms of retention's decays: γ_h = 1 − 2^(−5−h).
pub(in crate::models) fn fixed(heads: usize) -> View {
    let decay = |h: usize| (-(2f64.powi(-5 - h as i32))).ln_1p() as f32;
    let all: Vec<f32> = (0..heads.next_multiple_of(4)).map(decay).collect();
    crate::gpu::Buffer::holding("decays", &all).view(DType::F32)
}
