//! A decoder's weights on the device, streamed there from where they are published.

use super::adapter::Low;
use super::mixing;
use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, lay, texels};
use crate::kernels::layout::weight::{Piece, Weight, halves};
use crate::pretrained::{Decoder, Mixer, Pretrained};
use std::borrow::Cow;
use std::ops::Range;

/// All of them.
pub struct Weights {
    /// Sizes.
    pub decoder: Decoder,
    pub(in crate::models) embedding: Weight,
    /// None where it is the embedding.
    pub(in crate::models) head: Option<Weight>,
    pub(in crate::models) norm: View,
    pub(in crate::models) layers: Vec<Layer>,
}

/// A layer's.
pub(in crate::models) struct Layer {
    pub input_norm: View,
    pub post_norm: View,
    /// In the order of [`PROJECTIONS`].
    pub linears: [Linear; 7],
    /// Of a mixer with gates.
    pub gating: Gating,
}

/// What decays and shares of a layer with linear attention come from.
#[derive(Default)]
pub(in crate::models) struct Gating {
    /// `g_proj` or `a_proj`, `[H, C]`, and its bias.
    pub decay: Option<(&'static str, Weight, Option<View>)>,
    /// `b_proj`, `[H, C]`.
    pub share: Option<Weight>,
    /// `A_log`, `[H]`.
    pub a_log: Option<View>,
    /// `dt_bias`, `[H]`.
    pub dt_bias: Option<View>,
    /// Logarithms of decays that nobody trains, `[H]`.
    pub fixed: Option<View>,
}

impl Gating {
    fn new(decoder: &Decoder, mixer: Mixer, most_bytes: u64, vectors: &mut Vectors, tuning: &Tuning) -> Self {
        let heads = decoder.heads;
        let weight = || Weight::new("weights", heads, decoder.width, most_bytes, tuning);
        let share = mixer.replaces().then(weight);
        match mixer {
            Mixer::Softmax | Mixer::Linear => Gating::default(),
            Mixer::Retention => Gating { fixed: Some(mixing::fixed(heads)), ..Gating::default() },
            Mixer::Delta => Gating { share, ..Gating::default() },
            Mixer::Gated => {
                Gating { decay: Some(("g_proj", weight(), Some(vectors.take(heads)))), ..Gating::default() }
            }
            Mixer::GatedDelta => Gating {
                decay: Some(("a_proj", weight(), None)),
                share,
                a_log: Some(vectors.take(heads)),
                dt_bias: Some(vectors.take(heads)),
                fixed: None,
            },
        }
    }

    /// Where its tensors go, by their names in a layer.
    fn targets(&self) -> Vec<(String, Target<'_>)> {
        let mut all = Vec::new();
        if let Some((name, weight, bias)) = &self.decay {
            all.push((format!("self_attn.{name}.weight"), Target::Matrix(weight)));
            all.extend(bias.iter().map(|bias| (format!("self_attn.{name}.bias"), Target::Vector(bias))));
        }
        all.extend(self.share.iter().map(|w| ("self_attn.b_proj.weight".to_string(), Target::Matrix(w))));
        for (name, view) in [("A_log", &self.a_log), ("dt_bias", &self.dt_bias)] {
            all.extend(view.iter().map(|view| (format!("self_attn.{name}"), Target::Vector(view))));
        }
        all
    }
}

impl Layer {
    /// Something for each linear map that has an adapter.
    pub fn low<T>(&self, mut of: impl FnMut(&Low) -> T) -> [Option<T>; 7] {
        std::array::from_fn(|i| self.linears[i].low.as_ref().map(&mut of))
    }
}

/// A layer's linear maps, as their weights are called.
pub const PROJECTIONS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// Places among [`PROJECTIONS`].
pub(in crate::models) const Q: usize = 0;
pub(in crate::models) const K: usize = 1;
pub(in crate::models) const V: usize = 2;
pub(in crate::models) const O: usize = 3;
pub(in crate::models) const GATE: usize = 4;
pub(in crate::models) const UP: usize = 5;
pub(in crate::models) const DOWN: usize = 6;

/// A weight with its bias, and what an adapter adds to it.
pub(in crate::models) struct Linear {
    pub weight: Weight,
    pub bias: Option<View>,
    pub low: Option<Low>,
}

/// Vectors side by side in one buffer.
struct Vectors {
    next: usize,
    buffer: Buffer,
}

impl Vectors {
    /// Room for all vectors of a decoder.
    fn new(decoder: &Decoder) -> Self {
        let tensors = decoder.tensors();
        let vectors = tensors.iter().filter(|(_, shape)| shape.len() == 1);
        let words = vectors.map(|(_, shape)| shape[0].next_multiple_of(PITCH)).sum();
        Vectors { next: 0, buffer: Buffer::words("norms and biases", words) }
    }

    fn take(&mut self, count: usize) -> View {
        let at = self.next;
        self.next += count.next_multiple_of(PITCH);
        View::new(&self.buffer, 4 * at as u64, count.next_multiple_of(4), DType::F32)
    }
}

impl Weights {
    /// Handles of weights that nothing is written to yet, none of whose bindings is larger than so many bytes.
    pub fn new(decoder: &Decoder, most_bytes: u64, tuning: &Tuning) -> Self {
        let mut vectors = Vectors::new(decoder);
        let weight = |rows, cols| Weight::new("weights", rows, cols, most_bytes, tuning);
        let (width, mlp) = (decoder.width, decoder.mlp);
        let (queries, shared) = (decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim);
        let layer = |vectors: &mut Vectors, mixer: Mixer| {
            let mut linear = |at: usize| {
                let [rows, cols] = [
                    [queries, width],
                    [shared, width],
                    [shared, width],
                    [width, queries],
                    [mlp, width],
                    [mlp, width],
                    [width, mlp],
                ][at];
                let bias = (decoder.biases && at <= V).then(|| vectors.take(rows));
                Linear { weight: weight(rows, cols), bias, low: None }
            };
            let linears = std::array::from_fn(&mut linear);
            let gating = Gating::new(decoder, mixer, most_bytes, vectors, tuning);
            Layer { input_norm: vectors.take(width), post_norm: vectors.take(width), linears, gating }
        };
        let layers = (0..decoder.layers).map(|i| layer(&mut vectors, decoder.mixing.mixer(i))).collect();
        Weights {
            decoder: decoder.clone(),
            embedding: weight(decoder.vocabulary, width),
            head: (!decoder.tied).then(|| weight(decoder.vocabulary, width)),
            norm: vectors.take(width),
            layers,
        }
    }

    /// The rank of its adapter, if it has one.
    pub(in crate::models) fn rank(&self) -> Option<usize> {
        let lows =
            self.layers.iter().flat_map(|layer| &layer.linears).filter_map(|linear| linear.low.as_ref());
        lows.map(|low| low.a.rows).next()
    }

    /// What turns the last activations into logits.
    pub(in crate::models) fn head(&self) -> &Weight {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// A published model's weights, on the device.
    ///
    /// # Errors
    /// What [`Pretrained::read`] gives; a device failure.
    pub fn load(model: &Pretrained, engine: &Engine, tuning: &Tuning) -> Result<Self> {
        let weights = Weights::new(model.decoder(), engine.adapter().storage_bytes, tuning);
        for (name, target) in weights.targets() {
            match target {
                Target::Matrix(weight) => load(model, &name, weight, engine)?,
                Target::Vector(view) => {
                    let mut all = Vec::new();
                    model.read(&name, |piece| {
                        all.extend_from_slice(piece);
                        Ok(())
                    })?;
                    engine.write(view, &all)?;
                }
            }
        }
        engine.wait()?;
        Ok(weights)
    }

    /// Writes a tensor, `[out, in]`.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If there is no such tensor, or it has another size.
    pub fn write(&self, engine: &Engine, name: &str, data: &[f32]) -> Result<()> {
        let found = self.targets().into_iter().find(|(own, _)| own == name);
        match found.expect("a name of the table").1 {
            Target::Vector(view) => engine.write(view, data),
            Target::Matrix(weight) => {
                assert_eq!(data.len(), weight.rows * weight.cols, "`{name}`");
                weight.pieces.iter().try_for_each(|piece| {
                    let own = &data[piece.rows.start * weight.cols..piece.rows.end * weight.cols];
                    put(piece, piece.rows.clone(), own, engine)
                })
            }
        }
    }

    /// A tensor as it is on the device, `[out, in]`.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If there is no such tensor, or it is kept in half precision.
    pub fn read(&self, engine: &Engine, name: &str) -> Result<Vec<f32>> {
        let found = self.targets().into_iter().find(|(own, _)| own == name);
        match found.expect("a name of the table").1 {
            Target::Vector(view) => {
                let mut all: Vec<f32> = engine.read(view)?;
                // Its place ends with a vec4.
                let shape = self.decoder.tensors().into_iter().find(|(own, _)| own == name);
                all.truncate(shape.map_or(all.len(), |(_, shape)| shape[0]));
                Ok(all)
            }
            Target::Matrix(weight) => {
                let mut all = Vec::with_capacity(weight.rows * weight.cols);
                for piece in &weight.pieces {
                    let rows = rows_of(piece, engine)?;
                    let words: Vec<f32> = engine.read(&rows.view)?;
                    let row = |from: &[f32]| from[..weight.cols].to_vec();
                    all.extend(words.chunks(rows.pitch).take(rows.rows).flat_map(row));
                }
                Ok(all)
            }
        }
    }

    /// Where every tensor goes, by its name.
    pub(in crate::models) fn targets(&self) -> Vec<(String, Target<'_>)> {
        let mut all = vec![("model.embed_tokens.weight".to_string(), Target::Matrix(&self.embedding))];
        for (i, layer) in self.layers.iter().enumerate() {
            let mut put = |name: &str, target| all.push((format!("model.layers.{i}.{name}"), target));
            put("input_layernorm.weight", Target::Vector(&layer.input_norm));
            put("post_attention_layernorm.weight", Target::Vector(&layer.post_norm));
            for (name, linear) in PROJECTIONS.iter().zip(&layer.linears) {
                put(&format!("{name}.weight"), Target::Matrix(&linear.weight));
                if let Some(bias) = &linear.bias {
                    put(&format!("{name}.bias"), Target::Vector(bias));
                }
                if let Some(low) = &linear.low {
                    put(&format!("{name}.lora_A.weight"), Target::Matrix(&low.a));
                    put(&format!("{name}.lora_B.weight"), Target::Matrix(&low.b));
                }
            }
            layer.gating.targets().into_iter().for_each(|(name, target)| put(&name, target));
        }
        all.push(("model.norm.weight".into(), Target::Vector(&self.norm)));
        all.extend(self.head.iter().map(|head| ("lm_head.weight".to_string(), Target::Matrix(head))));
        all
    }
}

pub(in crate::models) enum Target<'a> {
    Matrix(&'a Weight),
    Vector(&'a View),
}

/// A piece's rows in a buffer: its own, or a copy.
fn rows_of(piece: &Piece, engine: &Engine) -> Result<Rows> {
    match &piece.operand {
        Operand::Rows(rows) => Ok(rows.clone()),
        Operand::Panel(panel) => {
            let rows = Rows::new("weights read back", panel.rows, panel.cols);
            let mut recording = Recording::default();
            recording.read_texture(texels(&rows, panel, 0));
            engine.submit(&recording, 1)?;
            Ok(rows)
        }
    }
}

/// Streams a matrix to its pieces, some rows at a time.
fn load(model: &Pretrained, name: &str, weight: &Weight, engine: &Engine) -> Result<()> {
    let mut next = 0;
    model.read(name, |piece| {
        let rows = next..next + piece.len() / weight.cols;
        next = rows.end;
        for part in &weight.pieces {
            let own = rows.start.max(part.rows.start)..rows.end.min(part.rows.end);
            if !own.is_empty() {
                let at = (own.start - rows.start) * weight.cols..(own.end - rows.start) * weight.cols;
                put(part, own, &piece[at], engine)?;
            }
        }
        Ok(())
    })
}

/// Writes some rows of a piece of a weight.
fn put(piece: &Piece, rows: Range<usize>, data: &[f32], engine: &Engine) -> Result<()> {
    let from = rows.start - piece.rows.start;
    match &piece.operand {
        Operand::Rows(all) => {
            let to = all.view.slice(from * all.pitch..(from + rows.len()) * all.pitch);
            let laid = match all.pitch == all.cols {
                true => Cow::Borrowed(data),
                false => Cow::Owned(lay(data, all.cols, all.pitch)),
            };
            match to.dtype() {
                DType::F16 => engine.write(to, &halves(&laid)),
                _ => engine.write(to, &laid[..]),
            }
        }
        Operand::Panel(panel) => {
            let staged = Rows::new("staged weights", rows.len(), panel.cols);
            match staged.pitch == staged.cols {
                true => engine.write(&staged.view, data)?,
                false => engine.write(&staged.view, &staged.lay(data))?,
            }
            let mut recording = Recording::default();
            recording.fill_texture(texels(&staged, panel, from));
            engine.submit(&recording, 1)?;
            // So that no more than a piece is on its way at a time.
            engine.wait()
        }
    }
}
