use super::*;

const MAX: u32 = 20;
const PRETRAINED: &str = "pretrained";

fn risk(shots: u32, value: f64) -> Risk {
    Risk { shots, value, stderr: value.abs() * 0.002 }
}

fn row(model: &str, task: &str, values: [f64; 2]) -> Row {
    let risks = vec![risk(0, values[0]), risk(MAX, values[1])];
    Row { model: model.into(), task: task.into(), risks }
}

/// Models with [target@0, target@20, fresh@0, fresh@20].
fn run(models: &[(&str, [f64; 4])]) -> Results {
    let mut rows = Vec::new();
    for (model, v) in models {
        rows.push(row(model, "target", [v[0], v[1]]));
        rows.push(row(model, "fresh", [v[2], v[3]]));
    }
    Results {
        base: PRETRAINED.into(),
        models: models.iter().map(|(model, _)| model.to_string()).collect(),
        rows,
        unseen: (!models.is_empty()).then(|| "fresh".into()),
        shots: MAX,
        ..Results::default()
    }
}

fn said(data: &Results) -> String {
    of_run(data).join(" ")
}

const BASE: (&str, [f64; 4]) = (PRETRAINED, [1.103, 0.344, 1.106, 0.346]);

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn the_papers_pattern() {
    let text = said(&run(&[
        BASE,
        ("zs-all", [0.100, 1.399, 2.345, 1.321]),
        ("zs-v", [0.326, 0.348, 2.1, 0.375]),
        ("zs-qk", [0.9, 212.0, 3.0, 240.0]),
    ]));
    has(
        &text,
        &["zs-all has the lowest zero-shot error on the target task, 0.100 (pre-trained: 1.103), but"],
    );
    has(&text, &["the error is 1.321, 3.8 times the pre-trained model's 0.346: in-context learning is lost"]);
    has(&text, &["Of the 3 methods that lower the zero-shot error, zs-v keeps in-context learning best:"]);
    has(
        &text,
        &[
            "0.375, 8 % above the pre-trained model's 0.346",
            "exploded after fine-tuning with zs-qk (up to 240.0)",
        ],
    );
    has(&text, &["learns in context: on tasks not seen its error falls from 1.106", "69 % lower"]);
}

#[test]
fn one_method_that_keeps_everything() {
    let text = said(&run(&[BASE, ("mine", [0.3, 0.34, 1.2, 0.33])]));
    has(&text, &["mine has the lowest", "and with 20 demonstrations", "in-context learning is kept"]);
    has(&text, &["survives the one method that lowers the zero-shot error, mine", "5 % below"]);
    assert!(!text.contains("exploded"));
}

#[test]
fn ties_are_named_together_and_the_worse_cost_is_told() {
    let text = said(&run(&[BASE, ("a", [0.1, 1.0, 2.0, 1.5]), ("b", [0.1001, 0.5, 1.2, 0.5])]));
    has(&text, &["a and b share the lowest", "between 0.500 and 1.500", "4.3 times"]);
    has(&text, &["b keeps in-context learning best, but not whole", "45 % above"]);
}

#[test]
fn a_method_that_helps_nothing() {
    let text = said(&run(&[BASE, ("a", [1.3, 0.4, 1.3, 0.4])]));
    has(&text, &["No method lowers the zero-shot error", "a comes lowest with 1.300, 18 % above"]);
    assert!(!text.contains("keeps in-context"), "{text}");
}

#[test]
fn all_methods_lose_in_context_learning() {
    let text = said(&run(&[BASE, ("a", [0.1, 1.0, 2.0, 1.5]), ("b", [0.2, 1.0, 2.0, 1.2])]));
    has(&text, &["survives none of the 2 methods", "even with b"]);
}

#[test]
fn demonstrations_that_no_longer_help_are_a_loss() {
    let base = (PRETRAINED, [1.333, 0.020, 1.235, 0.015]);
    let text = said(&run(&[base, ("zs", [0.017, 0.5, 0.14, 0.8]), ("fs", [0.028, 0.02, 0.138, 0.094])]));
    has(&text, &["0.800, 53 times the pre-trained model's 0.015: in-context learning is lost"]);
    has(&text, &["fs keeps in-context learning best, but not whole", "48 times lower"]);
    let none = said(&run(&[base, ("a", [0.02, 0.5, 0.14, 0.8]), ("b", [0.03, 0.5, 0.14, 0.15])]));
    has(&none, &["survives none of the 2 methods", "even with b"]);
}

#[test]
fn diverged_models_are_never_called_best() {
    let nan = f64::NAN;
    let text = said(&run(&[BASE, ("bad", [nan; 4]), ("odd", [0.2, f64::INFINITY, 1.0, f64::INFINITY])]));
    has(
        &text,
        &["odd has the lowest", "the error of odd is not finite", "bad (not finite at some shot counts)"],
    );
    let tied = said(&run(&[BASE, ("a", [0.2, 0.3, 1.0, f64::INFINITY]), ("b", [0.2, 0.3, 1.0, 0.7])]));
    has(&tied, &["a and b share", "the error of a is not finite; otherwise it is at worst 2.0 times"]);
    let all = said(&run(&[BASE, ("bad", [nan; 4])]));
    has(&all, &["Every fine-tuned model diverged"]);
    let base = said(&run(&[(PRETRAINED, [nan; 4]), ("a", [0.2, 0.3, 0.4, 0.5])]));
    has(&base, &["The pre-trained model diverged", "a has the lowest zero-shot error"]);
    assert!(!base.contains("learns in context") && !base.contains("is kept"), "{base}");
}

#[test]
fn no_methods_no_learning_no_shots_no_base() {
    has(&said(&run(&[BASE])), &["No fine-tuned model was evaluated", "learns in context"]);
    let flat = said(&run(&[(PRETRAINED, [1.1, 1.1, 1.1, 1.099]), ("a", [0.2, 0.2, 0.2, 1.0])]));
    has(&flat, &["does not learn in context", "1.100 without demonstrations and 1.099 with 20"]);
    assert!(!flat.contains("keeps in-context"), "{flat}");
    let mut zero = run(&[BASE, ("a", [0.2, 0.2, 0.2, 1.0])]);
    zero.rows.iter_mut().for_each(|row| row.risks.truncate(1));
    zero.shots = 0;
    let zero = said(&zero);
    has(&zero, &["a has the lowest zero-shot error", "in-context learning was not measured"]);
    assert!(!zero.contains("demonstrations on tasks"), "{zero}");
    has(&said(&run(&[("a", [0.2, 0.2, 0.2, 1.0])])), &["pre-trained model was not evaluated"]);
    has(&said(&run(&[])), &["No fine-tuned model was evaluated"]);
}

#[test]
fn tables_are_held_against_the_pooled_baseline() {
    let risks = [0.9, 0.6, 0.4, 0.3].iter().enumerate().map(|(i, m)| risk(i as u32 * 2, *m)).collect();
    let mut data = Results {
        rows: vec![Row { model: PRETRAINED.into(), task: "heldout".into(), risks }],
        unseen: Some("heldout".into()),
        shots: 6,
        ..run(&[])
    };
    let pooled =
        |level: f64| Row { model: "pooled".into(), task: "heldout".into(), risks: vec![risk(0, level)] };
    data.references = vec![pooled(0.5)];
    has(
        &said(&data),
        &["beats the pooled least-squares baseline on tasks not seen from 4 demonstrations on"],
    );
    data.references = vec![pooled(0.2)];
    has(&said(&data), &["at no shot count (0.300 against 0.200 with 6 demonstrations)"]);
    data.references = vec![pooled(2.0)];
    has(&said(&data), &["at every shot count"]);
    data.references = vec![pooled(0.5)];
    data.rows[0].risks[3].value = 0.7;
    has(&said(&data), &["only at 4 shots"]);
}

#[test]
fn methods_without_results_are_named() {
    let mut data = run(&[BASE]);
    data.planned = vec!["zs-k".into()];
    has(&said(&data), &["Without results so far: zs-k."]);
}
