//! Adapters of tiny random models: what they compute is what merged weights compute, and their gradients follow from those.

use super::tiny::Tiny;
use floe::gpu::{self, Engine};
use floe::kernels::Tuning;
use floe::models::learn::{Batch, Capacity, Learner, Training, trainable};
use floe::models::lm::adapter::{Adapter, module, reached};
use floe::models::lm::table::table;
use floe::models::lm::{Room, Runner, Weights};
use floe::optim::{Optimizer, Rule};
use floe::params::Spans;
use floe::pretrained::Pretrained;
use floe::reference::matmul::{Form, matmul};
use std::rc::Rc;

const RANK: usize = 5;
const SCALE: f64 = 1.75;

fn batch(words: usize) -> Batch {
    let mut batch = Batch::default();
    for (length, first) in [(9, 1), (21, 13)] {
        let ids: Vec<u32> = (0..length).map(|i| ((i * 37 + i * i) % words) as u32).collect();
        batch.push(&ids, first);
    }
    batch.mean();
    batch
}

fn optimizer() -> Optimizer {
    Optimizer { rule: Rule::AdamW, lr: 1e-2, betas: [0.9, 0.999], ..Optimizer::default() }
}

struct Made {
    engine: Engine,
    learner: Learner,
}

/// A learner of all of a model, or of its adapter, whose numbers are given.
fn made(model: &Tiny, targets: &[&str], dropout: f64) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let file = Pretrained::open(&model.hub(&dir.path().join("tiny"), 1, "F32")).unwrap();
    let mut weights = Weights::load(&file, &engine, &tuning).unwrap();
    if !targets.is_empty() {
        let targets: Vec<String> = targets.iter().map(|target| target.to_string()).collect();
        let names = reached(&targets, &table(file.decoder())).unwrap();
        let adapter = Adapter { rank: RANK, scale: SCALE, weights: names };
        weights.adapt(&adapter, engine.adapter().storage_bytes, &tuning);
        let own = weights.adapter_table().unwrap();
        weights.begin(&own, 3, &engine).unwrap();
        for (i, param) in own.params.iter().enumerate() {
            let number = |at: usize| ((at * 7919 + i * 104729) % 256) as f32 / 512.0 - 0.25;
            weights.write(&engine, &param.name, &(0..param.len()).map(number).collect::<Vec<_>>()).unwrap();
        }
    }
    let trained = Spans::all(trainable(&weights).len());
    let groups = [(trained, optimizer())];
    let room = Capacity { counted: 20, ..Capacity::any(32) };
    let training = Training { groups: &groups, room, recompute: false, dropout };
    let learner = Learner::new(Rc::new(weights), &training, &engine, &tuning).unwrap();
    Made { engine, learner }
}

fn wide(data: &[f32]) -> Vec<f64> {
    data.iter().map(|x| f64::from(*x)).collect()
}

/// An adapted weight's name, A, B and the sizes.
type Pair = (String, Vec<f64>, Vec<f64>, [usize; 2]);

fn pairs(made: &Made) -> Vec<Pair> {
    let table = made.learner.table();
    let read = |name: &str| wide(&made.learner.weights().read(&made.engine, name).unwrap());
    let a = table.params.iter().filter(|param| param.name.ends_with("lora_A.weight"));
    a.map(|a| {
        let name = a.name.trim_end_matches(".lora_A.weight").to_string();
        let b = table.get(&format!("{name}.lora_B.weight")).unwrap();
        (name, read(&a.name), read(&b.name), [b.shape[0], a.shape[1]])
    })
    .collect()
}

const ALL: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

#[test]
fn an_adapter_is_what_it_makes_of_the_weights() {
    let model = Tiny::new("qwen2");
    for targets in [&ALL[..], &["v_proj"], &["model.layers.1.*"]] {
        let mut own = made(&model, targets, 0.0);
        let mut merged = model.clone();
        let pairs = pairs(&own);
        assert_eq!(
            pairs.len(),
            if targets[0] == "v_proj" {
                2
            } else {
                targets.len().max(7) * [1, 2][usize::from(targets.len() == 7)]
            }
        );
        for (name, a, b, [out, inn]) in &pairs {
            let added = matmul(Form::Nn, b, a, [*out, *inn, RANK]);
            let weight = merged.weights.get_mut(&format!("{name}.weight")).unwrap();
            weight.iter_mut().zip(&added).for_each(|(w, add)| *w = (f64::from(*w) + SCALE * add) as f32);
        }
        let mut whole = made(&merged, &[], 0.0);
        let batch = batch(model.decoder.vocabulary);
        let losses = [&mut own, &mut whole].map(|made| {
            let loss = made.learner.loss(&made.engine, &batch).unwrap();
            made.learner.backward(&made.engine, false).unwrap();
            loss
        });
        assert!((losses[0] - losses[1]).abs() < 2e-5, "{losses:?}");
        for (name, a, b, [out, inn]) in &pairs {
            let dw = wide(&whole.learner.gradient(&whole.engine, &format!("{name}.weight")).unwrap());
            let expected = [
                ("A", matmul(Form::Tn, b, &dw, [RANK, *inn, *out])),
                ("B", matmul(Form::Nt, &dw, a, [*out, RANK, *inn])),
            ];
            for (letter, expected) in expected {
                let found =
                    own.learner.gradient(&own.engine, &format!("{name}.lora_{letter}.weight")).unwrap();
                let norm = expected.iter().map(|x| x * x).sum::<f64>().sqrt() * SCALE;
                let off = found
                    .iter()
                    .zip(&expected)
                    .map(|(x, y)| (f64::from(*x) - SCALE * y).abs())
                    .fold(0.0, f64::max);
                assert!(norm > 0.0 && off < 2e-5 * norm, "{name} {letter}: {off} of {norm}");
            }
        }
        // Fed token by token it says the same.
        let ids: Vec<u32> = (0..7).map(|i| i * 31 % 250).collect();
        let logits = [&own, &whole].map(|made| {
            let tuning = Tuning::of(made.engine.adapter());
            let mut runner =
                Runner::new(made.learner.weights().clone(), Room { rows: 4, tokens: 16 }, &tuning);
            runner.feed(&made.engine, &ids).unwrap();
            runner.feed(&made.engine, &[9]).unwrap()
        });
        let off = logits[0].iter().zip(&logits[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-4, "{off}");
    }
}

#[test]
fn only_the_adapter_moves_and_the_loss_falls() {
    let model = Tiny::new("llama");
    let batch = batch(model.decoder.vocabulary);
    for dropout in [0.0, 0.25] {
        let run = || {
            let mut own = made(&model, &["q_proj", "down_proj"], dropout);
            let step = |step: u64| {
                let loss = own.learner.loss_of_draw(&own.engine, &batch, step as u32, 5).unwrap();
                own.learner.backward(&own.engine, false).unwrap();
                own.learner.step(&own.engine, step, 1.0).unwrap();
                loss
            };
            let losses: Vec<f64> = (0..12).map(step).collect();
            for (name, before) in &model.weights {
                let after = own.learner.weights().read(&own.engine, name).unwrap();
                assert!(after.iter().zip(before).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
            }
            (losses, own.learner.loss(&own.engine, &batch).unwrap())
        };
        let (losses, end) = run();
        assert!(end < 0.8 * losses[0], "{losses:?} {end}");
        assert_eq!(run(), (losses, end));
    }
}

#[test]
fn with_dropout_the_gradient_is_that_of_what_was_drawn() {
    let model = Tiny::new("llama");
    let batch = batch(model.decoder.vocabulary);
    let mut own = made(&model, &ALL, 0.25);
    let draws = [0, 1, 0].map(|draw| own.learner.loss_of_draw(&own.engine, &batch, draw, 5).unwrap());
    assert!(draws[0] == draws[2] && draws[0] != draws[1], "{draws:?}");
    own.learner.backward(&own.engine, false).unwrap();
    let params = own.learner.table().params.clone();
    for (i, param) in params.iter().enumerate() {
        let gradient = own.learner.gradient(&own.engine, &param.name).unwrap();
        let before = own.learner.weights().read(&own.engine, &param.name).unwrap();
        let along: Vec<f32> = gradient.iter().map(|g| g.signum()).collect();
        let step = 2f32.powi(-12);
        let mut at = |sign: f32| {
            let moved: Vec<f32> = before.iter().zip(&along).map(|(x, d)| x + sign * step * d).collect();
            own.learner.weights().write(&own.engine, &param.name, &moved).unwrap();
            own.learner.loss_of_draw(&own.engine, &batch, 0, 5).unwrap()
        };
        let slope = (at(1.0) - at(-1.0)) / f64::from(2.0 * step);
        own.learner.weights().write(&own.engine, &param.name, &before).unwrap();
        let expected: f64 = gradient.iter().map(|g| f64::from(g.abs())).sum();
        assert!((slope / expected - 1.0).abs() < 0.02, "{i} {}: {slope} {expected}", param.name);
    }
}

#[test]
fn a_target_that_is_no_linear_map_is_named() {
    let table = table(&Tiny::new("llama").decoder);
    let told = |target: &str| reached(&[target.to_string()], &table).unwrap_err().to_string();
    for target in [
        "w_proj",
        "*.x",
        "model.layers.9.*",
        "model.norm.weight",
        "embed_tokens",
        "lm_head",
        "*.q_proj.weight[h=0]",
    ] {
        let told = told(target);
        assert!(told.contains("lora target") && told.contains("q_proj, k_proj, v_proj"), "{target}: {told}");
    }
    let both = ["v_proj".to_string(), "*norm*".to_string()];
    let told = reached(&both, &table).unwrap_err().to_string();
    assert!(told.contains("lora target `*norm*`"), "{told}");
    let names = |target: &str| reached(&[target.to_string()], &table).unwrap();
    assert_eq!(names("v_proj").len(), 2);
    assert_eq!(names("model.layers.0.*").len(), 7);
    assert_eq!(names("*").len(), 14);
    assert_eq!(module(&names("v_proj")[0]), "model.layers.0.self_attn.v_proj");
}
