//! Healthy inputs that all damage starts from.

use floe::config::PRESETS;
use floe::store::checkpoint::{self, Checkpoint, Tensor};
use std::fmt::Write;

/// Experiment files: the presets, and one that uses what they do not.
pub fn experiments() -> Vec<Vec<u8>> {
    let own = SWEEP.as_bytes().to_vec();
    PRESETS.iter().map(|preset| preset.toml.as_bytes().to_vec()).chain([own]).collect()
}

/// A sweep of a small experiment with every kind of value.
pub const SWEEP: &str = r#"
seed = 3
task = { kind = "regression", dim = 2, noise = 1e-2, theta = "gaussian", covariance = { diagonal = [1.0, 2.5] } }
[model]
layers = 2
heads = 2
qk = "separate"
[pretrain]
steps = 20
batch = 64
shots = 3
optimizer = { rule = "adamw", lr = 0.01, betas = [0.9, 0.99], weight_decay = 0.1, clip = 1.0 }
[record]
every = 5
checkpoint_every = 8
[[methods]]
name = "zsfs-v"
loss = "zs+fs"
train = ["*.v", "!*[h=1,row=-1]"]
schedule = "linear"
weight = 0.5
lr = 3e-3
[[methods]]
name = "v.qk"
loss = "zs"
train = ["layers.*.attn.q", "*.k[row=0..2,col=1]"]
steps = 7
[sweep]
seed = [0, 1, 2]
"finetune.optimizer.lr" = [0.003, 0.01]
methods.zsfs-v.train = [["*"], ["*.v"]]
only = ["zsfs-v", "v.qk"]
"#;

/// `--set`s that are right.
pub const SETS: &[&str] = &[
    "seed=5",
    "model.heads=2",
    "task.dim = 3",
    "task.kind=tables",
    "task.path=x.csv",
    "task.log1p=[\"a\", 'b']",
    "task.covariance={ diagonal = [1.0, 2.0] }",
    "task.covariance.file=c.csv",
    "pretrain.optimizer.rule=adam",
    "methods=[]",
    "methods.zs-v.lr=0.1",
    "methods.zs-v.train=[\"*.v\"]",
    "sweep={}",
    "sweep.seed=[0,1]",
    "sweep.finetune.optimizer.lr=[0.1, 0.2]",
    "sweep.only=[\"zs-v\"]",
    "eval.shots=3",
];

pub const PATTERNS: &[&str] = &[
    "*",
    "*.v",
    "layers.*.attn.qk",
    "layers.0.attn.v[row=-1]",
    "*[h=0,row=-1,col=1..3]",
    "!*.v[row=..2]",
    "*[col=-2..]",
];

/// Five tasks of twelve rows with three features.
pub fn table() -> Vec<u8> {
    let mut text = "task,a,b,name with spaces,y\n".to_string();
    for (task, row) in (0..5).flat_map(|task| (0..12).map(move |row| (task, row))) {
        let (a, b) = ((row * 7 + task * 3) % 11, (row * 5 + task) as f64 / 2.0);
        let quote = if row % 4 == 0 { "\"" } else { "" };
        let _ = writeln!(text, "{quote}t{task}{quote},{a},{b},{:e},{}", 1.0 / (1.0 + b), a as f64 + 0.1 * b);
    }
    text.into_bytes()
}

pub const COVARIANCE: &[u8] = b"2.0,0.5,0.1\n0.5,1.5,-0.25\n0.1,-0.25,1e0\n";

/// Tensors of a model of one layer with tokens of width 4, as `floe run` names them.
fn model(metadata: &[(&str, &str)], moments: bool) -> Vec<u8> {
    let mut file = Checkpoint::default();
    for (i, kind) in ["v", "qk"].iter().enumerate() {
        let data = (0..16).map(|x| 0.1 * x as f32 - i as f32).collect();
        file.tensors.insert(format!("layers.0.attn.{kind}"), Tensor { shape: vec![1, 4, 4], data });
    }
    if moments {
        file.tensors.insert("optimizer.moments".into(), Tensor { shape: vec![32], data: vec![0.5; 32] });
    }
    file.metadata = metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("model.safetensors");
    checkpoint::write(&path, &file).expect("written");
    std::fs::read(&path).expect("read back")
}

pub const CONFIG: &str = "seed = 0\n[task]\nkind = \"regression\"\ndim = 2\n";

/// A finished model, and a training state.
pub fn checkpoints() -> [Vec<u8>; 2] {
    let finished =
        [("config", CONFIG), ("phase", "finetune"), ("method", "zs-v"), ("steps", "20"), ("trained", "16")];
    let state = [
        ("config", CONFIG),
        ("phase", "pretrain"),
        ("method", "pretrained"),
        ("step", "8"),
        ("wall_s", "0.5"),
        ("variant", "cpu"),
    ];
    [model(&finished, false), model(&state, true)]
}

/// The experiment of [`run`].
const RUN: &str =
    "seed = 0\n[task]\nkind = \"regression\"\ndim = 2\n[eval]\nshots = 2\n[[methods]]\nname = \"zs-v\"
loss = \"zs\"\ntrain = [\"*.v\"]\n";

/// A finished model of [`run`].
pub fn run_model() -> Vec<u8> {
    model(
        &[("config", RUN), ("phase", "finetune"), ("method", "zs-v"), ("steps", "20"), ("trained", "16")],
        false,
    )
}

const DEVICE: &str = r#""device": {"name": "llvmpipe", "backend": "Vulkan", "type": "Cpu", "driver": "llvmpipe",
"driver_info": "Mesa"}, "variant": {"name": "cpu", "chosen": "default"}"#;

/// The files of a run's directory.
pub fn run() -> Vec<(&'static str, Vec<u8>)> {
    let phase = |phase: &str, method: &str| {
        format!(
            r#"{{"phase": "{phase}", "method": "{method}", "steps": 20, "wall_s": 4.1, "ms_per_step": 0.8, "trained": 16,
            "parameters": 32}}"#
        )
    };
    let info = format!(
        r#"{{"floe": "0.1.0", "seed": 0, "wall_s": 3.5, "phases": [{}, {}], {DEVICE}, "task": {{"description": "y", "pool": 9}}}}"#,
        phase("pretrain", "pretrained"),
        phase("finetune", "zs-v")
    );
    let (mut metrics, mut eval) = (String::new(), "model,task,shots,mean,stderr,exact\n".to_string());
    let mut baselines = eval.clone();
    for (phase, model) in [("pretrain", "pretrained"), ("finetune", "zs-v")] {
        for step in (0..20).step_by(5) {
            let _ = writeln!(
                metrics,
                r#"{{"phase":"{phase}","method":"{model}","step":{step},"loss":0.5,"zs_loss":0.5,"fs_loss":null,"grad_norm":0.1,"lr":0.01}}"#
            );
        }
        for (task, shots) in ["target", "fresh"].iter().flat_map(|task| (0..3).map(move |n| (task, n))) {
            let _ = writeln!(eval, "{model},{task},{shots},{},0.01,0.9", 1.0 / (1 + shots) as f64);
            let _ = writeln!(baselines, "theory:{model},{task},{shots},0.5,,0.5");
        }
    }
    [
        ("config.toml", RUN.to_string()),
        ("run.json", info),
        ("metrics.jsonl", metrics),
        ("eval.csv", eval),
        ("baselines.csv", baselines),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
    .into()
}

/// The files of a sweep's directory.
pub fn sweep() -> Vec<(&'static str, Vec<u8>)> {
    let config = CONFIG.to_string()
        + "[[methods]]\nname = \"zs-v\"\nloss = \"zs\"\ntrain = [\"*.v\"]\n[sweep]\nseed = [0, 1]\n\"finetune.optimizer.lr\" = [0.1, 0.2]\n";
    let info = format!(
        r#"{{"floe": "0.1.0", "wall_s": 12.5, {DEVICE}, "axes": [{{"key": "seed", "values": ["0", "1"]}},
        {{"key": "finetune.optimizer.lr", "values": ["0.1", "0.2"]}}],
        "members": [{{"model": "zs-v,seed=0", "parameters": 32, "diverged_at": null}}, {{"model": "b", "diverged_at": 7}}],
        "batches": [{{"models": 4, "loss": "zs", "steps": 20, "wall_s": 1.5}}], "task": {{"description": "y"}}}}"#
    );
    let mut summary = "method,finetune.optimizer.lr,task,shots,seeds,mean,stderr,diverged\n".to_string();
    for (task, shots) in ["target", "fresh"].iter().flat_map(|task| (0..3).map(move |n| (task, n))) {
        let _ = writeln!(summary, "pretrained,,{task},{shots},2,{},0.01,0", 1.0 / (1 + shots) as f64);
        for rate in ["0.1", "0.2"] {
            let _ = writeln!(summary, "zs-v,{rate},{task},{shots},2,{},0.01,1", 0.7 / (1 + shots) as f64);
        }
    }
    [("sweep.toml", config), ("sweep.json", info), ("summary.csv", summary)]
        .map(|(n, t)| (n, t.into_bytes()))
        .into()
}

/// What `floe tune` keeps.
pub const TUNED: &[u8] =
    br#"{"entries": [{"adapter": "llvmpipe", "backend": "Vulkan", "driver": "llvmpipe", "driver_info":
"Mesa", "floe": "0.1.0", "variant": "cpu-32", "ratio": 0.9}]}"#;

/// What `floe bench --json` writes.
pub const BENCH: &[u8] = br#"{"floe": "0.1.0", "adapter": "a", "driver": "d", "variant": "cpu", "roof_gflops": 1.0,
"roof_gbytes_s": 2.0, "figures": [{"name": "eval", "ms": 1.0, "ms_min": 1.0, "ms_max": 1.0, "device_ms": null, "gflops":
0.0, "gbytes_s": 0.0, "roof": 0.0, "trained": 49, "optimizer_bytes": null}], "masks": [], "together": []}"#;
