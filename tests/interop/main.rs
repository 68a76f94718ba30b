//! `check_torch.py` accepts probes of floe's own reference and rejects altered ones.

use floe::checkpoint::{Checkpoint, Tensor, write};
use floe::reference::transformer::{Weights, backward, forward, merge, merge_backward};
use std::path::Path;
use std::process::{Command, Output};

/// The sizes of a model and a batch, and the loss.
struct Case {
    layers: usize,
    heads: usize,
    width: usize,
    prompts: usize,
    tokens: usize,
    separate: bool,
    /// (w_zs, w_fs).
    weights: [f64; 2],
}

/// Numbers in (-1, 1) that repeat and that f32 holds exactly.
fn numbers(count: usize, seed: usize) -> Vec<f64> {
    let weyl = |i: usize| ((seed + i + 1) as f64 * 0.618_033_988_749_894_9).fract() * 2.0 - 1.0;
    (0..count).map(|i| f64::from(weyl(i) as f32)).collect()
}

fn tensor(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor { shape: shape.to_vec(), data: data.iter().map(|x| *x as f32).collect() }
}

/// The checkpoint and the probe of a case, by the reference.
fn reference(case: &Case) -> (Checkpoint, Checkpoint) {
    let &Case { layers, heads, width, prompts, tokens, separate, weights } = case;
    let size = layers * heads * width * width;
    let (v, q, k) = (numbers(size, 1), numbers(size, 1001), numbers(size, 2001));
    let qk = if separate { merge(&q, &k, width) } else { q.clone() };
    let w = Weights { layers, heads, width, v: &v, qk: &qk };
    let mut batch = numbers(prompts * tokens * width, 3001);
    for (i, token) in batch.chunks_mut(width).enumerate() {
        token[0] = 1.0;
        if i % tokens == tokens - 1 {
            token[width - 1] = 0.0;
        }
    }
    let targets = numbers(prompts, 9001);

    let (mut loss, mut dv, mut dqk) = (0.0, vec![0.0; size], vec![0.0; size]);
    let mut predictions = [Vec::new(), Vec::new()];
    for (prompt, y) in batch.chunks(tokens * width).zip(&targets) {
        let query = &prompt[(tokens - 1) * width..];
        for ((part, weight), predictions) in [query, prompt].into_iter().zip(weights).zip(&mut predictions) {
            let error = forward(&w, part) - y;
            predictions.push(error + y);
            loss += weight * error * error / prompts as f64;
            backward(&w, part, weight * 2.0 * error / prompts as f64, &mut dv, &mut dqk);
        }
    }

    let mut parameters = vec![("v", &v, dv)];
    if separate {
        let (mut dq, mut dk) = (vec![0.0; size], vec![0.0; size]);
        merge_backward(&q, &k, &dqk, &mut dq, &mut dk, width);
        parameters.extend([("q", &q, dq), ("k", &k, dk)]);
    } else {
        parameters.push(("qk", &qk, dqk));
    }
    let (mut checkpoint, mut probe) = (Checkpoint::default(), Checkpoint::default());
    for (short, values, gradient) in &parameters {
        let per_layer = size / layers;
        for layer in 0..layers {
            let (name, range) =
                (format!("layers.{layer}.attn.{short}"), layer * per_layer..(layer + 1) * per_layer);
            let shape = [heads, width, width];
            probe.tensors.insert(format!("grad.{name}"), tensor(&shape, &gradient[range.clone()]));
            checkpoint.tensors.insert(name, tensor(&shape, &values[range]));
        }
    }
    for (name, shape, data) in [
        ("tokens", vec![prompts, tokens, width], &batch),
        ("targets", vec![prompts], &targets),
        ("weights", vec![2], &weights.to_vec()),
        ("loss", vec![1], &vec![loss]),
        ("predictions.zs", vec![prompts], &predictions[0]),
        ("predictions.fs", vec![prompts], &predictions[1]),
    ] {
        probe.tensors.insert(name.into(), tensor(&shape, data));
    }
    (checkpoint, probe)
}

fn check_torch(dir: &Path, checkpoint: &Checkpoint, probe: &Checkpoint) -> Output {
    let python = std::env::var("FLOE_PYTHON")
        .expect("FLOE_PYTHON names a Python with torch and safetensors: FLOE_PYTHON=python3");
    let (model, data) = (dir.join("model.safetensors"), dir.join("probe.safetensors"));
    write(&model, checkpoint).unwrap();
    write(&data, probe).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/check_torch.py");
    Command::new(python).arg(script).args([&model, &data]).args(["--tolerance", "1e-6"]).output().unwrap()
}

#[test]
#[ignore = "needs Python with torch: FLOE_PYTHON=python3 cargo test --test interop -- --ignored"]
fn torch_agrees_with_the_reference_and_not_with_an_altered_number() {
    let dir = tempfile::tempdir().unwrap();
    let one =
        Case { layers: 1, heads: 1, width: 7, prompts: 9, tokens: 21, separate: true, weights: [0.0, 1.0] };
    for case in [
        Case { layers: 2, heads: 3, width: 4, separate: false, weights: [1.0, 0.5], ..one },
        Case { layers: 3, heads: 2, width: 3, tokens: 4, separate: true, weights: [1.0, 0.25], ..one },
        Case { separate: false, weights: [1.0, 0.0], ..one },
    ] {
        let (checkpoint, probe) = reference(&case);
        let output = check_torch(dir.path(), &checkpoint, &probe);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    let (checkpoint, probe) = reference(&one);
    assert_eq!(check_torch(dir.path(), &checkpoint, &probe).status.code(), Some(0));
    for name in ["grad.layers.0.attn.k", "loss", "predictions.fs"] {
        let mut altered = probe.clone();
        let entries = &mut altered.tensors.get_mut(name).unwrap().data;
        *entries.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap() *= 1.001;
        let output = check_torch(dir.path(), &checkpoint, &altered);
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    }
    let mut incomplete = probe.clone();
    incomplete.tensors.remove("tokens");
    assert_eq!(check_torch(dir.path(), &checkpoint, &incomplete).status.code(), Some(2));
}
