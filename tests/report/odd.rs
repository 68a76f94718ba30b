//! Runs that lack something, were resumed, or are not what they seem.

use super::*;

#[test]
fn a_run_without_methods_checkpoints_or_baselines() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = Run::new(temp.path(), Config::default());
    run.errors("pretrained", "target", [1.1, 0.3, 3.0], false);
    run.losses("pretrained", 1.1, 0.3, false, None);
    let dir = run.save(serde_json::json!({}));
    fs::remove_file(dir.join("baselines.csv")).unwrap();
    let html = page(&dir);
    contains(&html, &["A linear-attention model on linear regression", "No fine-tuned model was evaluated"]);
    contains(&html, &["on the target task its error falls"]);
    assert!(!html.contains("What moved in the attention weights") && !html.contains("Pareto"));
}

#[test]
fn a_resumed_run_counts_a_step_once_the_later_time() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = Run::new(temp.path(), Config::default());
    run.errors("pretrained", "target", [1.1, 0.3, 3.0], false);
    for (step, loss) in [(0, 1.0), (50, 0.9), (100, 0.8), (50, 0.75), (100, 0.5)] {
        let line =
            serde_json::json!({"phase": "pretrain", "method": "pretrained", "step": step, "loss": loss});
        writeln!(run.metrics, "{line}").unwrap();
    }
    let data = report::read(&run.save(serde_json::json!({}))).unwrap();
    let steps: Vec<(u64, f64)> = data.curves[0].steps.iter().map(|l| (l.step, l.total)).collect();
    assert_eq!(steps, [(0, 1.0), (50, 0.75), (100, 0.5)]);
}

#[test]
fn what_a_user_wrote_is_shown_as_text() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = Run::new(temp.path(), Config::default());
    run.errors("a<script>b", "target", [1.1, 0.3, 3.0], false);
    run.errors("a<script>b", "fresh & new", [1.1, 0.3, 3.0], false);
    let dir = run.save(serde_json::json!({"description": "<b>bold</b>"}));
    let html = page(&dir);
    assert!(!html.contains("<script") && !html.contains("<b>bold"));
    contains(&html, &["a&lt;script&gt;b", "fresh &amp; new", "&lt;b&gt;bold"]);
}

#[test]
fn what_was_trained_of_which_layers_is_shown() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = Run::new(temp.path(), Config { methods: methods(), ..Config::default() });
    run.errors("zs-v", "target", [1.1, 0.3, 3.0], false);
    run.losses("pretrained", 1.1, 0.3, true, None);
    run.losses("zs-v", 1.1, 0.3, true, None);
    let group = |name: &str, trained: u64| {
        serde_json::json!({"name": name, "matched": u64::from(trained > 0),
        "tensors": 2, "trained": trained, "total": 98})
    };
    run.phases[1]["coverage"] = serde_json::json!({"matched": 1, "tensors": 6, "trained": 49, "total": 294,
        "groups": [group("layers.0", 0), group("layers.1", 0), group("<b>\u{1b}", 49)]});
    let dir = run.save(serde_json::json!({}));
    let html = page(&dir);
    contains(
        &html,
        &["49 of 98<small>in 1 of 6 tensors: layers.0 to layers.1 none, &lt;b&gt;\\u{1b} 49 of 98</small>"],
    );
    // A file from before it was written has the number alone.
    assert_eq!(html.matches(" of 98</td>").count(), 1, "pre-training");
    assert_eq!(report::read(&dir).unwrap().run.phases[0].coverage, None);
}

#[test]
fn errors_name_the_file_the_line_and_the_mend() {
    let temp = tempfile::tempdir().unwrap();
    let message = |dir: &Path| report::write(dir).unwrap_err().to_string();
    let spoil = |file: &str, change: &dyn Fn(String) -> String| {
        let dir = paper(&temp.path().join("run"));
        let path = dir.join(file);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        message(&dir)
    };
    contains(&message(&temp.path().join("none")), &["config.toml", "not found", "floe run"]);
    for file in ["run.json", "metrics.jsonl", "eval.csv"] {
        let dir = paper(&temp.path().join("gone"));
        fs::remove_file(dir.join(file)).unwrap();
        contains(&message(&dir), &[file, "not found"]);
        assert!(!dir.join("report.html").exists());
    }
    let line = spoil("metrics.jsonl", &|t| t.replacen("\"step\":100", "\"step\":\"x\"", 1));
    contains(&line, &["metrics.jsonl: line 3: invalid type", "delete the line"]);
    let row = spoil("eval.csv", &|t| t.replacen("pretrained,target,2,", "pretrained,target,two,", 1));
    contains(&row, &["eval.csv, line 4, column `shots`: `two`"]);
    let mean = spoil("eval.csv", &|t| t + "zs-all,target,3,abc,0.1,\n");
    contains(&mean, &["column `mean`: `abc` is not a number"]);
    contains(
        &spoil("eval.csv", &|t| t + "zs-all,target\n"),
        &["eval.csv: line", "2 fields, the header has 6"],
    );
    contains(&spoil("eval.csv", &|t| t.replacen("shots", "n", 1)), &["line 1: the header is `model,task,n"]);
    contains(&spoil("run.json", &|t| t[..40].to_string()), &["run.json", "line 1"]);
    contains(&spoil("config.toml", &|t| t + "\n[nonsense]\n"), &["config.toml", "nonsense"]);
    let dir = paper(&temp.path().join("bad"));
    fs::write(dir.join("checkpoints/zs-v.safetensors"), b"not a checkpoint").unwrap();
    contains(&message(&dir), &["zs-v.safetensors", "is not a floe checkpoint"]);
}
