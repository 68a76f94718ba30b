//! The call: tensors in, tensors and gradients out, against the recurrence in f64, as somebody without a model uses it.

use floe::gpu;
use floe::kernels::Tuning;
use floe::linear_attention::{Gradients, Inputs, LinearAttention, Options, Output, Shape};
use floe::random::rng::normals;
use floe::reference::linear_attention::{self as reference, Sequence, Sizes};

fn noise(salt: u32, count: usize) -> Vec<f32> {
    normals(salt, 0, 0, 0xca11, count).into_iter().map(|x| x as f32).collect()
}

fn wide(all: &[f32]) -> Vec<f64> {
    all.iter().map(|x| f64::from(*x)).collect()
}

struct Given {
    shape: Shape,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    decay: Vec<f32>,
    beta: Vec<f32>,
    initial: Vec<f32>,
    dout: Vec<f32>,
    dstate: Vec<f32>,
}

fn given(shape: Shape) -> Given {
    let Shape { batch, tokens, heads, groups, keys, values } = shape;
    let rows = batch * tokens;
    let mut k = noise(2, rows * groups * keys);
    for key in k.chunks_mut(keys) {
        let length = key.iter().map(|x| x * x).sum::<f32>().sqrt();
        key.iter_mut().for_each(|x| *x /= length);
    }
    Given {
        shape,
        q: noise(1, rows * heads * keys),
        k,
        v: noise(3, rows * groups * values),
        decay: noise(4, rows * heads).iter().map(|x| -0.1 * x.abs()).collect(),
        beta: noise(5, rows * heads).iter().map(|x| 1.0 / (1.0 + x.exp())).collect(),
        initial: noise(6, batch * heads * keys * values),
        dout: noise(7, rows * heads * values),
        dstate: noise(8, batch * heads * keys * values),
    }
}

/// The same in f64: outputs, last states, and gradients in the order of [`Gradients`].
fn expected(given: &Given, options: Options) -> [Vec<f64>; 8] {
    let Shape { batch, heads, groups, keys, values, .. } = given.shape;
    let mut all: [Vec<f64>; 8] = Default::default();
    let part = |data: &[f32], n: usize| wide(&data[n * data.len() / batch..(n + 1) * data.len() / batch]);
    for n in 0..batch {
        let [q, k, v, decay, beta, initial] =
            [&given.q, &given.k, &given.v, &given.decay, &given.beta, &given.initial].map(|x| part(x, n));
        let sequence = Sequence {
            sizes: Sizes { heads, groups, keys, values },
            q: &q,
            k: &k,
            v: &v,
            decay: options.decay.then_some(&decay[..]),
            beta: options.delta.then_some(&beta[..]),
            initial: Some(&initial),
            scale: 1.0 / (keys as f64).sqrt(),
            mean: options.mean,
        };
        let came = reference::recurrent(&sequence);
        let grads = reference::backward(&sequence, &part(&given.dout, n), &part(&given.dstate, n));
        let parts = [came.out, came.state, grads.q, grads.k, grads.v, grads.decay, grads.beta, grads.initial];
        all.iter_mut().zip(parts).for_each(|(to, from)| to.extend(from));
    }
    all
}

fn near(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    let off = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs()).fold(0.0, f64::max);
    assert!(off < 1e-4 * scale, "{what}: {off:.2e} off, of {scale:.2e}");
}

#[test]
fn outputs_states_and_gradients_are_those_of_the_recurrence() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let shape =
        |batch, tokens, heads, groups, keys, values| Shape { batch, tokens, heads, groups, keys, values };
    let options = |decay, delta, mean| Options { decay, delta, mean, ..Options::default() };
    for (shape, options) in [
        (shape(2, 65, 2, 1, 16, 32), options(true, true, false)),
        (shape(1, 1, 1, 1, 64, 16), options(false, true, false)),
        (shape(3, 40, 4, 2, 32, 32), options(true, false, false)),
        (shape(1, 130, 2, 2, 16, 16), options(false, false, true)),
    ] {
        let given = given(shape);
        let want = expected(&given, options);
        let inputs = Inputs {
            q: &given.q,
            k: &given.k,
            v: &given.v,
            decay: options.decay.then_some(&given.decay[..]),
            beta: options.delta.then_some(&given.beta[..]),
            initial: Some(&given.initial),
        };
        for chunk in [None, Some(16)] {
            let options = Options { chunk, ..options };
            let mut layer = LinearAttention::new(shape, options, &engine, &tuning).unwrap();
            let Output { out, state } = layer.forward(&engine, &inputs).unwrap();
            let Gradients { q, k, v, decay, beta, initial } =
                layer.backward(&engine, &given.dout, Some(&given.dstate)).unwrap();
            let what = |part: &str| format!("{part} of {shape:?}, {options:?}");
            let parts = [("out", &out), ("state", &state), ("dq", &q), ("dk", &k), ("dv", &v)];
            for ((name, found), want) in parts.into_iter().zip(&want) {
                near(&what(name), found, want);
            }
            near(&what("dinitial"), &initial, &want[7]);
            decay.iter().for_each(|found| near(&what("ddecay"), found, &want[5]));
            beta.iter().for_each(|found| near(&what("dbeta"), found, &want[6]));
            assert_eq!((decay.is_some(), beta.is_some()), (options.decay, options.delta));
            // Values alone have the same gradient, and nothing else has one.
            let frozen = Options { values_alone: true, ..options };
            let mut frozen = LinearAttention::new(shape, frozen, &engine, &tuning).unwrap();
            assert_eq!(frozen.forward(&engine, &inputs).unwrap().out, out);
            let own = frozen.backward(&engine, &given.dout, Some(&given.dstate)).unwrap();
            near(&what("dv alone"), &own.v, &want[4]);
            assert!(own.q.is_empty() && own.k.is_empty() && own.decay.is_none());
        }
        // Without a first state it is zeros, whatever was there before.
        let mut layer = LinearAttention::new(shape, options, &engine, &tuning).unwrap();
        let fresh = layer.forward(&engine, &Inputs { initial: None, ..inputs }).unwrap();
        layer.forward(&engine, &inputs).unwrap();
        assert_eq!(layer.forward(&engine, &Inputs { initial: None, ..inputs }).unwrap(), fresh);
    }
}

#[test]
fn sizes_that_can_not_be_computed_with_are_one_line() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let good = Shape { batch: 1, tokens: 4, heads: 2, groups: 1, keys: 16, values: 16 };
    for (shape, options, part) in [
        (Shape { keys: 24, ..good }, Options::default(), "K is 24"),
        (Shape { values: 0, ..good }, Options::default(), "V is 0"),
        (Shape { groups: 3, ..good }, Options::default(), "2 query heads"),
        (Shape { tokens: usize::MAX / 2, ..good }, Options::default(), "more than"),
        (Shape { batch: 40_000, ..good }, Options::default(), "65535"),
        (good, Options { chunk: Some(20), ..Options::default() }, "a chunk is 20"),
        (good, Options { chunk: Some(256), ..Options::default() }, "at most 128"),
    ] {
        let wrong =
            LinearAttention::new(shape, options, &engine, &tuning).err().expect("refused").to_string();
        assert!(wrong.contains(part) && wrong.lines().count() == 1, "{part}: {wrong}");
    }
}
