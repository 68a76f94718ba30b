//! Linear attention without a model: tensors in, tensors and gradients out, on any adapter, held against f64.
//!
//! The gated delta rule over two sequences of 200 tokens; queries, keys and values could be anybody's.

use floe::linear_attention::{Inputs, LinearAttention, Options, Shape};
use floe::reference::linear_attention::{Sequence, Sizes, recurrent};
use floe::{Result, gpu, kernels::Tuning};

/// Numbers without a pattern, in −1 to 1.
fn noise(count: usize, salt: f64) -> Vec<f32> {
    (0..count).map(|i| ((i as f64 * 12.9898 + salt) * 43758.5453).sin() as f32).collect()
}

fn main() -> Result<()> {
    let engine = gpu::open("auto")?;
    let tuning = Tuning::of(engine.adapter());
    let shape = Shape { batch: 2, tokens: 200, heads: 4, groups: 2, keys: 32, values: 64 };
    let rows = shape.batch * shape.tokens;
    let q = noise(rows * 4 * 32, 0.1);
    // Keys of length 1, as the delta rule wants them.
    let mut k = noise(rows * 2 * 32, 0.2);
    for key in k.chunks_mut(32) {
        let length = key.iter().map(|x| x * x).sum::<f32>().sqrt();
        key.iter_mut().for_each(|x| *x /= length);
    }
    let v = noise(rows * 2 * 64, 0.3);
    let decay: Vec<f32> = noise(rows * 4, 0.4).iter().map(|x| -0.1 * x.abs()).collect();
    let beta: Vec<f32> = noise(rows * 4, 0.5).iter().map(|x| x.abs()).collect();

    let options = Options { decay: true, delta: true, ..Options::default() };
    let mut layer = LinearAttention::new(shape, options, &engine, &tuning)?;
    let inputs = Inputs { q: &q, k: &k, v: &v, decay: Some(&decay), beta: Some(&beta), initial: None };
    let output = layer.forward(&engine, &inputs)?;
    let gradients = layer.backward(&engine, &noise(rows * 4 * 64, 0.6), None)?;

    // The first sequence again, a token at a time, in f64.
    let first = |all: &[f32]| all[..all.len() / 2].iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let [q, k, v, decay, beta] = [&q, &k, &v, &decay, &beta].map(|all| first(all));
    let expected = recurrent(&Sequence {
        sizes: Sizes { heads: 4, groups: 2, keys: 32, values: 64 },
        q: &q,
        k: &k,
        v: &v,
        decay: Some(&decay),
        beta: Some(&beta),
        initial: None,
        scale: 1.0 / 32f64.sqrt(),
        mean: false,
    });
    let off =
        expected.out.iter().zip(&output.out).map(|(e, o)| (e - f64::from(*o)).abs()).fold(0.0, f64::max);
    let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
    println!("outputs {:?}, at most {off:.1e} off f64", [2, 200, 4, 64]);
    println!(
        "gradients: |dq| {:.3}, |dk| {:.3}, |dv| {:.3}",
        norm(&gradients.q),
        norm(&gradients.k),
        norm(&gradients.v)
    );
    assert!(off < 1e-4);
    Ok(())
}
