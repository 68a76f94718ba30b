//! Models with linear attention: logits and gradients against the definition in f64, all at once and a token at a time.

use super::tiny::Tiny;
use super::train::{adamw, batch, hold_slopes, loss, made_by};
use floe::gpu;
use floe::kernels::Tuning;
use floe::models::lm::{Room, Runner, Weights};
use floe::pretrained::{FeatureMap, Mixer, Normaliser, Pretrained};
use std::rc::Rc;

/// Every linear mixer, in both layers, `linear` with each of its options; and one beside softmax attention.
fn models() -> Vec<(String, Tiny)> {
    let linear = Mixer::ALL.into_iter().filter(|(_, mixer)| mixer.is_linear());
    let mut all: Vec<(String, Tiny)> =
        linear.map(|(name, mixer)| (name.to_string(), Tiny::mixing(&[mixer, mixer]))).collect();
    for (name, map) in FeatureMap::ALL {
        let mut model = Tiny::mixing(&[Mixer::Linear]);
        model.decoder.mixing.feature_map = map;
        model.decoder.mixing.normaliser = Normaliser::None;
        all.push((format!("linear, {name}"), model));
    }
    all.push(("hybrid".into(), Tiny::mixing(&[Mixer::GatedDelta, Mixer::Softmax])));
    all
}

fn near(what: &str, found: &[f32], expected: &[f64]) {
    let scale = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() < 2e-4 * scale, "{what}: {f} where {e} is expected, at {i}");
    }
}

#[test]
fn logits_are_those_of_the_definition_at_once_in_parts_and_one_by_one() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    for (name, model) in models() {
        let dir = tempfile::tempdir().unwrap();
        let file = Pretrained::open(&model.hub(&dir.path().join("tiny"), 1, "F32")).unwrap();
        let weights = Rc::new(Weights::load(&file, &engine, &tuning).unwrap());
        let ids: Vec<u32> = (0..83).map(|i| (i * 37 + i * i) % 250).collect();
        let expected = model.logits(&ids);
        let words = model.decoder.vocabulary;
        let mut runner = Runner::new(weights, Room { rows: 83, tokens: 96 }, &tuning);
        let mut all = Vec::new();
        let mut take = |row: &[f32]| {
            all.extend_from_slice(row);
            Ok(())
        };
        runner.logits(&engine, &ids, &mut take).unwrap();
        near(&name, &all, &expected);
        // A beginning, a part of several tokens behind it, and one token after the other.
        runner.rewind(0);
        runner.feed(&engine, &ids[..40]).unwrap();
        let row = runner.feed(&engine, &ids[40..70]).unwrap();
        near(&format!("{name}, in parts"), &row, &expected[69 * words..70 * words]);
        for (at, id) in ids.iter().enumerate().skip(70) {
            let row = runner.feed(&engine, &[*id]).unwrap();
            near(&format!("{name}, token {at}"), &row, &expected[at * words..(at + 1) * words]);
        }
        // A text that begins anew knows nothing of the one before.
        runner.rewind(0);
        let row = runner.feed(&engine, &ids[..1]).unwrap();
        near(&format!("{name}, anew"), &row, &expected[..words]);
    }
}

#[test]
fn gradients_of_linear_attention_are_slopes_of_the_definition() {
    for (name, model) in models() {
        for recompute in [false, true] {
            let mut all = made_by(&model, &["*"], &adamw(1e-3), recompute);
            let batch = batch(model.decoder.vocabulary);
            let found = all.learner.loss(&all.engine, &batch).unwrap();
            assert!((found - loss(&model)).abs() < 1e-5, "{name}: {found} {}", loss(&model));
            all.learner.backward(&all.engine, false).unwrap();
            let names: Vec<String> = all.learner.table().params.iter().map(|p| p.name.clone()).collect();
            let gradients: Vec<Vec<f32>> =
                names.iter().map(|tensor| all.learner.gradient(&all.engine, tensor).unwrap()).collect();
            hold_slopes(&name, &model, names.iter().zip(&gradients));
        }
    }
}

#[test]
fn every_subset_of_projections_has_the_gradients_of_the_whole() {
    let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
    for mixer in [Mixer::Linear, Mixer::Retention, Mixer::Gated, Mixer::Delta, Mixer::GatedDelta] {
        let model = Tiny::mixing(&[mixer]);
        let batch = batch(model.decoder.vocabulary);
        let gradients = |patterns: &[&str]| -> Vec<Vec<f32>> {
            let mut own = made_by(&model, patterns, &adamw(1e-3), false);
            own.learner.loss(&own.engine, &batch).unwrap();
            own.learner.backward(&own.engine, false).unwrap();
            let of = |name: &&str| {
                let name = format!("model.layers.0.self_attn.{name}.weight");
                own.learner.gradient(&own.engine, &name).unwrap()
            };
            names.iter().map(of).collect()
        };
        let whole = gradients(&["*"]);
        for subset in 1..15u32 {
            let chosen: Vec<&str> = (0..4).filter(|i| subset >> i & 1 == 1).map(|i| names[i]).collect();
            let patterns: Vec<String> = chosen.iter().map(|name| format!("*.{name}.weight")).collect();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            for ((name, own), all) in names.iter().zip(gradients(&patterns)).zip(&whole) {
                let scale = all.iter().map(|x| x * x).sum::<f32>().sqrt();
                let expected = if chosen.contains(name) { 1.0 } else { 0.0 };
                let off = own.iter().zip(all).map(|(a, b)| (a - expected * b).abs()).fold(0.0, f32::max);
                assert!(off <= 1e-5 * scale, "{mixer:?}, {chosen:?}: {name} is off by {off} of {scale}");
            }
        }
    }
}

#[test]
fn a_state_that_overflows_is_found_by_layer_and_head() {
    let mut model = Tiny::mixing(&[Mixer::Gated, Mixer::Linear]);
    let batch = batch(model.decoder.vocabulary);
    let sound = made_by(&model, &["*"], &adamw(1e-3), false);
    assert_eq!(sound.learner.unsound(&sound.engine).unwrap(), None);
    for letter in ["k", "v"] {
        let name = format!("model.layers.1.self_attn.{letter}_proj.weight");
        model.weights.get_mut(&name).unwrap().iter_mut().for_each(|w| *w *= 1e22);
    }
    let mut broken = made_by(&model, &["*"], &adamw(1e-3), false);
    assert!(!broken.learner.loss(&broken.engine, &batch).unwrap().is_finite());
    assert_eq!(broken.learner.unsound(&broken.engine).unwrap(), Some([1, 0]));
}
