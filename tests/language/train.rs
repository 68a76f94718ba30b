//! Gradients of tiny random models against slopes of the definition in f64, and masks: what is frozen keeps its bits.

use super::tiny::Tiny;
use floe::gpu::{self, Engine};
use floe::kernels::Tuning;
use floe::models::learn::{Batch, Capacity, Learner, Training};
use floe::models::lm::Weights;
use floe::models::lm::table::table;
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

pub fn batch(words: usize) -> Batch {
    let mut batch = Batch::default();
    for (ids, (_, first)) in sequences(words).iter().zip(SEQUENCES) {
        batch.push(ids, first);
    }
    batch.mean();
    batch
}

/// The same loss in f64.
pub fn loss(model: &Tiny) -> f64 {
    let all: Vec<f64> = sequences(model.decoder.vocabulary)
        .iter()
        .zip(SEQUENCES)
        .flat_map(|(ids, (_, first))| model.losses(ids)[first - 1..].to_vec())
        .collect();
    all.iter().sum::<f64>() / all.len() as f64
}

pub struct Made {
    pub engine: Engine,
    weights: Rc<Weights>,
    pub learner: Learner,
    trained: Spans,
}

fn made(model: &Tiny, patterns: &[&str], optimizer: &Optimizer) -> Made {
    made_by(model, patterns, optimizer, false)
}

pub fn made_by(model: &Tiny, patterns: &[&str], optimizer: &Optimizer, recompute: bool) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let file = Pretrained::open(&model.hub(&dir.path().join("tiny"), 1, "F32")).unwrap();
    let weights = Rc::new(Weights::load(&file, &engine, &tuning).unwrap());
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    let trained = mask::resolve(&patterns, &table(file.decoder())).unwrap();
    // More room than the batch takes: what stands behind must not count.
    let room = Capacity { counted: 40, ..Capacity::any(48) };
    let groups = [(trained.clone(), optimizer.clone())];
    let training = Training { groups: &groups, room, recompute, dropout: 0.0 };
    let learner = Learner::new(weights.clone(), &training, &engine, &tuning).unwrap();
    Made { engine, weights, learner, trained }
}

pub fn adamw(lr: f64) -> Optimizer {
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

/// Holds that gradients by name are the slopes of the definition's loss.
pub fn hold_slopes<'a>(
    what: &str,
    model: &Tiny,
    gradients: impl Iterator<Item = (&'a String, &'a Vec<f32>)>,
) {
    for (salt, (name, gradient)) in gradients.enumerate() {
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
            "{what}: {name}: {own} {slope}, norm {norm}"
        );
    }
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
        hold_slopes(architecture, &model, names.iter().zip(&first));
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
        let norm = own.learner.step(&own.engine, 0, 1.0).unwrap();
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
            all.learner.step(&all.engine, step, 1.0).unwrap();
            loss
        };
        (0..12).map(step).collect::<Vec<f64>>()
    };
    let losses = run();
    assert!(losses[11] < 0.7 * losses[0], "{losses:?}");
    assert_eq!(losses, run());
}

#[test]
fn layers_that_are_computed_again_give_the_same_bits() {
    for architecture in ["llama", "qwen2"] {
        let model = Tiny::new(architecture);
        let batch = batch(model.decoder.vocabulary);
        for patterns in [&["*"][..], &["model.layers.0.self_attn.v_proj.weight"], &["*.mlp.down_proj.weight"]]
        {
            let [kept, again] = [false, true].map(|recompute| {
                let mut all = made_by(&model, patterns, &adamw(1e-3), recompute);
                let loss = all.learner.loss(&all.engine, &batch).unwrap();
                all.learner.backward(&all.engine, false).unwrap();
                let names: Vec<String> = all.learner.table().params.iter().map(|p| p.name.clone()).collect();
                let of = |name: &String| all.learner.gradient(&all.engine, name).unwrap();
                (loss, names.iter().map(of).collect::<Vec<_>>())
            });
            assert_eq!(kept, again, "{architecture}: {patterns:?}");
        }
    }
}

#[test]
fn groups_have_rates_and_decays_of_their_own() {
    let model = Tiny::new("llama");
    let batch = batch(model.decoder.vocabulary);
    let mut all = made(&model, &["*"], &adamw(1e-3));
    let table = all.learner.table().clone();
    let of = |pattern: &str| mask::resolve(&[pattern.to_string()], &table).unwrap();
    // Rows and tensors; what no group names is the first one's.
    let decayed = Optimizer { weight_decay: 0.5, ..adamw(2e-3) };
    let (own, still) = (of("*.v_proj.weight[h=1]"), of("*norm*"));
    let rest = Spans::all(table.len()).without(&own).without(&still);
    let groups = [(rest, adamw(1e-3)), (own.clone(), decayed), (still.clone(), adamw(0.0))];
    let room = Capacity { counted: 40, ..Capacity::any(48) };
    let training = Training { groups: &groups, room, recompute: false, dropout: 0.0 };
    let tuning = Tuning::of(all.engine.adapter());
    all.learner = Learner::new(all.weights.clone(), &training, &all.engine, &tuning).unwrap();
    all.learner.loss(&all.engine, &batch).unwrap();
    all.learner.backward(&all.engine, false).unwrap();
    all.learner.step(&all.engine, 0, 0.5).unwrap();
    for param in &table.params {
        let after = all.weights.read(&all.engine, &param.name).unwrap();
        let gradient = all.learner.gradient(&all.engine, &param.name).unwrap();
        for (i, before) in model.weights[&param.name].iter().enumerate() {
            let element = param.offset + i;
            let (rate, decay) = match () {
                () if own.contains(element) => (1e-3, 0.5),
                () if still.contains(element) => (0.0, 0.0),
                () => (5e-4, 0.0),
            };
            // Where ε is nothing beside the gradient, Adam's first step is the rate.
            if gradient[i].abs() > 1e-4 {
                let expected = -rate * (f64::from(gradient[i].signum()) + decay * f64::from(*before));
                let step = f64::from(after[i]) - f64::from(*before);
                assert!((step - expected).abs() < 2e-6, "{}, {i}: {step} {expected}", param.name);
            }
        }
    }
    // Two groups in a vec4 are none that a block can have.
    let halves = [of("model.norm.weight[col=0..2]"), of("model.norm.weight[col=2..4]")];
    let groups = halves.map(|own| (own, adamw(1e-3)));
    let training = Training { groups: &groups, ..training };
    let refused =
        Learner::new(all.weights.clone(), &training, &all.engine, &tuning).err().unwrap().to_string();
    assert!(refused.contains("groups of parameters"), "{refused}");
}
