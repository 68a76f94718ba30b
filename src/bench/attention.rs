//! Linear attention alone, at shapes that others publish: time, rate and error of the kernels.

use super::work::{Job, Work};
use super::{Times, median};
use crate::error::Result;
use crate::gpu::{Engine, Recording};
use crate::kernels::Tuning;
use crate::linear_attention::{Inputs, LinearAttention, Options, Shape};
use crate::pretrained::Mixer;
use crate::random::rng::normals;
use crate::reference::linear_attention::{Sequence, Sizes, recurrent};
use serde::{Deserialize, Serialize};

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// B, T, H, D.
    pub shape: [usize; 4],
    /// Which recurrence.
    pub mixer: Mixer,
    /// Queries, keys and values are read in half precision.
    pub half: bool,
    /// Tokens of a chunk, if not the variant's.
    pub chunk: Option<usize>,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Of which mixer.
    pub mixer: String,
    /// B, T, H, D.
    pub shape: [usize; 4],
    /// `f32` or `f16`: what queries, keys and values are read in.
    pub dtype: String,
    /// Tokens of a chunk.
    pub chunk: usize,
    /// Median milliseconds of a forward pass.
    pub forward_ms: f64,
    /// Of a forward and a backward pass.
    pub both_ms: f64,
    /// The same with queries, keys and gates frozen: values alone have a gradient.
    pub values_ms: f64,
    /// 10¹² operations a second of products, forward.
    pub forward_tflops: f64,
    /// Of both.
    pub both_tflops: f64,
    /// Bytes of tensors in and out, forward.
    pub forward_bytes: f64,
    /// Of both.
    pub both_bytes: f64,
    /// Per cent of the nearer roof, forward and both.
    pub roofs: [f64; 2],
    /// Largest difference of outputs from f64, over their root mean square, of one head.
    pub error: f64,
    /// Who else was measured at this shape.
    pub published: Option<Published>,
}

/// A line of somebody's table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Milliseconds forward.
    pub forward_ms: f64,
    /// Forward and backward.
    pub both_ms: f64,
}

/// Where the published lines are from.
pub const SOURCE: &str = "flash-linear-attention (Triton) on an NVIDIA H100 in bf16, as measured by Helion";

/// Shapes of flash-linear-attention's and Helion's tables, with their milliseconds for `linear` and `retention`.
pub const SHAPES: [([usize; 4], [f64; 2], [f64; 2]); 3] = [
    ([4, 2048, 16, 128], [0.148, 1.547], [0.358, 1.225]),
    ([4, 4096, 64, 128], [0.950, 4.530], [1.147, 4.524]),
    ([8, 1024, 8, 64], [0.137, 0.796], [0.316, 1.299]),
];

fn published(asked: &Asked) -> Option<Published> {
    let (_, linear, retention) = SHAPES.iter().find(|(shape, ..)| *shape == asked.shape)?;
    let [forward_ms, both_ms] = match asked.mixer {
        Mixer::Linear => *linear,
        Mixer::Retention => *retention,
        _ => return None,
    };
    Some(Published { forward_ms, both_ms })
}

/// Tensors of a call: normal numbers, keys of length 1, decays of a few per cent.
struct Tensors {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    decay: Option<Vec<f32>>,
    beta: Option<Vec<f32>>,
}

impl Tensors {
    fn new(asked: &Asked) -> Self {
        let [b, t, h, d] = asked.shape;
        let noise = |salt: u32, count: usize, scale: f64| -> Vec<f32> {
            normals(salt, 0, 0, 0xa77e, count).into_iter().map(|x| (x * scale) as f32).collect()
        };
        let rows = b * t * h;
        let mut k = noise(2, rows * d, 1.0);
        for key in k.chunks_mut(d) {
            let length = key.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
            key.iter_mut().for_each(|x| *x /= length);
        }
        let of_head = |i: usize| (-(2f64.powi(-5 - (i % h) as i32))).ln_1p() as f32;
        let decay = match asked.mixer {
            Mixer::Retention => Some((0..rows).map(of_head).collect()),
            Mixer::Gated | Mixer::GatedDelta => {
                Some(noise(4, rows, 1.0).iter().map(|x| -(1.0 + x.exp()).ln() / 16.0).collect())
            }
            _ => None,
        };
        let share = |x: &f32| 1.0 / (1.0 + (-x).exp());
        Tensors {
            q: noise(1, rows * d, 1.0),
            k,
            v: noise(3, rows * d, 1.0),
            decay,
            beta: asked.mixer.replaces().then(|| noise(5, rows, 1.0).iter().map(share).collect()),
        }
    }

    /// Largest difference of the first sequence's first head from f64, over the root mean square of what is expected.
    fn error(&self, out: &[f32], asked: &Asked, half: bool) -> f64 {
        let [_, t, h, d] = asked.shape;
        let kept = |x: f32| f64::from(if half { half::f16::from_f32(x).to_f32() } else { x });
        let of = |all: &[f32], width: usize, round: bool| -> Vec<f64> {
            let row = |row: &[f32]| {
                row[..width]
                    .iter()
                    .map(|x| if round { kept(*x) } else { f64::from(*x) })
                    .collect::<Vec<f64>>()
            };
            all.chunks(h * width).take(t).flat_map(row).collect()
        };
        let (q, k, v) = (of(&self.q, d, true), of(&self.k, d, true), of(&self.v, d, true));
        let [decay, beta] = [&self.decay, &self.beta].map(|all| all.as_ref().map(|all| of(all, 1, false)));
        let expected = recurrent(&Sequence {
            sizes: Sizes { heads: 1, groups: 1, keys: d, values: d },
            q: &q,
            k: &k,
            v: &v,
            decay: decay.as_deref(),
            beta: beta.as_deref(),
            initial: None,
            scale: 1.0 / (d as f64).sqrt(),
            mean: false,
        });
        let own = of(out, d, false);
        let norm = (expected.out.iter().map(|x| x * x).sum::<f64>() / expected.out.len() as f64).sqrt();
        own.iter().zip(&expected.out).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / norm
    }
}

/// Times one shape; `roofs` are FLOP/s and bytes a second at best.
///
/// # Errors
/// Sizes that can't be computed with; a device failure.
pub fn run(asked: &Asked, roofs: [f64; 2], engine: &Engine, tuning: &Tuning) -> Result<Line> {
    let [batch, tokens, heads, dim] = asked.shape;
    let shape = Shape { batch, tokens, heads, groups: heads, keys: dim, values: dim };
    let options = Options {
        decay: asked.mixer.decays(),
        delta: asked.mixer.replaces(),
        chunk: asked.chunk,
        half: asked.half,
        ..Options::default()
    };
    let mut layer = LinearAttention::new(shape, options, engine, tuning)?;
    let tensors = Tensors::new(asked);
    let inputs = Inputs {
        q: &tensors.q,
        k: &tensors.k,
        v: &tensors.v,
        decay: tensors.decay.as_deref(),
        beta: tensors.beta.as_deref(),
        initial: None,
    };
    let output = layer.forward(engine, &inputs)?;
    let error = tensors.error(&output.out, asked, asked.half);
    layer.backward(engine, &output.out, None)?;
    let [forward, backward] = layer.recordings();
    let mut both = forward.clone();
    both.extend(backward.clone());
    let time = |recording: &Recording| -> Result<f64> {
        let times = Times::of(engine, &work(recording.clone()))?;
        Ok(median(&times.wall))
    };
    let frozen = LinearAttention::new(shape, Options { values_alone: true, ..options }, engine, tuning)?;
    let mut values = frozen.recordings()[0].clone();
    values.extend(frozen.recordings()[1].clone());
    let (forward_ms, both_ms, values_ms) = (time(forward)?, time(&both)?, time(&values)?);
    let [flops, more] = layer.flops();
    let wide = if asked.half { 2.0 } else { 4.0 };
    let size = (batch * tokens * heads * dim) as f64;
    let (forward_bytes, both_bytes) = (size * (3.0 * wide + 4.0), size * (7.0 * wide + 16.0));
    let rate = |work: f64, ms: f64| work / (ms * 1e-3);
    let roof = |flops: f64, bytes: f64, ms: f64| {
        100.0 * (rate(flops, ms) / roofs[0]).max(rate(bytes, ms) / roofs[1])
    };
    Ok(Line {
        mixer: asked.mixer.name().into(),
        shape: asked.shape,
        dtype: if asked.half { "f16" } else { "f32" }.into(),
        chunk: asked.chunk.unwrap_or(tuning.chunk),
        forward_ms,
        both_ms,
        values_ms,
        forward_tflops: rate(flops, forward_ms) * 1e-12,
        both_tflops: rate(flops + more, both_ms) * 1e-12,
        forward_bytes,
        both_bytes,
        roofs: [roof(flops, forward_bytes, forward_ms), roof(flops + more, both_bytes, both_ms)],
        error,
        published: published(asked),
    })
}

fn work(recording: Recording) -> Work {
    Work {
        name: "linear attention".into(),
        stems: Vec::new(),
        flops: 0.0,
        bytes: 0.0,
        trained: None,
        optimizer_bytes: None,
        job: Job::Launch(recording),
    }
}
