//! A published model, SmolLM2-135M-Instruct, read and run: its numbers beside those of PyTorch. Fails where the file is not
//! there, with the command that fetches it.

mod model;
mod train;

use floe::gpu;
use floe::kernels::Tuning;
use floe::models::lm::{Room, Runner, Weights};
use floe::pretrained::Pretrained;
use model::{Reference, path};
use std::rc::Rc;

#[test]
fn tensors_are_those_that_pytorch_reads() {
    let model = Pretrained::open(&path()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(model.tensors().len(), 272);
    let reference = Reference::read();
    for (short, expected) in &reference.weights {
        let name = match short.split_once('.') {
            None => "model.embed_tokens.weight".to_string(),
            Some((layer, part)) => {
                let block = if "qkvo".contains(part) { "self_attn" } else { "mlp" };
                format!("model.layers.{layer}.{block}.{part}_proj.weight")
            }
        };
        let (mut sum, mut size, mut all) = (0.0, 0.0, Vec::new());
        model
            .read(&name, |piece| {
                sum += piece.iter().map(|x| f64::from(*x)).sum::<f64>();
                size += piece.iter().map(|x| f64::from(x.abs())).sum::<f64>();
                all.extend_from_slice(piece);
                Ok(())
            })
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(all.len(), expected.shape.iter().product::<usize>(), "{name}");
        assert_eq!(all[..8], expected.first8, "{name}");
        assert_eq!(all[all.len() - 4..], expected.last4, "{name}");
        assert!((sum - expected.sum).abs() < 1e-6 * expected.abs_sum, "{name}: {sum} {}", expected.sum);
        assert!((size / expected.abs_sum - 1.0).abs() < 1e-9, "{name}: {size} {}", expected.abs_sum);
    }
}

#[test]
fn texts_have_the_tokens_that_they_were_trained_with() {
    let model = Pretrained::open(&path()).unwrap_or_else(|e| panic!("{e}"));
    let tokenizer = model.tokenizer().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((tokenizer.len(), model.start(), model.ends()), (49_152, None, vec![2]));
    let reference = Reference::read();
    assert_eq!(reference.tokenizer.len(), 59);
    for case in &reference.tokenizer {
        let ids = tokenizer.encode(&case.text).unwrap();
        assert_eq!(ids, case.ids, "{:?}", case.text);
        let special = ids.iter().any(|id| tokenizer.bytes(*id).is_none());
        let bytes: Vec<u8> = ids.iter().filter_map(|id| tokenizer.bytes(*id)).flatten().collect();
        assert!(special || bytes == case.text.as_bytes(), "{:?}", case.text);
    }
}

#[test]
fn logits_are_pytorchs() {
    let model = Pretrained::open(&path()).unwrap_or_else(|e| panic!("{e}"));
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let weights = Rc::new(Weights::load(&model, &engine, &tuning).unwrap());
    let mut runner = Runner::new(weights, Room { rows: 64, tokens: 128 }, &tuning);
    for prompt in &Reference::read().prompts {
        let mut all: Vec<Vec<f32>> = Vec::new();
        runner
            .logits(&engine, &prompt.ids, |row| {
                all.push(row.to_vec());
                Ok(())
            })
            .unwrap();
        prompt.hold(&all);
        // The same by the cache: some tokens first, then one at a time.
        runner.rewind(0);
        let first = prompt.ids.len() / 2;
        let mut last = runner.feed(&engine, &prompt.ids[..first]).unwrap();
        for id in &prompt.ids[first..] {
            last = runner.feed(&engine, &[*id]).unwrap();
        }
        let far = last.iter().zip(&all[all.len() - 1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 2e-4, "{}: {far}", prompt.prompt);
        let losses = runner.losses(&engine, &prompt.ids).unwrap();
        for (loss, expected) in losses.iter().zip(&prompt.nll_next) {
            assert!((loss - expected).abs() < 1e-3, "{}: {loss} {expected}", prompt.prompt);
        }
    }
}
