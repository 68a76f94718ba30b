//! The report of synthetic run directories; the two large ones stay in Cargo's scratch directory, to be looked at.

mod odd;
#[path = "../common/pages.rs"]
mod pages;

use floe::config::{Config, Loss, Method, Tables, Task};
use floe::report;
use floe::store::checkpoint::{self, Checkpoint, Tensor};
use pages::{contains, figure, kept};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A run directory under construction; errors are curves from no shots to the floor or wherever they end.
struct Run {
    dir: PathBuf,
    config: Config,
    eval: String,
    baselines: String,
    metrics: String,
    phases: Vec<serde_json::Value>,
    noise: u64,
}

const HEADER: &str = "model,task,shots,mean,stderr,exact\n";

impl Run {
    fn new(dir: &Path, config: Config) -> Run {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir.join("checkpoints")).unwrap();
        let (eval, baselines) = (HEADER.to_string(), HEADER.to_string());
        Run { dir: dir.into(), config, eval, baselines, metrics: String::new(), phases: Vec::new(), noise: 9 }
    }

    /// Uniform in ±1.
    fn random(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.noise >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Errors from `start` towards `end`, half way after `half` shots; exact risk beside them or not.
    fn errors(&mut self, model: &str, task: &str, [start, end, half]: [f64; 3], exact: bool) {
        for n in 0..=self.config.eval.shots {
            let risk = end + (start - end) / (1.0 + n as f64 / half);
            let stderr = risk * 0.004;
            let mean = risk + stderr * self.random();
            let exact = if exact { format!("{risk:.6}") } else { String::new() };
            writeln!(self.eval, "{model},{task},{n},{mean:.6},{stderr:.6},{exact}").unwrap();
        }
    }

    fn baseline(&mut self, model: &str, task: &str, [start, end, half]: [f64; 3]) {
        for n in 0..=self.config.eval.shots {
            let risk = end + (start - end) / (1.0 + n as f64 / half);
            writeln!(self.baselines, "{model},{task},{n},{risk:.6},,{risk:.6}").unwrap();
        }
    }

    fn losses(&mut self, model: &str, start: f64, end: f64, zs: bool, fs: Option<[f64; 2]>) {
        let phase = if model == "pretrained" { "pretrain" } else { "finetune" };
        for step in (0..=5000).step_by(50) {
            let part = (-(step as f64) / 900.0).exp();
            let at = |a: f64, b: f64| b + (a - b) * part;
            let zero = at(start, end) * (1.0 + 0.02 * self.random());
            let few = fs.map(|[a, b]| at(a, b) * (1.0 + 0.03 * self.random()));
            let line = serde_json::json!({"phase": phase, "method": model, "step": step,
                "loss": zero + few.unwrap_or(0.0), "zs_loss": if zs { Some(zero) } else { None }, "fs_loss": few,
                "grad_norm": 0.1, "lr": 0.01});
            writeln!(self.metrics, "{line}").unwrap();
        }
        self.phases.push(serde_json::json!({"phase": phase, "method": model, "steps": 5000, "wall_s": 4.1,
            "ms_per_step": 0.82, "trained": if model.ends_with("-v") { 49 } else { 98 }, "parameters": 98}));
    }

    /// Matrices of the closed forms' shape plus noise: `v` its value row, `diagonal` and `corner` of QK.
    fn weights(&mut self, model: &str, size: usize, heads: usize, [v, diagonal, corner]: [f64; 3]) {
        let mut file = Checkpoint::default();
        for kind in ["v", "qk"] {
            let mut values = Vec::new();
            for _ in 0..heads {
                for i in 0..size * size {
                    let (row, column) = (i / size, i % size);
                    let shape = match kind {
                        "v" if row + 1 == size && column + 1 == size => 0.9,
                        "v" if row + 1 == size && column > 0 => v * (1.0 - column as f64 / 3.0),
                        "qk" if row == column && row > 0 && row + 1 < size => diagonal,
                        "qk" if i == 0 => corner,
                        _ => 0.0,
                    };
                    values.push((shape + 0.05 * self.random()) as f32);
                }
            }
            let tensor = Tensor { shape: vec![heads, size, size], data: values };
            file.tensors.insert(format!("layers.0.attn.{kind}"), tensor);
        }
        let path = self.dir.join(format!("checkpoints/{model}.safetensors"));
        checkpoint::write(&path, &file).unwrap();
    }

    fn save(self, task: serde_json::Value) -> PathBuf {
        let json = serde_json::json!({"floe": "0.1.0", "seed": 0, "wall_s": 34.1, "phases": self.phases,
            "device": {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "backend": "Vulkan", "type": "Cpu",
                "driver": "llvmpipe", "driver_info": "Mesa 22.3.6 (LLVM 15.0.6)"},
            "variant": {"prompt_step": "lane"}, "task": task});
        fs::write(self.dir.join("config.toml"), toml::to_string(&self.config).unwrap()).unwrap();
        fs::write(self.dir.join("run.json"), json.to_string()).unwrap();
        fs::write(self.dir.join("metrics.jsonl"), self.metrics).unwrap();
        fs::write(self.dir.join("eval.csv"), self.eval).unwrap();
        fs::write(self.dir.join("baselines.csv"), self.baselines).unwrap();
        self.dir
    }
}

fn method(name: &str, loss: Loss, train: &str) -> Method {
    let train = vec![train.to_string()];
    let schedule = Default::default();
    Method { name: name.into(), loss, train, schedule, weight: 1.0, steps: None, lr: None, optimizer: None }
}

fn methods() -> Vec<Method> {
    let sets = [("all", "layers.*"), ("qk", "layers.*.attn.qk"), ("v", "layers.*.attn.v")];
    let named =
        |prefix: &str, loss: Loss| sets.map(|(s, train)| method(&format!("{prefix}-{s}"), loss, train));
    named("zs", Loss::Zs).into_iter().chain(named("zsfs", Loss::ZsFs)).collect()
}

/// A model's name, its errors on three tasks and its weights.
type Made = (&'static str, [[f64; 3]; 3], [f64; 3]);

/// Seven models, three tasks, 0 to 20 shots, one method that explodes: the paper's preset.
fn paper(dir: &Path) -> PathBuf {
    let mut run = Run::new(dir, Config { methods: methods(), ..Config::default() });
    let models: [Made; 7] = [
        ("pretrained", [[1.103, 0.2, 4.9], [1.103, 0.2, 4.9], [1.106, 0.2, 4.9]], [0.0, 0.9, 0.0]),
        ("zs-all", [[0.1, 1.5, 2.0], [4.1, 1.2, 2.0], [2.345, 1.28, 2.0]], [0.52, 0.0, 1.9]),
        ("zs-qk", [[0.9, 260.0, 3.0], [2.6, 280.0, 3.0], [1.7, 270.0, 3.0]], [0.02, 2.9, 3.6]),
        ("zs-v", [[0.326, 0.29, 6.0], [3.43, 0.26, 1.2], [2.1, 0.27, 1.2]], [0.111, 0.95, 0.0]),
        ("zsfs-all", [[0.101, 0.95, 3.0], [4.0, 0.9, 2.2], [2.2, 0.95, 2.4]], [0.5, 0.1, 1.7]),
        ("zsfs-qk", [[0.95, 41.0, 9.0], [2.3, 44.0, 8.0], [1.6, 43.0, 8.0]], [0.02, 2.1, 2.5]),
        ("zsfs-v", [[0.325, 0.25, 6.0], [3.42, 0.41, 1.2], [2.11, 0.33, 1.2]], [0.111, 0.97, 0.0]),
    ];
    for (model, tasks, weights) in models {
        for (task, curve) in ["target", "negated", "fresh"].iter().zip(tasks) {
            run.errors(model, task, curve, true);
        }
        run.weights(model, 7, 1, weights);
        let both = model.starts_with("zsfs").then_some([0.35, tasks[0][1].min(9.0)]);
        let end = if model == "pretrained" { 0.344 } else { tasks[0][0] };
        run.losses(model, 1.1, end, model != "pretrained", both);
    }
    for task in ["target", "negated", "fresh"] {
        run.baseline("bayes", task, [1.1, 0.085, 2.1]);
        run.baseline("theory:pretrained", task, [1.1, 0.2, 4.8]);
    }
    run.baseline("theory:zs-all", "target", [0.1, 1.5, 2.0]);
    run.baseline("theory:zs-all", "fresh", [2.2, 1.15, 2.0]);
    run.baseline("theory:zs-v", "target", [0.322, 0.28, 6.0]);
    run.baseline("theory:zs-v", "fresh", [2.1, 0.25, 1.2]);
    run.baseline("theory:zsfs-v", "target", [0.322, 0.28, 6.0]);
    run.baseline("theory:zsfs-v", "fresh", [2.05, 0.31, 1.2]);
    run.phases.push(
        serde_json::json!({"phase": "eval", "method": "", "steps": 0, "wall_s": 2.0, "ms_per_step": 0.0}),
    );
    run.save(serde_json::json!({"description": "y = θ·x + ε with a task vector θ drawn uniformly from the unit sphere.",
        "target": "θ₀, drawn from the seed", "pool": 100000}))
}

/// Tables: two tasks, no exact risk, four baselines, two heads of width 11.
fn tables(dir: &Path) -> PathBuf {
    let task = Task::Tables(Tables { path: "data/diamonds.csv".into(), ..Tables::default() });
    let mut run = Run::new(dir, Config { task, methods: methods(), ..Config::default() });
    let models = [
        ("pretrained", [1.02, 0.055, 1.5], [1.04, 0.06, 1.5], [0.0, 0.6, 0.0]),
        ("zs-all", [0.061, 0.7, 4.0], [0.27, 0.8, 4.0], [0.3, 0.0, 1.2]),
        ("zs-qk", [0.4, 0.5, 4.0], [0.5, 0.52, 4.0], [0.0, 1.1, 0.6]),
        ("zs-v", [0.11, 0.08, 3.0], [0.31, 0.09, 3.0], [0.2, 0.62, 0.0]),
        ("zsfs-all", [0.06, 0.16, 4.0], [0.26, 0.2, 4.0], [0.3, 0.3, 0.8]),
        ("zsfs-qk", [0.38, 0.2, 4.0], [0.51, 0.22, 4.0], [0.0, 0.9, 0.4]),
        ("zsfs-v", [0.12, 0.062, 3.0], [0.3, 0.071, 3.0], [0.18, 0.6, 0.0]),
    ];
    for (model, target, heldout, weights) in models {
        run.errors(model, "target", target, false);
        run.errors(model, "heldout", heldout, false);
        run.weights(model, 11, 2, weights);
        run.losses(
            model,
            1.0,
            target[0],
            model != "pretrained",
            model.starts_with("zsfs").then_some([0.1, 0.2]),
        );
    }
    for task in ["target", "heldout"] {
        run.baseline("mean", task, [1.0, 0.45, 2.0]);
        run.baseline("pooled", task, [0.14, 0.14, 1.0]);
        run.baseline("ridge", task, [1.0, 0.03, 2.3]);
        run.baseline("ridge+prior", task, [0.14, 0.07, 6.0]);
    }
    run.save(serde_json::json!({"description": "Price of a diamond from its measurements, a task a cut and clarity.",
        "target": "Ideal_G_VS2", "tasks": 214, "rows": 53940}))
}

fn page(dir: &Path) -> String {
    report::write(dir).unwrap();
    fs::read_to_string(dir.join("report.html")).unwrap()
}

/// Tags nest and close; text holds no bare `<` or `&`.
fn well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag that ends");
        assert!(text.split('&').skip(1).all(|e| e.contains(';')), "a bare & in {text}");
        let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap_or_default();
        match tag {
            t if t.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            t if t.ends_with('/') => {}
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Every coordinate of a figure is a finite number on its sheet.
fn on_the_sheet(svg: &str) {
    let of = |name: &str| {
        let (from, length) = (format!(" {name}=\""), name.len() + 3);
        let found = svg.match_indices(&from).map(|(at, _)| svg[at + length..].split('"').next().unwrap());
        found.map(String::from).collect::<Vec<_>>()
    };
    let sheet: Vec<f64> = of("viewBox")[0].split(' ').map(|n| n.parse().unwrap()).collect();
    let all: Vec<String> = ["d", "x", "y", "cx", "cy"].into_iter().flat_map(of).collect();
    assert!(all.len() > 20, "{} elements", all.len());
    for text in &all {
        for number in text.split(|c: char| c == ' ' || c.is_ascii_alphabetic()).filter(|n| !n.is_empty()) {
            let value: f64 = number.parse().unwrap_or_else(|_| panic!("`{number}` in {text}"));
            assert!(value.abs() <= sheet[2].max(sheet[3]), "{value} lies off the sheet: {text}");
        }
    }
}

#[test]
fn the_papers_run() {
    let dir = paper(&kept("report-paper"));
    let html = page(&dir);
    contains(
        &html,
        &["Six ways to fine-tune on linear regression", "<b>zs-all</b> and <b>zsfs-all</b> share the lowest"],
    );
    contains(
        &html,
        &["leaves the axis", "lies beyond the axes", "floe run config.toml", "prefers-color-scheme:dark"],
    );
    contains(&html, &["98 of 98", "llvmpipe (LLVM 15.0.6, 256 bits)", "± 0.00"]);
    // What other tests hold is not there.
    contains(&html, &["exact risk of the trained weights", "What moved in the attention weights", "Pareto"]);
    for network in ["http:", "https:", "<script", "<link", "<img", "url(", "@import"] {
        assert!(!html.contains(network), "the page refers outside itself: {network}");
    }
    for stem in
        ["shots-target", "shots-negated", "shots-fresh", "tradeoff", "loss-pretrained", "weights-zs-v-0-0"]
    {
        let svg = figure(&dir, stem);
        well_formed(&svg);
        on_the_sheet(&svg);
        assert!(!svg.contains("NaN") && svg.contains("<title"), "{stem}");
    }
    assert!(html.len() < 1_500_000, "{} bytes are too many for a page", html.len());
}

#[test]
fn a_run_on_tables() {
    let dir = tables(&kept("report-tables"));
    let html = page(&dir);
    contains(
        &html,
        &["diamonds.csv", "Ideal_G_VS2", "Held-out tasks", "beats the pooled least-squares baseline"],
    );
    contains(&html, &["ridge towards the pooled weights", "What moved in the attention weights"]);
    let map = figure(&dir, "weights-zs-all-0-1");
    contains(&map, &["layer 0, head 1", "difference", "x₈"]);
    assert!(!html.contains("exact risk of the trained weights"), "there is none for tables");
}

#[test]
fn colours_of_a_model_are_the_same_in_every_figure() {
    let temp = tempfile::tempdir().unwrap();
    let dir = paper(temp.path());
    page(&dir);
    for stem in ["shots-fresh", "tradeoff", "loss-zs-all"] {
        let svg = figure(&dir, stem);
        contains(&svg, &["\"#D55E00\"", ".fig .s-c0{stroke:#FF8A47}"]);
    }
    let curve = "fill=\"none\" stroke=\"#D55E00\"";
    assert!(figure(&dir, "loss-zs-all").contains(curve) && !figure(&dir, "loss-zs-qk").contains(curve));
}

#[test]
fn lines_are_named_dashed_as_their_legend_says_and_equal_runs_give_equal_figures() {
    let temp = tempfile::tempdir().unwrap();
    let (one, two) = (paper(&temp.path().join("one")), paper(&temp.path().join("two")));
    assert_eq!(page(&one), page(&two));
    let svg = figure(&one, "shots-fresh");
    assert_eq!(svg, figure(&two, "shots-fresh"));
    for model in ["pretrained", "zs-all", "zs-v", "best possible (Bayes)", "theory: zs-v"] {
        assert!(svg.contains(&format!("<g><title>{model}</title><path")), "{model}");
    }
    // The line, and its sample in the legend of the file.
    for dash in ["stroke-dasharray=\"8 4.5\"", "stroke-dasharray=\"4 3.5\""] {
        assert!(svg.matches(dash).count() > 1, "{dash}");
    }
}

#[test]
fn values_that_are_not_finite_or_huge_are_told_and_do_not_break_figures() {
    let temp = tempfile::tempdir().unwrap();
    let dir = paper(temp.path());
    let eval = fs::read_to_string(dir.join("eval.csv")).unwrap();
    let broken: Vec<String> = eval
        .lines()
        .map(|l| match l {
            l if l.starts_with("zs-qk,fresh") => {
                "zs-qk,fresh,".to_string() + l.split(',').nth(2).unwrap() + ",NaN,NaN,"
            }
            l if l.starts_with("zs-all,target,20") => "zs-all,target,20,inf,NaN,".into(),
            l if l.starts_with("zs-v,negated,3,") => "zs-v,negated,3,1e300,1e299,".into(),
            l => l.into(),
        })
        .collect();
    fs::write(dir.join("eval.csv"), broken.join("\n")).unwrap();
    let html = page(&dir);
    contains(&html, &["zs-qk is not a number at 21 of 21 points", "zs-all leaves the axis (▲): up to ∞"]);
    contains(&html, &["<b>zs-qk</b> (not finite at some shot counts)", "1.0×10³⁰⁰"]);
    for stem in ["shots-target", "shots-negated", "shots-fresh", "tradeoff"] {
        let svg = figure(&dir, stem);
        well_formed(&svg);
        on_the_sheet(&svg);
    }
}
