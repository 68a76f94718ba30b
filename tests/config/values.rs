//! Types and ranges of values.

use super::*;

#[test]
fn types_are_told_with_the_line() {
    for (text, parts) in [
        (
            "seed = 1\nmodel.layers = \"two\"",
            ["a.toml:2:", "`model.layers`: string \"two\", expected a whole number"],
        ),
        ("model.layers = 1.5", ["a.toml:1:", "`model.layers`"]),
        ("model.layers = -1", ["a.toml:1:", "`-1`, expected a whole number, 0 or more"]),
        ("\n\n[task]\nnoise = \"low\"", ["a.toml:4:", "`task.noise`: string \"low\", expected a number"]),
        ("task.kind = \"table\"", ["a.toml:1:", "\"regression\", \"tables\" or \"text\", not \"table\""]),
        ("task.kind = 3", ["a.toml:1:", "not an integer"]),
        ("task = 3", ["a.toml:1:", "`task` is a table"]),
        ("model.qk = \"split\"", ["`model.qk`: no such choice", "`merged` or `separate`"]),
        ("pretrain.optimizer.rule = \"lion\"", ["`pretrain.optimizer.rule`", "`adamw`"]),
        ("pretrain.optimizer.betas = [0.9]", ["`pretrain.optimizer.betas`", "length"]),
        ("pretrain.optimizer.betas = [0.9, 0.9, 0.9]", ["`pretrain.optimizer.betas`", "length"]),
        ("pretrain.optimizer.betas = [\n0.9,\n\"x\"]", ["a.toml:1:", "`pretrain.optimizer.betas`"]),
        ("methods = 1", ["a.toml:1:", "[[methods]]"]),
        ("methods = [1]", ["a.toml:1:", "`methods.#1` is a table"]),
        ("[methods]\nname = \"a\"", ["a.toml:1:", "[[methods]]"]),
        ("[[methods]]\nname = \"a\"\nloss = \"zz\"", ["a.toml:3:", "`methods.a.loss`"]),
        ("[[methods]]\nname = \"a\"\nloss = \"zs\"", ["a.toml:1:", "`methods.a`: a method needs `train`"]),
        ("[[methods]]\nloss = \"zs\"\ntrain = [\"*\"]", ["`methods.#1`: ", "`name`"]),
        ("seed = 1\nmodel = {", ["a.toml:2:", "not valid TOML"]),
        ("seed = 1\nseed = 2", ["a.toml:2:", "not valid TOML"]),
        ("seed = 99999999999999999999", ["a.toml:1:", "64 bits"]),
    ] {
        expect(text, &[], &parts);
    }
}

#[test]
fn values_are_in_range() {
    for set in [
        "model.layers=0",
        "model.heads=0",
        "model.init_std=0",
        "model.init_std=nan",
        "model.init_std=1e300",
        "task.dim=0",
        "task.noise=-0.1",
        "task.noise=nan",
        "task.noise=inf",
        "task.pool=0",
        "task.covariance.diagonal=[1, 2]",
        "task.covariance.diagonal=[1, 1, 1, 1, -1]",
        "task.covariance.diagonal=[0, 0, 0, 0, 0]",
        "task.covariance.diagonal=[1, 1, 1, 1, nan]",
        "task.covariance.file=",
        "pretrain.steps=0",
        "pretrain.batch=0",
        "pretrain.shots=0",
        "finetune.steps=0",
        "finetune.batch=0",
        "finetune.shots=0",
        "pretrain.optimizer.lr=0",
        "pretrain.optimizer.lr=-1",
        "finetune.optimizer.lr=nan",
        "finetune.optimizer.lr=1e-60",
        "pretrain.optimizer.momentum=1",
        "pretrain.optimizer.betas=[0.9, 1]",
        "pretrain.optimizer.betas=[-0.1, 0.9]",
        "finetune.optimizer.betas=[nan, 0.9]",
        "pretrain.optimizer.eps=0",
        "pretrain.optimizer.weight_decay=-1",
        "pretrain.optimizer.clip=-1",
        "eval.prompts=0",
        "eval.seeds=0",
        "eval.shots=9223372036854775807",
        "record.every=0",
        "record.checkpoint_every=0",
        "pretrain.batch=100000000",
        "finetune.shots=1000000",
        "pretrain.batch=9223372036854775807",
        "task.pool=1000000000",
        "model.layers=9223372036854775807",
        "task.dim=9223372036854775807",
        "pretrain.steps=9223372036854775807",
        "methods.a.train=[]",
        "methods.a.steps=0",
        "methods.a.lr=0",
        "methods.a.weight=-1",
        "methods.a.weight=2",
        "methods.a.schedule=linear",
        "methods.a.optimizer.lr=0",
        "methods.a.name=x/y",
        "methods.a.name=.x",
        "methods.a.name=pretrained",
        "methods.a.name=Pretrained",
        "methods.a.name=",
        "methods.a.name=..",
        "methods.a.name=ä",
        // Files of another phase, of another name, or of none on other systems.
        "methods.a.name=x.state",
        "methods.a.name=x.STATE",
        "methods.a.name=.state",
        "methods.a.name=a.",
        "methods.a.name=-a",
        "methods.a.name=a/../b",
        "methods.a.name=a\\b",
        "methods.a.name='a '",
        "methods.a.name=con",
        "methods.a.name=Nul.x",
        "methods.a.name=COM1",
        "methods.a.name=lpt9.a.b",
        "methods.a.name=\"a\\u0000\"",
        "methods.a.name=\"a\\u001b[31m\"",
        "methods.a.name=\"a\\u202e\"",
        concat!(
            "methods.a.name=a23456789012345678901234567890123456789012345678901234567890",
            "12345678901234567890123456789012345678901"
        ),
    ] {
        let key = set.split('=').next().unwrap();
        let key = key
            .strip_prefix("methods.a.")
            .unwrap_or(key)
            .trim_end_matches(".diagonal")
            .trim_end_matches(".file");
        // Sizes may be told of another key that has its part in them.
        let key = if key == "task.dim" || key == "finetune.shots" { "" } else { key };
        expect(&method(""), &[set], &[key]);
    }
    for set in [
        "task.heldout=0",
        "task.heldout=1",
        "task.heldout=nan",
        "task.target_test=0",
        "task.target_test=1.5",
        "task.task_column=",
        "task.target_column=task",
        "task.log1p=['task']",
    ] {
        expect(
            "task.kind = \"tables\"",
            &[set],
            &[set.split('=').next().unwrap(), &format!("override {set}")],
        );
    }
    // What a file says is told with its line, what an override says with the override.
    expect("[model]\n\nheads = 0", &[], &["a.toml:3: `model.heads` is 0"]);
    expect("[model]\nheads = 2", &["model.heads=0"], &["override model.heads=0: `model.heads` is 0"]);
    expect(&(method("") + &method("")), &[], &["a.toml:7:", "`methods.#2.name`", "earlier method"]);
    expect(&(method("") + &method("").replace("\"a\"", "\"A\"")), &[], &["`methods.#2.name`"]);
    expect(&method("lr = 0.1\noptimizer = {}"), &[], &["`methods.a.lr`"]);
    // What was made under such a name before stays readable.
    let old = method("").replace("\"a\"", "\"x.state\"");
    assert!(floe::config::resolve_text("a.toml", &old, &[]).is_err());
    assert_eq!(floe::config::resolve_made("a.toml", &old, &[]).unwrap().methods[0].name, "x.state");
    for name in ["x.states", "state", "console", "com", "com12", "a.con", "A-1_b.c", "nul-1"] {
        assert_eq!(read(&method(""), &[&format!("methods.a.name={name}")]).methods[0].name, name);
    }
}
