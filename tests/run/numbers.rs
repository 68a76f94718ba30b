//! What a run's numbers are, whatever it is timed by or split for.

use super::*;

#[test]
fn sampled_errors_lie_at_the_exact_risks() {
    let files = ["pretrained", "zs-all"].map(|m| text(paper().join(format!("checkpoints/{m}.safetensors"))));
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("eval.csv");
    let line = "eval --set eval.prompts=20000 --set eval.seeds=2";
    succeed(line, &[&files[..], &out(&csv)].concat());
    let rows = rows(&csv);
    assert_eq!(rows.len(), 2 * 3 * 4);
    for row in &rows {
        let (mean, stderr, exact) = (number(&row[3]), number(&row[4]), number(&row[5]));
        assert!((mean - exact).abs() <= 5.0 * stderr, "{row:?}");
    }
    // Sharp enough to tell the two models apart.
    let (a, b) = (&rows[0], &rows[12]);
    assert!((number(&a[3]) - number(&b[5])).abs() > 5.0 * number(&a[4]), "{a:?} {b:?}");
}

#[test]
fn sampled_errors_lie_at_the_exact_risks_where_the_covariance_has_no_inverse() {
    let dir = tempfile::tempdir().unwrap();
    let (sigma, model, csv) =
        (dir.path().join("s.csv"), dir.path().join("m.safetensors"), dir.path().join("e.csv"));
    std::fs::write(&sigma, "1 -0.5\n-0.5 0.25\n").unwrap();
    let flat = ["--set".to_string(), format!("task.covariance.file={}", sigma.display())];
    succeed("pretrain", &[&tiny("paper")[..], &flat, &out(&model)].concat());
    let line = "eval --set eval.prompts=20000 --set eval.seeds=2";
    succeed(line, &[&[text(&model)][..], &out(&csv)].concat());
    let rows = rows(&csv);
    assert_eq!(rows.len(), 3 * 4);
    for row in &rows {
        let (mean, stderr, exact) = (number(&row[3]), number(&row[4]), number(&row[5]));
        assert!((mean - exact).abs() <= 5.0 * stderr && stderr < 0.05 * exact, "{row:?}");
    }
}

#[test]
fn profiling_changes_no_bit_and_writes_a_trace() {
    let dir = shared("run-profile");
    let said = succeed("run --profile", &[&tiny("paper")[..], &out(&dir)].concat());
    assert_same_run(paper(), &dir);
    let held = |label: &str| {
        said.out.lines().any(|l| l.starts_with(label) && l.trim_end().ends_with(|c: char| c.is_ascii_digit()))
    };
    assert!(["params", "moments", "metrics", "all at a time"].into_iter().all(held), "{}", said.out);
    let trace: serde_json::Value = serde_json::from_str(&read(dir.join("trace.json"))).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert!(events.iter().all(|e| e["ph"] == "X" && e["dur"].as_f64().unwrap() >= 0.0));
    for model in models() {
        let of_phase = |e: &&serde_json::Value| e["cat"] == model;
        let kernels: BTreeSet<&str> =
            events.iter().filter(of_phase).filter_map(|e| e["name"].as_str()).collect();
        // A launch a kernel, or whole steps in one.
        let apart = kernels.contains("prompt_step") && kernels.contains("masked_update");
        assert!(apart || kernels.contains("prompt_train"), "{model}: {kernels:?}");
        let timed = |l: &str| l.starts_with(model) && kernels.iter().any(|kernel| l.contains(kernel));
        assert!(said.out.lines().any(timed), "{}", said.out);
    }
}

#[test]
fn every_variant_runs_and_is_recorded() {
    for variant in ["cpu-lane", "gpu", "gpu-fused"] {
        let dir = shared(&format!("run-{variant}"));
        succeed(&format!("run --variant {variant}"), &[&tiny("paper")[..], &out(&dir)].concat());
        let info: serde_json::Value = serde_json::from_str(&read(dir.join("run.json"))).unwrap();
        assert_eq!(info["variant"]["name"], variant);
        assert_eq!(info["variant"]["chosen"], "flag");
        // Another split sums in another order: the same numbers up to rounding.
        let error = |dir: &Path| number(&rows(&dir.join("eval.csv"))[0][3]);
        assert!((error(&dir) / error(paper()) - 1.0).abs() < 1e-3);
    }
    let none = say("run --variant fast", &tiny("paper"));
    none.refuses(2, &["--variant `fast`", "cpu-lane"]);
}

#[test]
fn a_learning_rate_warms_up_and_then_follows_its_schedule() {
    let dir = shared("run-warmup");
    let sets = [
        "pretrain.optimizer.warmup=10",
        "record.every=1",
        "finetune.optimizer.lr_schedule=linear",
        "finetune.optimizer.warmup=5",
        "methods=[{name=\"own\",loss=\"zs\",train=[\"*\"],optimizer={lr=0.5,warmup=4}},{name=\"all\",loss=\"zs\",train=[\"*\"]}]",
    ];
    let sets = sets.iter().flat_map(|set| ["--set".to_string(), set.to_string()]);
    succeed("run", &[tiny("paper"), sets.collect(), out(&dir).to_vec()].concat());
    let text = read(dir.join("metrics.jsonl"));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rates = |method: &str| -> Vec<f64> {
        lines.iter().filter(|l| l["method"] == method).map(|l| l["lr"].as_f64().unwrap()).collect()
    };
    let near = |found: Vec<f64>, expected: &dyn Fn(f64) -> f64| {
        assert_eq!(found.len(), 20);
        for (t, rate) in found.into_iter().enumerate() {
            assert!((rate - expected(t as f64)).abs() < 1e-12, "step {t}: {rate}");
        }
    };
    near(rates("pretrained"), &|t| 0.01 * (t / 10.0).min(1.0));
    near(rates("all"), &|t| if t < 5.0 { 0.01 * t / 5.0 } else { 0.01 * (19.0 - t) / 14.0 });
    near(rates("own"), &|t| 0.5 * (t / 4.0).min(1.0));
    // Nothing moves at a rate of 0.
    let loss =
        |step: usize| lines.iter().filter(|l| l["method"] == "own").nth(step).unwrap()["grad_norm"].clone();
    assert!(loss(0).as_f64().unwrap() > 0.0);
}
