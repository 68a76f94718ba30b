//! Whole training steps on the device against the same steps of the f64 reference, prompt by prompt.

use floe::config::{Loss, Model, Optimizer, QueryKey, Rule, Schedule};
use floe::gpu;
use floe::kernels::prompt::Source;
use floe::kernels::{Tuning, VARIANTS};
use floe::models::prompt::{self, Plan, Start, Stepper};
use floe::models::{Kept, Step};
use floe::params::{ParamTable, Spans};
use floe::prompt::law::{Law, Pool, Regression, ThetaLaw};
use floe::reference::prompts::{self, Drawn};
use floe::reference::{masked_update, transformer};

struct Run {
    model: Model,
    plan: Plan,
    table: ParamTable,
    start: Vec<f32>,
}

fn elements(ascending: impl Iterator<Item = usize>) -> Spans {
    ascending.map(|i| i..i + 1).collect()
}

fn run(model: Model, loss: Loss, optimizer: Optimizer, theta: ThetaLaw, pool: Option<Pool>) -> Run {
    let law = Regression { key: 11, dim: 3, noise: 0.3, theta, factor: None, pool };
    let table = prompt::table(&model, 5);
    let plan = Plan {
        law: Law::Regression(law),
        loss,
        weight: 0.8,
        schedule: Schedule::Linear,
        steps: 12,
        batch: 40,
        shots: 4,
        optimizer,
        train: elements((0..table.len()).filter(|i| i % 5 != 0)),
    };
    let start = (0..table.len()).map(|i| ((i * 41 % 29) as f32 - 14.0) * 0.02).collect();
    Run { model, plan, table, start }
}

/// Parameters and each step's zero-shot loss, few-shot loss and gradient norm, by the reference.
fn by_reference(run: &Run, tuning: &Tuning) -> (Vec<f64>, Vec<[f64; 3]>) {
    let (plan, width) = (&run.plan, 5);
    let tensor = run.model.heads * width * width;
    let mut params: Vec<f64> = run.start.iter().map(|&x| x as f64).collect();
    let train: Vec<usize> = plan.train.elements().collect();
    let mut moments = vec![0.0; train.len() * if plan.optimizer.rule == Rule::Sgd { 1 } else { 2 }];
    let mut log = Vec::new();
    let together = Source::new(&plan.law).by_moments(plan.shots, tuning);
    let drawn = if together { Drawn::Moments } else { Drawn::Tokens };
    for t in 0..plan.steps {
        let separate = run.model.qk == QueryKey::Separate;
        let tensors: Vec<&[f64]> = params.chunks(tensor).collect();
        let (mut v, mut qk) = (Vec::new(), Vec::new());
        for layer in tensors.chunks(if separate { 3 } else { 2 }) {
            v.extend_from_slice(layer[0]);
            match layer {
                [_, q, k] => qk.extend(transformer::merge(q, k, width)),
                [_, merged] => qk.extend_from_slice(merged),
                _ => unreachable!(),
            }
        }
        let weights =
            transformer::Weights { layers: run.model.layers, heads: run.model.heads, width, v: &v, qk: &qk };
        let (mut dv, mut dqk, mut losses) = (vec![0.0; v.len()], vec![0.0; qk.len()], [0.0; 2]);
        for prompt in 0..plan.batch as u32 {
            let (tokens, y) = prompts::draw(&plan.law, prompt, t as u32, plan.shots, drawn);
            let query = &tokens[tokens.len() - width..];
            let parts =
                [(plan.loss != Loss::Fs, query, 1.0), (plan.loss != Loss::Zs, &tokens[..], plan.few(t))];
            for (which, (on, tokens, weight)) in parts.into_iter().enumerate() {
                if on {
                    let error = transformer::forward(&weights, tokens) - y;
                    losses[which] += error * error / plan.batch as f64;
                    let dpred = 2.0 * weight * error / plan.batch as f64;
                    transformer::backward(&weights, tokens, dpred, &mut dv, &mut dqk);
                }
            }
        }
        let mut gradient = Vec::new();
        for (l, layer) in tensors.chunks(if separate { 3 } else { 2 }).enumerate() {
            gradient.extend_from_slice(&dv[l * tensor..][..tensor]);
            let dqk = &dqk[l * tensor..][..tensor];
            match layer {
                [_, q, k] => {
                    let (mut dq, mut dk) = (vec![0.0; tensor], vec![0.0; tensor]);
                    transformer::merge_backward(q, k, dqk, &mut dq, &mut dk, width);
                    gradient.extend([dq, dk].concat());
                }
                _ => gradient.extend_from_slice(dqk),
            }
        }
        let trained: Vec<f64> = train.iter().map(|&i| gradient[i]).collect();
        let norm = masked_update::masked_update(
            &plan.optimizer,
            plan.lr(t),
            t,
            &train,
            &trained,
            &mut params,
            &mut moments,
        );
        log.push([losses[0], losses[1], norm]);
    }
    (params, log)
}

#[test]
fn twelve_steps_are_those_of_the_reference() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let sgd = Optimizer { lr: 0.05, clip: 0.5, ..Optimizer::default() };
    let adam =
        Optimizer { rule: Rule::Adam, lr: 0.01, lr_schedule: Schedule::Cosine, ..Optimizer::default() };
    let adamw = Optimizer { rule: Rule::AdamW, weight_decay: 0.05, betas: [0.9, 0.99], ..adam.clone() };
    let merged = Model::default();
    let separate = Model { qk: QueryKey::Separate, heads: 2, ..Model::default() };
    let deep = Model { layers: 2, heads: 2, ..Model::default() };
    let fixed = ThetaLaw::Fixed(vec![0.6, -0.48, 0.64]);
    let pool = Some(Pool { key: 5, size: 1000 });
    // Many steps in a launch however few there are, and a launch or more a step.
    let tuning = Tuning { compile: 0.0, ..Tuning::of(engine.adapter()) };
    // Four shots are drawn one by one, twelve by their moments.
    let long = |mut run: Run| {
        run.plan.shots = 12;
        assert!(Source::new(&run.plan.law).by_moments(12, &tuning));
        run
    };
    for run in [
        run(merged.clone(), Loss::Fs, sgd.clone(), ThetaLaw::Sphere, None),
        run(merged.clone(), Loss::ZsFs, adamw, fixed.clone(), pool),
        run(separate, Loss::ZsFs, adam.clone(), fixed, pool),
        run(deep.clone(), Loss::Fs, sgd.clone(), ThetaLaw::Gaussian, None),
        long(run(merged, Loss::Fs, sgd, ThetaLaw::Sphere, None)),
        long(run(deep, Loss::ZsFs, adam, ThetaLaw::Gaussian, None)),
    ] {
        let (expected, log) = by_reference(&run, &tuning);
        for tuning in [tuning, Tuning { resident: 0.0, ..tuning }] {
            let start = Start { params: &run.start, moments: &[], step: 0 };
            let stepper = Stepper::new(&run.model, &run.table, &run.plan, start, 12, &tuning);
            stepper.submit(&engine, 0, run.plan.steps).unwrap();
            let params = stepper.kept(&engine).unwrap().remove(0).params;
            let metrics: Vec<[f32; 4]> = engine.read(&stepper.ring().buffer).unwrap();
            let moved =
                expected.iter().zip(&run.start).map(|(e, s)| (e - *s as f64).abs()).fold(0.0, f64::max);
            assert!(moved > 0.01, "the steps do something: {moved}");
            assert_eq!((params.len(), metrics.len()), (expected.len(), log.len()));
            for (i, (found, expected)) in params.iter().zip(&expected).enumerate() {
                assert!(
                    (*found as f64 - expected).abs() < 2e-5,
                    "{:?}: parameter {i}: {found}, {expected}",
                    run.model
                );
            }
            for (t, (found, expected)) in metrics.iter().zip(&log).enumerate() {
                for (f, e) in found.iter().zip(expected) {
                    assert!(
                        (*f as f64 - e).abs() < 1e-5 * (1.0 + e.abs()),
                        "step {t}: {found:?}, {expected:?}"
                    );
                }
            }
        }
    }
}

/// Five models with trained sets, rates, clips and loss weights of their own, in groups of several (`cpu`) and of one
/// (`gpu`): each ends where it ends alone.
#[test]
fn models_trained_together_are_those_trained_alone() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    for (rule, qk) in [(Rule::Sgd, QueryKey::Merged), (Rule::Adam, QueryKey::Separate)] {
        let model = Model { qk, ..Model::default() };
        let pool = Some(Pool { key: 5, size: 1000 });
        let theta = ThetaLaw::Fixed(vec![0.6, -0.48, 0.64]);
        let base = run(model, Loss::ZsFs, Optimizer { rule, ..Optimizer::default() }, theta, pool);
        let mut runs = Vec::new();
        for m in 0..5usize {
            let mut plan = base.plan.clone();
            plan.optimizer.lr = 0.01 * (1.0 + m as f64);
            plan.optimizer.clip = 0.2 * m as f64;
            plan.weight = 0.3 * m as f64;
            plan.schedule = if m == 2 { Schedule::Constant } else { Schedule::Linear };
            let kept = |i: &usize| m == 0 || !(i + m).is_multiple_of(4) || (m == 3 && *i < 25);
            plan.train = elements(plan.train.elements().filter(kept));
            let start: Vec<f32> = base.start.iter().map(|x| x * (1.0 + 0.1 * m as f32)).collect();
            runs.push((plan, start));
        }
        for variant in VARIANTS.iter().filter(|v| v.fits(engine.adapter())) {
            let tuning = Tuning { compile: 0.0, ..Tuning::named(variant.name, engine.adapter()).unwrap() };
            let trained = |members: &[&(Plan, Vec<f32>)]| {
                let members: Vec<(&Plan, Start)> = members
                    .iter()
                    .map(|(plan, start)| (plan, Start { params: start, moments: &[], step: 0 }))
                    .collect();
                let stepper = Stepper::together(&base.model, &base.table, &members, 12, &tuning);
                stepper.submit(&engine, 0, base.plan.steps).unwrap();
                let metrics: Vec<[f32; 4]> = engine.read(&stepper.ring().buffer).unwrap();
                let of = |(m, kept): (usize, Kept)| {
                    let losses = metrics[12 * m..12 * (m + 1)].as_flattened().to_vec();
                    [kept.params, kept.moments, losses].concat()
                };
                stepper.kept(&engine).unwrap().into_iter().enumerate().map(of).collect::<Vec<_>>()
            };
            let together = trained(&runs.iter().collect::<Vec<_>>());
            for (m, (run, found)) in runs.iter().zip(&together).enumerate() {
                let alone = &trained(&[run])[0];
                assert_eq!(alone.len(), found.len());
                for (a, b) in alone.iter().zip(found) {
                    assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{}, model {m}: {a}, {b}", variant.name);
                }
            }
            assert!(together.windows(2).all(|w| w[0] != w[1]), "models of their own");
        }
    }
}

#[test]
fn running_twice_gives_the_same_bits_however_steps_are_submitted() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let run = run(Model::default(), Loss::Fs, Optimizer::default(), ThetaLaw::Sphere, None);
    let own = Tuning { compile: 0.0, ..Tuning::of(engine.adapter()) };
    for tuning in [own, Tuning { resident: 0.0, ..own }] {
        let bits = |chunks: &[u64]| {
            let start = Start { params: &run.start, moments: &[], step: 0 };
            let stepper = Stepper::new(&run.model, &run.table, &run.plan, start, 12, &tuning);
            let mut at = 0;
            for &n in chunks {
                stepper.submit(&engine, at, n).unwrap();
                at += n;
            }
            let params: Vec<u32> = engine.read(&stepper.params).unwrap();
            let moments: Vec<u32> = engine.read(&stepper.moments).unwrap();
            (params, moments)
        };
        let whole = bits(&[12]);
        assert_eq!(whole, bits(&[12]));
        assert_eq!(whole, bits(&[1, 4, 7]));
    }
}

#[test]
fn many_steps_run_in_a_launch_only_where_all_of_them_repay_its_compilation() {
    let run = run(Model::default(), Loss::Zs, Optimizer::default(), ThetaLaw::Sphere, None);
    let processor = VARIANTS.iter().find(|v| v.name == "cpu").unwrap();
    let kernel = |steps: u64, start: u64, tuning: &Tuning| {
        let mut plan = run.plan.clone();
        plan.steps = steps;
        let start = Start { params: &run.start, moments: &[], step: start };
        let stepper = Stepper::new(&run.model, &run.table, &plan, start, 1, tuning);
        stepper.recording.dispatches().next().unwrap().program.kernel
    };
    assert_eq!(kernel(20, 0, processor), "prompt_step");
    assert_eq!(kernel(100_000, 0, processor), "prompt_train");
    assert_eq!(kernel(20, 0, &Tuning { compile: 0.0, ..*processor }), "prompt_train");
    // What is resumed behind its last step but one goes on in the form it began with.
    assert_eq!(kernel(100_000, 99_999, processor), "prompt_train");
}
