//! A frozen element stays bitwise what it was, whatever is trained, by whatever rule; a trained one moves.

use floe::config::{Loss, Model, Optimizer, QueryKey, Rule, Schedule};
use floe::gpu::{self, Engine};
use floe::kernels::{Tuning, VARIANTS};
use floe::models::Step;
use floe::models::prompt::{self, Plan, Start, Stepper};
use floe::params::{ParamTable, Spans, mask};
use floe::prompt::law::{Law, Regression, ThetaLaw};

const RULES: [Rule; 3] = [Rule::Sgd, Rule::Adam, Rule::AdamW];

fn engine() -> Engine {
    gpu::open("auto").unwrap_or_else(|e| panic!("{e}"))
}

fn plan(rule: Rule, loss: Loss, train: Spans) -> Plan {
    let law = Regression { key: 3, dim: 2, noise: 0.3, theta: ThetaLaw::Sphere, factor: None, pool: None };
    Plan {
        law: Law::Regression(law),
        loss,
        weight: 1.0,
        schedule: Schedule::Linear,
        steps: 4,
        batch: 24,
        shots: 3,
        // Weight decay moves every trained element, even one whose gradient is zero.
        optimizer: Optimizer { rule, lr: 0.05, weight_decay: 0.1, ..Optimizer::default() },
        train,
    }
}

/// The arena before and after four steps, one after another in a launch where the device's variant has that; a launch a
/// kernel gives the same.
fn train(engine: &Engine, model: &Model, table: &ParamTable, plan: &Plan) -> (Vec<f32>, Vec<f32>, usize) {
    let before: Vec<f32> = (0..table.len()).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.02 + 0.001).collect();
    let start = Start { params: &before, moments: &[], step: 0 };
    let tuning = Tuning { compile: 0.0, ..Tuning::of(engine.adapter()) };
    let [(after, count), (apart, _)] = [tuning, Tuning { resident: 0.0, ..tuning }].map(|tuning| {
        let stepper = Stepper::new(model, table, plan, start, 4, &tuning);
        stepper.submit(engine, 0, plan.steps).unwrap();
        (stepper.kept(engine).unwrap().remove(0).params, stepper.moment_count)
    });
    assert_eq!(after.len(), apart.len());
    for (i, (a, b)) in after.iter().zip(&apart).enumerate() {
        assert_eq!(*a == before[i], *b == before[i], "element {i} is frozen in both or in none");
        assert!((a - b).abs() < 1e-5, "element {i}: {a}, {b}");
    }
    (before, after, count)
}

fn assert_frozen(name: &str, before: &[f32], after: &[f32], trained: &Spans) {
    assert_eq!(before.len(), after.len(), "{name}");
    let mut listed = vec![false; before.len()];
    trained.elements().for_each(|i| listed[i] = true);
    for (i, (b, a)) in before.iter().zip(after).enumerate() {
        let is_trained = listed[i];
        assert_eq!(b.to_bits() != a.to_bits(), is_trained, "{name}: element {i}: {b} became {a}");
        assert!(a.is_finite(), "{name}: element {i} is {a}");
    }
}

#[test]
fn every_subset_of_tensors_under_every_rule() {
    let engine = engine();
    for (qk, names) in [(QueryKey::Merged, vec!["v", "qk"]), (QueryKey::Separate, vec!["v", "q", "k"])] {
        let model = Model { qk, ..Model::default() };
        let table = prompt::table(&model, 4);
        for subset in 1..1u32 << names.len() {
            let chosen = names.iter().enumerate().filter(|(i, _)| subset >> i & 1 == 1);
            let patterns: Vec<String> = chosen.map(|(_, n)| format!("*.{n}")).collect();
            let trained = mask::resolve(&patterns, &table).unwrap();
            for rule in RULES {
                let loss = if subset % 2 == 0 { Loss::ZsFs } else { Loss::Zs };
                let (before, after, moments) =
                    train(&engine, &model, &table, &plan(rule, loss, trained.clone()));
                assert_frozen(&format!("{qk:?} {patterns:?} {rule:?}"), &before, &after, &trained);
                // Moments have the layout of the trained slice.
                assert_eq!(moments, trained.len() * if rule == Rule::Sgd { 1 } else { 2 });
            }
        }
    }
}

#[test]
fn heads_rows_columns_and_elements_of_two_layers() {
    let engine = engine();
    for qk in [QueryKey::Merged, QueryKey::Separate] {
        let model = Model { layers: 2, heads: 2, qk, ..Model::default() };
        let table = prompt::table(&model, 4);
        let key = if qk == QueryKey::Merged { "qk" } else { "k" };
        for patterns in [
            vec!["layers.0.attn.v[h=1,row=2]".to_string(), format!("layers.1.attn.{key}[col=0..2]")],
            vec!["layers.1.attn.v[h=0,row=-1,col=-1]".to_string()],
            vec!["*".to_string(), "!layers.0.*".to_string(), format!("!*.{key}[h=0]")],
        ] {
            let trained = mask::resolve(&patterns, &table).unwrap();
            for rule in RULES {
                let (before, after, _) =
                    train(&engine, &model, &table, &plan(rule, Loss::ZsFs, trained.clone()));
                assert_frozen(&format!("{qk:?} {patterns:?} {rule:?}"), &before, &after, &trained);
            }
        }
    }
}

#[test]
fn clipping_sees_the_trained_gradient_alone() {
    let engine = engine();
    let model = Model::default();
    let table = prompt::table(&model, 4);
    let norm = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
        let plan = plan(Rule::Sgd, Loss::Fs, mask::resolve(&patterns, &table).unwrap());
        let params: Vec<f32> = (0..table.len()).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.02).collect();
        let start = Start { params: &params, moments: &[], step: 0 };
        let stepper = Stepper::new(&model, &table, &plan, start, 1, &Tuning::of(engine.adapter()));
        stepper.submit(&engine, 0, 1).unwrap();
        engine.read::<f32>(&stepper.ring().buffer).unwrap()[2]
    };
    let (all, v, qk) = (norm(&["*"]), norm(&["*.v"]), norm(&["*.qk"]));
    assert!(v > 0.0 && qk > 0.0);
    assert!((all * all - v * v - qk * qk).abs() < 1e-5 * all * all, "{all} {v} {qk}");
}

#[test]
fn a_frozen_tensor_has_no_place_in_the_gradient() {
    let model = Model::default();
    let table = prompt::table(&model, 7);
    let tuning = VARIANTS.iter().find(|v| v.name == "cpu-lane").unwrap();
    let words = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
        let mut plan = plan(Rule::Sgd, Loss::Fs, mask::resolve(&patterns, &table).unwrap());
        let Law::Regression(law) = &mut plan.law else { unreachable!() };
        law.dim = 5;
        let params = vec![0.1; table.len()];
        let start = Start { params: &params, moments: &[], step: 0 };
        let stepper = Stepper::new(&model, &table, &plan, start, 1, tuning);
        let step = stepper.recording.dispatches().find(|d| d.program.kernel == "prompt_step").unwrap();
        let partials = step
            .resources
            .iter()
            .filter_map(|r| r.view())
            .find(|v| v.buffer().label() == "partials")
            .unwrap();
        partials.bytes() / 4 / 24
    };
    // The last row of V (7) and QK (49), and the two loss sums.
    assert_eq!((words(&["*"]), words(&["*.v"]), words(&["*.qk"])), (58, 9, 51));
}
