//! A decoder's weights on the device, streamed there from where they are published.

use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, lay, texels};
use crate::kernels::layout::weight::{Piece, Weight, halves};
use crate::pretrained::{Decoder, Pretrained};
use std::borrow::Cow;
use std::ops::Range;

/// All of them.
pub struct Weights {
    /// Sizes.
    pub decoder: Decoder,
    pub(super) embedding: Weight,
    /// None where it is the embedding.
    pub(super) head: Option<Weight>,
    pub(super) norm: View,
    pub(super) layers: Vec<Layer>,
}

/// A layer's.
pub(super) struct Layer {
    pub input_norm: View,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub o: Weight,
    pub post_norm: View,
    pub gate: Weight,
    pub up: Weight,
    pub down: Weight,
}

/// A weight with its bias.
pub(super) struct Linear {
    pub weight: Weight,
    pub bias: Option<View>,
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
        let layer = |vectors: &mut Vectors| {
            let mut linear = |rows: usize| Linear {
                weight: weight(rows, width),
                bias: decoder.biases.then(|| vectors.take(rows)),
            };
            let (q, k, v) = (linear(queries), linear(shared), linear(shared));
            Layer {
                input_norm: vectors.take(width),
                q,
                k,
                v,
                o: weight(width, queries),
                post_norm: vectors.take(width),
                gate: weight(mlp, width),
                up: weight(mlp, width),
                down: weight(width, mlp),
            }
        };
        let layers = (0..decoder.layers).map(|_| layer(&mut vectors)).collect();
        Weights {
            decoder: decoder.clone(),
            embedding: weight(decoder.vocabulary, width),
            head: (!decoder.tied).then(|| weight(decoder.vocabulary, width)),
            norm: vectors.take(width),
            layers,
        }
    }

    /// What turns the last activations into logits.
    pub(super) fn head(&self) -> &Weight {
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
            Target::Vector(view) => engine.read(view),
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
    pub(super) fn targets(&self) -> Vec<(String, Target<'_>)> {
        let mut all = vec![("model.embed_tokens.weight".to_string(), Target::Matrix(&self.embedding))];
        for (i, layer) in self.layers.iter().enumerate() {
            let mut put = |name: &str, target| all.push((format!("model.layers.{i}.{name}"), target));
            put("input_layernorm.weight", Target::Vector(&layer.input_norm));
            put("post_attention_layernorm.weight", Target::Vector(&layer.post_norm));
            for (letter, linear) in [("q", &layer.q), ("k", &layer.k), ("v", &layer.v)] {
                put(&format!("self_attn.{letter}_proj.weight"), Target::Matrix(&linear.weight));
                if let Some(bias) = &linear.bias {
                    put(&format!("self_attn.{letter}_proj.bias"), Target::Vector(bias));
                }
            }
            put("self_attn.o_proj.weight", Target::Matrix(&layer.o));
            put("mlp.gate_proj.weight", Target::Matrix(&layer.gate));
            put("mlp.up_proj.weight", Target::Matrix(&layer.up));
            put("mlp.down_proj.weight", Target::Matrix(&layer.down));
        }
        all.push(("model.norm.weight".into(), Target::Vector(&self.norm)));
        all.extend(self.head.iter().map(|head| ("lm_head.weight".to_string(), Target::Matrix(head))));
        all
    }
}

pub(super) enum Target<'a> {
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
