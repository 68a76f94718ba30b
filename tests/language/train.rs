//! Gradients of tiny random models against slopes of the definition in f64, and masks: what is frozen keeps its bits.

use super::tiny::Tiny;
use floe::gpu::{self, Engine};
use floe::kernels::Tuning;
use floe::models::lm::Weights;
use floe::models::lm::table::table;
use floe::models::lm::train::{Batch, Capacity, Learner};
use floe::optim::{Optimizer, Rule};
use floe::params::{Spans, mask};
use floe::pretrained::Pretrained;
use std::rc::Rc;

/// Lengths of the sequences of a batch, and the first of each that counts.
const SEQUENCES: [(usize, usize); 3] = [(9, 1), (21, 13), (2, 1)];

fn sequences(words: usize) -> Vec<Vec<u32>> {
    let ids = |(n, (length, _)): (usize, &(usize, usize))| -> Vec<u32> {
        (0..*length).map(|i| ((i * 37 + n * 101 + i * i) % words) as u32).collect()
    };
    SEQUENCES.iter().enumerate().map(ids).collect()
}

fn batch(words: usize) -> Batch {
    let mut batch = Batch::default();
    for (ids, (_, first)) in sequences(words).iter().zip(SEQUENCES) {
        batch.push(ids, first);
    }
    batch.mean();
    batch
}

/// The same loss in f64.
fn loss(model: &Tiny) -> f64 {
    let all: Vec<f64> = sequences(model.decoder.vocabulary)
        .iter()
        .zip(SEQUENCES)
        .flat_map(|(ids, (_, first))| model.losses(ids)[first - 1..].to_vec())
        .collect();
    all.iter().sum::<f64>() / all.len() as f64
}

struct Made {
    engine: Engine,
    weights: Rc<Weights>,
    learner: Learner,
    trained: Spans,
}

fn made(model: &Tiny, patterns: &[&str], optimizer: &Optimizer) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let file = Pretrained::open(&model.hub(&dir.path().join("tiny"), 1, "F32")).unwrap();
    let weights = Rc::new(Weights::load(&file, &engine, &tuning).unwrap());
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    let trained = mask::resolve(&patterns, &table(file.decoder())).unwrap();
    // More room than the batch takes: what stands behind must not count.
    let room = Capacity { rows: 48, counted: 40 };
    let learner = Learner::new(weights.clone(), &trained, optimizer, room, &engine, &tuning).unwrap();
    Made { engine, weights, learner, trained }
}

fn adamw(lr: f64) -> Optimizer {
    Optimizer { rule: Rule::AdamW, lr, betas: [0.9, 0.999], ..Optimizer::default() }
}

/// Ones and minus ones without a pattern.
fn direction(count: usize, salt: u64) -> Vec<f32> {
    let mut state = salt.wrapping_mul(2685821657736338717) + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        if state >> 62 & 1 == 1 { 1.0 } else { -1.0 }
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn gradients_are_slopes_of_the_definition() {
    for architecture in ["llama", "qwen2"] {
        let model = Tiny::new(architecture);
        let mut all = made(&model, &["*"], &adamw(1e-3));
        let batch = batch(model.decoder.vocabulary);
        let found = all.learner.loss(&all.engine, &batch).unwrap();
        assert!((found - loss(&model)).abs() < 1e-5, "{architecture}: {found} {}", loss(&model));
        all.learner.backward(&all.engine, false).unwrap();
        let names: Vec<String> = all.learner.table().params.iter().map(|p| p.name.clone()).collect();
        let first: Vec<Vec<f32>> =
            names.iter().map(|name| all.learner.gradient(&all.engine, name).unwrap()).collect();
        for (salt, (name, gradient)) in names.iter().zip(&first).enumerate() {
            let along = direction(gradient.len(), salt as u64);
            // Weights have few bits: a step of this size is exact.
            let moved = |sign: f32| {
                let mut other = model.clone();
                let weight = other.weights.get_mut(name).unwrap();
                weight.iter_mut().zip(&along).for_each(|(w, d)| *w += sign * d * 2f32.powi(-14));
                loss(&other)
            };
            let slope = (moved(1.0) - moved(-1.0)) * f64::from(2f32.powi(13));
            let own: f64 = gradient.iter().zip(&along).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            assert!(
                norm > 0.0 && (own - slope).abs() < 2e-4 * norm,
                "{architecture}: {name}: {own} {slope}, norm {norm}"
            );
        }
        // Once more, added to what is there.
        all.learner.loss(&all.engine, &batch).unwrap();
        all.learner.backward(&all.engine, true).unwrap();
        for (name, gradient) in names.iter().zip(&first) {
            let twice = all.learner.gradient(&all.engine, name).unwrap();
            let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            let off = twice.iter().zip(gradient).map(|(a, b)| (a - 2.0 * b).abs()).fold(0.0, f32::max);
            assert!(off <= 1e-5 * norm, "{architecture}: {name}: {off} of {norm}");
        }
    }
}

/// Patterns down to a row of a head, and what has none of the others.
const MASKS: [&[&str]; 9] = [
    &["model.layers.1.self_attn.v_proj.weight[h=1,row=11]"],
    &["model.layers.0.self_attn.q_proj.weight[h=2]"],
    &["model.layers.0.self_attn.o_proj.weight[h=3]"],
    &["*.v_proj.weight"],
    &["*.mlp.down_proj.weight", "model.layers.1.input_layernorm.weight"],
    &["model.embed_tokens.weight[row=101]"],
    &["lm_head.weight"],
    &["model.norm.weight"],
    &["model.layers.1.mlp.up_proj.weight[col=3]", "model.layers.0.self_attn.k_proj.weight[h=0]"],
];

#[test]
fn masks_move_what_they_name_and_nothing_else() {
    let model = Tiny::new("llama");
    let batch = batch(model.decoder.vocabulary);
    let mut whole = made(&model, &["*"], &adamw(1e-3));
    whole.learner.loss(&whole.engine, &batch).unwrap();
    whole.learner.backward(&whole.engine, false).unwrap();
    for patterns in MASKS {
        let mut own = made(&model, patterns, &adamw(1e-2));
        own.learner.loss(&own.engine, &batch).unwrap();
        own.learner.backward(&own.engine, false).unwrap();
        let norm = own.learner.step(&own.engine, 0, 1e-2).unwrap();
        let (mut squares, mut moved) = (0.0, 0);
        for param in &own.learner.table().params {
            let gradient = own.learner.gradient(&own.engine, &param.name).unwrap();
            let expected = whole.learner.gradient(&whole.engine, &param.name).unwrap();
            let scale = expected.iter().map(|g| g * g).sum::<f32>().sqrt();
            let after = own.weights.read(&own.engine, &param.name).unwrap();
            for (i, before) in model.weights[&param.name].iter().enumerate() {
                if !own.trained.contains(param.offset + i) {
                    assert_eq!(after[i].to_bits(), before.to_bits(), "{patterns:?}: {}, {i}", param.name);
                    continue;
                }
                assert!(
                    (gradient[i] - expected[i]).abs() <= 1e-5 * scale,
                    "{patterns:?}: {}, {i}",
                    param.name
                );
                squares += f64::from(gradient[i]).powi(2);
                // Adam's first step is the rate, whatever the gradient.
                let step = f64::from(after[i]) - f64::from(*before);
                if expected[i].abs() > 1e-4 * scale {
                    assert!((step.abs() - 1e-2).abs() < 1e-5, "{patterns:?}: {}, {i}: {step}", param.name);
                }
                moved += usize::from(step != 0.0);
            }
        }
        assert!(moved > 0, "{patterns:?}");
        assert!(
            (f64::from(norm) / squares.sqrt() - 1.0).abs() < 1e-5,
            "{patterns:?}: {norm} {}",
            squares.sqrt()
        );
    }
}

#[test]
fn training_lowers_the_loss_and_repeats_to_the_bit() {
    let model = Tiny::new("qwen2");
    let run = || {
        let mut all = made(&model, &["*.self_attn.*", "*.bias"], &adamw(1e-2));
        let batch = batch(model.decoder.vocabulary);
        let step = |step: u64| {
            let loss = all.learner.loss(&all.engine, &batch).unwrap();
            all.learner.backward(&all.engine, false).unwrap();
            all.learner.step(&all.engine, step, 1e-2).unwrap();
            loss
        };
        (0..12).map(step).collect::<Vec<f64>>()
    };
    let losses = run();
    assert!(losses[11] < 0.7 * losses[0], "{losses:?}");
    assert_eq!(losses, run());
}
