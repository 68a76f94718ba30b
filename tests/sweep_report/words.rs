//! What a user wrote, what is wrong with a file, and the command.

use super::*;

#[test]
fn what_a_user_wrote_is_shown_as_text() {
    let temp = tempfile::tempdir().unwrap();
    let axes: [(&str, &[&str]); 1] = [("task.<script>\"&", &["\"<img src=x>\"", "[\"a\", \"b,c\"]"])];
    let mut sweep = Sweep::new(temp.path(), &axes, &["zs-v"]);
    sweep.model("pretrained", &[None], [[1.0, 0.5], [1.0, 0.3]]);
    sweep.model("<b>&\"", &[Some("\"<img src=x>\"")], [[0.1, 0.5], [1.0, 0.3]]);
    sweep.model("<b>&\"", &[Some("[\"a\", \"b,c\"]")], [[0.2, 0.5], [1.0, 0.2]]);
    let dir = sweep.save();
    let html = page(&dir);
    for raw in ["<script", "<img", "<b>&\"", "<b>θ"] {
        assert!(!html.contains(raw), "`{raw}` is not escaped");
    }
    contains(&html, &["&lt;img src=x&gt;", "b,c"]);
    assert!(!figure(&dir, "pareto").contains("<img"));
}

#[test]
fn errors_name_the_file_the_line_and_the_mend() {
    let temp = tempfile::tempdir().unwrap();
    let message = |dir: &Path| {
        let error = report::sweep::write(dir).unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        error.to_string()
    };
    for file in ["sweep.toml", "sweep.json", "summary.csv"] {
        let dir = small(&temp.path().join("gone"), &["0"]);
        fs::remove_file(dir.join(file)).unwrap();
        contains(&message(&dir), &[file, "not found", "floe sweep"]);
        assert!(!dir.join("report.html").exists());
    }
    let spoil = |file: &str, from: &str, to: &str| {
        let dir = small(&temp.path().join("bad"), &["0"]);
        let path = dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        message(&dir)
    };
    let number = spoil("summary.csv", "pretrained,,target,1,1,0.975", "pretrained,,target,1,1,abc");
    contains(&number, &["summary.csv, line 3, column `mean`: `abc` is not a number"]);
    contains(
        &spoil("summary.csv", "shots", "n"),
        &["line 1: the header is `method,finetune.optimizer.lr,task,n"],
    );
    contains(
        &spoil("summary.csv", "pretrained,,target,1,", "pretrained,target,1,"),
        &["line 3: 8 fields, the header has 9"],
    );
    contains(
        &spoil("summary.csv", "finetune.optimizer.lr", "model.heads"),
        &["the axes are `model.heads`, but sweep.json has `finetune.optimizer.lr`"],
    );
    contains(&spoil("sweep.json", "\"wall_s\"", "wall_s"), &["sweep.json", "line 1"]);
    contains(&spoil("sweep.toml", "[sweep]", "[nonsense]\n[sweep]"), &["sweep.toml", "nonsense"]);
}

#[test]
fn the_command_takes_the_directory_of_a_sweep() {
    let temp = tempfile::tempdir().unwrap();
    let dir = small(temp.path(), &["0", "1"]);
    let out = assert_cmd::Command::new(env!("CARGO_BIN_EXE_floe")).arg("report").arg(&dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    contains(&fs::read_to_string(dir.join("report.html")).unwrap(), &["of 4 settings are on the front"]);
}
