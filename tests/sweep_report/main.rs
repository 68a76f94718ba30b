//! The report of synthetic sweeps; the large ones stay in Cargo's scratch directory, to be looked at.

#[path = "../common/pages.rs"]
mod pages;
mod words;

use floe::job::sweep::summarise;
use floe::report;
use floe::store::results::{Outcome, results_csv, summary_csv};
use pages::{contains, figure, kept};
use std::fs;
use std::path::{Path, PathBuf};

/// A sweep under construction.
struct Sweep {
    dir: PathBuf,
    axes: Vec<(String, Vec<String>)>,
    methods: Vec<String>,
    rows: Vec<Outcome>,
    members: Vec<serde_json::Value>,
    noise: u64,
}

impl Sweep {
    fn new(dir: &Path, axes: &[(&str, &[&str])], methods: &[&str]) -> Sweep {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).unwrap();
        let texts = |values: &[&str]| values.iter().map(|v| v.to_string()).collect();
        Sweep {
            dir: dir.into(),
            axes: axes.iter().map(|(k, v)| (k.to_string(), texts(v))).collect(),
            methods: methods.iter().map(|m| m.to_string()).collect(),
            rows: Vec::new(),
            members: Vec::new(),
            noise: 9,
        }
    }

    fn keys(&self) -> Vec<String> {
        self.axes.iter().map(|a| a.0.clone()).collect()
    }

    /// Uniform in ±1.
    fn random(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.noise >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A model with these errors on the target and on fresh tasks, each with none and with 20 demonstrations.
    fn model(&mut self, method: &str, values: &[Option<&str>], errors: [[f64; 2]; 2]) {
        let values: Vec<Option<String>> = values.iter().map(|v| v.map(String::from)).collect();
        let named =
            self.axes.iter().zip(&values).filter_map(|(a, v)| Some(format!("{}={}", a.0, v.clone()?)));
        let model = std::iter::once(method.to_string()).chain(named).collect::<Vec<_>>().join("/");
        for (task, [zero, few]) in ["target", "fresh"].iter().zip(errors) {
            for shots in 0..=20 {
                let mean = few + (zero - few) * (1.0 - shots as f64 / 20.0);
                let (model, method, values) = (model.clone(), method.to_string(), values.clone());
                let task = task.to_string();
                self.rows.push(Outcome {
                    model,
                    method,
                    values,
                    task,
                    shots,
                    mean,
                    stderr: Some(0.001),
                    exact: None,
                });
            }
        }
        let diverged = (!errors[0][0].is_finite()).then_some(4000 + self.members.len());
        self.members
            .push(serde_json::json!({"model": model, "method": method, "values": values, "steps": 5000,
            "trained": 49, "parameters": 98, "diverged_at": diverged}));
    }

    fn save(self) -> PathBuf {
        let keys = self.keys();
        let axes: Vec<_> =
            self.axes.iter().map(|(k, v)| serde_json::json!({"key": k, "values": v})).collect();
        let json = serde_json::json!({"floe": "0.1.0", "wall_s": 312.4, "axes": axes, "members": self.members,
            "device": {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "backend": "Vulkan", "type": "Cpu",
                "driver": "llvmpipe", "driver_info": "Mesa 22.3.6 (LLVM 15.0.6)"},
            "variant": {"name": "cpu"}, "task": {"description": "y = θ·x + ε, <b>θ</b> on the unit sphere."},
            "batches": [{"models": 5, "loss": "fs", "steps": 5000, "wall_s": 20.5},
                {"models": 45, "loss": "zs", "steps": 5000, "wall_s": 101.0},
                {"models": 45, "loss": "zs+fs", "steps": 5000, "wall_s": 190.9}]});
        let method = |m: &String| {
            format!("[[methods]]\nname = {m:?}\nloss = \"zs\"\ntrain = [\"*\"]\n")
                .replace("\"zs\"", if m.starts_with("zsfs") { "\"zs+fs\"" } else { "\"zs\"" })
        };
        let sweep: String = self.axes.iter().map(|(k, v)| format!("{k:?} = [{}]\n", v.join(", "))).collect();
        let toml = self.methods.iter().map(method).collect::<String>() + "[sweep]\n" + &sweep;
        fs::write(self.dir.join("sweep.toml"), toml).unwrap();
        fs::write(self.dir.join("sweep.json"), json.to_string()).unwrap();
        fs::write(self.dir.join("results.csv"), results_csv(&keys, &self.rows, "f0")).unwrap();
        fs::write(self.dir.join("summary.csv"), summary_csv(&keys, &summarise(&keys, &self.rows), "f0"))
            .unwrap();
        self.dir
    }
}

const METHODS: [&str; 6] = ["zs-all", "zs-qk", "zs-v", "zsfs-all", "zsfs-qk", "zsfs-v"];

/// The preset `paper-sweep`: six methods at three learning rates from five seeds. Query-key fine-tuning explodes.
fn paper(dir: &Path) -> PathBuf {
    let seeds = ["0", "1", "2", "3", "4"];
    let rates = ["0.003", "0.01", "0.03"];
    let mut sweep = Sweep::new(dir, &[("seed", &seeds), ("finetune.optimizer.lr", &rates)], &METHODS);
    let at = [
        ("zs-all", [[0.1, 1.41], [2.1, 1.33]]),
        ("zs-qk", [[0.82, 116.0], [1.2, 40.2]]),
        ("zs-v", [[0.329, 0.347], [1.8, 0.366]]),
        ("zsfs-all", [[0.1, 0.212], [2.09, 1.613]]),
        ("zsfs-qk", [[0.98, 0.49], [1.11, 19.7]]),
        ("zsfs-v", [[0.329, 0.328], [1.8, 0.387]]),
    ];
    for seed in seeds {
        let noise = 1.0 + 0.01 * sweep.random();
        let base = [[1.072, 0.348], [1.1, 0.345]].map(|t| t.map(|e| e * noise));
        sweep.model("pretrained", &[Some(seed), None], base);
        for (place, rate) in rates.iter().enumerate() {
            for (method, errors) in at {
                // A low rate has not arrived, a high one has forgotten more.
                let less = [[0.12, 0.02], [-0.1, 0.02]].map(|t| t.map(|e: f64| e * (1.0 - place as f64)));
                let mut errors = errors;
                for (task, less) in errors.iter_mut().zip(less) {
                    for (error, less) in task.iter_mut().zip(less) {
                        let spread = if method.ends_with("qk") { 0.5 } else { 0.03 };
                        *error = (*error + less.max(-0.02)) * (1.0 + spread * sweep.random());
                    }
                }
                if method == "zs-qk" && place == 2 && seed > "1" {
                    errors = [[f64::NAN; 2]; 2];
                }
                sweep.model(method, &[Some(seed), Some(rate)], errors);
            }
        }
    }
    sweep.save()
}

fn page(dir: &Path) -> String {
    report::sweep::write(dir).unwrap_or_else(|e| panic!("{e}"));
    fs::read_to_string(dir.join("report.html")).unwrap()
}

/// The table's rows that begin with a method, cells without tags.
fn rows(html: &str, method: &str) -> Vec<Vec<String>> {
    let body = html.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    let bare = |cell: &str| {
        let text = cell.split('<').enumerate().map(|(i, part)| match i {
            0 => part,
            _ => part.split_once('>').map_or("", |(_, text)| text),
        });
        text.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let cells = |row: &str| row.split("</th>").flat_map(|p| p.split("</td>")).map(bare).collect::<Vec<_>>();
    let all = body.split("</tr>").map(cells);
    all.filter(|r| r[0].split(" on the front").next() == Some(method)).collect()
}

#[test]
fn the_papers_sweep() {
    let dir = paper(&kept("report-sweep"));
    let html = page(&dir);
    contains(
        &html,
        &["Six ways to fine-tune × 3 learning rates × 5 seeds", "95 models", "98 parameters", "5 min 12 s"],
    );
    contains(&html, &["on the front, where no other is better in both", "within 10% of that is"]);
    contains(
        &html,
        &["<b>zs-qk</b> at learning rate 0.03 (3 of 5 seeds)", "at step 40", "means over 5 seeds"],
    );
    contains(&html, &["floe sweep sweep.toml", "prefers-color-scheme:dark", "Error against learning rate"]);
    for network in ["http:", "https:", "<script", "<link", "<img", "url(", "@import", "NaN"] {
        assert!(!html.contains(network), "the page holds `{network}`");
    }
    for stem in [
        "pareto",
        "target-0-shot-against-finetune.optimizer.lr",
        "fresh-20-shot-against-finetune.optimizer.lr",
    ] {
        let svg = figure(&dir, stem);
        assert!(!svg.contains("NaN") && svg.contains("<title"), "{stem}");
    }
    contains(&html, &["One setting had seeds that diverged: it is the mean of the others", "Pareto", "±"]);
    // Only what is on the front is named in the figure.
    let svg = figure(&dir, "pareto");
    let front: Vec<&str> =
        html.match_indices("on the front</small>").map(|(at, _)| &html[at..at + 5]).collect();
    let named = |label: &str| svg.contains(&format!(">{label}</text>"));
    let labels: Vec<String> =
        METHODS.iter().flat_map(|m| ["0.003", "0.01", "0.03"].map(|r| format!("{m} {r}"))).collect();
    let named_ones = labels.iter().filter(|l| named(l)).count();
    assert!(named("pretrained") && named_ones > 1 && named_ones <= front.len() && front.len() < 10);
}

/// Two methods, two settings of one seed or more; the front and the numbers by hand.
fn small(dir: &Path, seeds: &[&str]) -> PathBuf {
    let mut sweep =
        Sweep::new(dir, &[("finetune.optimizer.lr", &["0.1", "1"]), ("seed", seeds)], &["zs-v", "zs-all"]);
    for (i, seed) in seeds.iter().enumerate() {
        let more = i as f64 * 0.02;
        sweep.model("pretrained", &[None, Some(seed)], [[1.0, 0.5], [1.0, 0.3]]);
        sweep.model("zs-v", &[Some("0.1"), Some(seed)], [[0.4 + more, 0.5], [1.0, 0.31]]);
        sweep.model("zs-v", &[Some("1"), Some(seed)], [[0.45, 0.4], [2.0, 0.35]]);
        sweep.model("zs-all", &[Some("0.1"), Some(seed)], [[0.1, 0.2], [2.0, 1.5]]);
        sweep.model("zs-all", &[Some("1"), Some(seed)], [[f64::NAN; 2]; 2]);
    }
    sweep.save()
}

#[test]
fn the_table_has_means_errors_front_and_divergence() {
    let temp = tempfile::tempdir().unwrap();
    let html = page(&small(temp.path(), &["0", "1"]));
    // Means of 0.40 and 0.42, their standard deviation 0.0141 over the root of two.
    let found = rows(&html, "zs-v");
    assert_eq!(found[0][..4], ["zs-v on the front", "0.1", "2", "0.4100 ± 0.0100"]);
    assert_eq!(found[0][4..7], ["0.5000 ± 0.0000", "1.0000 ± 0.0000", "0.3100 ± 0.0000"]);
    assert_eq!(found[1][..4], ["zs-v", "1", "2", "0.4500 ± 0.0000"]);
    assert_eq!(rows(&html, "zs-all")[0][0], "zs-all on the front");
    assert_eq!(rows(&html, "zs-all")[1][..4], ["zs-all", "1", "2 all diverged", "–"]);
    assert_eq!(rows(&html, "pretrained")[0][..3], ["pretrained", "", "2"]);
    // The lowest of the fine-tuned in each column.
    for best in ["0.1000", "0.2000", "1.0000", "0.3100"] {
        assert!(html.contains(&format!("<span class=\"best\">{best}</span>")), "{best}");
    }
    contains(
        &html,
        &[
            "2 of 4 settings are on the front",
            "<b>zs-all</b> at learning rate 0.1 (0.100 and 1.500), <b>zs-v</b> at learning rate 0.1 (0.410",
        ],
    );
    contains(
        &html,
        &[
            "pre-trained model has 1.000 and 0.300; the lowest",
            "within 10% of that is 0.410, by <b>zs-v</b> at learning rate 0.1",
        ],
    );
    contains(
        &html,
        &[
            "2 models diverged: <b>zs-all</b> at learning rate 1 (2 of 2 seeds)",
            "One setting diverged with every seed",
        ],
    );
}

/// The best of both errors, but of one seed alone: the mean of survivors.
#[test]
fn a_setting_of_which_a_seed_diverged_does_not_compete() {
    let temp = tempfile::tempdir().unwrap();
    let mut sweep = Sweep::new(temp.path(), &[("seed", &["0", "1"])], &["lucky", "steady"]);
    for seed in ["0", "1"] {
        sweep.model("steady", &[Some(seed)], [[0.5, 0.5], [0.5, 0.5]]);
        sweep.model("lucky", &[Some(seed)], if seed == "0" { [[0.1; 2]; 2] } else { [[f64::NAN; 2]; 2] });
    }
    let html = page(&sweep.save());
    assert_eq!(rows(&html, "steady")[0][0], "steady on the front");
    assert_eq!(rows(&html, "lucky")[0][..3], ["lucky", "2 1 diverged", "0.1000"]);
    contains(
        &html,
        &["<b>steady</b> (0.500 and 0.500) is the best of 2 settings", "<b>lucky</b> (1 of 2 seeds)"],
    );
    assert!(!html.contains("<span class=\"best\">0.1000"));
}

#[test]
fn one_seed_has_no_errors_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let html = page(&small(temp.path(), &["7"]));
    contains(&html, &["There is one seed", "× 1 seed"]);
    assert!(!html.contains("±"), "nothing is known of the spread");
    assert_eq!(rows(&html, "zs-v")[0][..4], ["zs-v on the front", "0.1", "1", "0.4000"]);
}

#[test]
fn a_sweep_in_which_everything_diverged() {
    let temp = tempfile::tempdir().unwrap();
    let mut sweep = Sweep::new(temp.path(), &[("seed", &["0", "1"])], &["zs-v"]);
    for seed in ["0", "1"] {
        sweep.model("pretrained", &[Some(seed)], [[f64::NAN; 2]; 2]);
        sweep.model("zs-v", &[Some(seed)], [[f64::NAN; 2]; 2]);
    }
    let html = page(&sweep.save());
    contains(&html, &["A model diverged at every setting", "4 models diverged"]);
    assert!(!html.contains("Pareto"));
}

#[test]
fn axes_that_are_no_numbers_or_no_ones_concern() {
    let temp = tempfile::tempdir().unwrap();
    let rules = ["\"sgd\"", "\"adam\""];
    let axes: [(&str, &[&str]); 3] = [
        ("finetune.optimizer.rule", &rules),
        ("methods.zs-v.lr", &["0.1", "0.2"]),
        ("model.heads", &["1", "2"]),
    ];
    let mut sweep = Sweep::new(temp.path(), &axes, &["zs-v", "zs-all"]);
    for (h, heads) in ["1", "2"].iter().enumerate() {
        sweep.model("pretrained", &[None, None, Some(heads)], [[1.0, 0.5], [1.0, 0.3]]);
        for (r, rule) in rules.iter().enumerate() {
            sweep.model(
                "zs-all",
                &[Some(rule), None, Some(heads)],
                [[0.1 + r as f64, 0.2], [2.0, 1.5 + h as f64]],
            );
            for lr in ["0.2", "0.1"] {
                sweep.model(
                    "zs-v",
                    &[Some(rule), Some(lr), Some(heads)],
                    [[0.4 + h as f64, 0.2], [2.0, 0.5]],
                );
            }
        }
    }
    let html = page(&sweep.save());
    contains(
        &html,
        &[
            "2 values of rule × 2 learning rates × 2 values of heads × 1 seed",
            "zs-all</b> at rule sgd, heads 1 (0.100",
        ],
    );
    contains(
        &html,
        &["Error against learning rate", "Error against heads", "<td>adam</td><td>0.2</td><td>2</td>"],
    );
    // Without a method that depends on it, the panel has one line's colour only.
    let panel = figure(temp.path(), "target-0-shot-against-methods.zs-v.lr");
    assert!(panel.contains(" stroke=\"#D55E00\"") && !panel.contains(" stroke=\"#0072B2\""));
}

#[test]
fn hundreds_of_settings_label_the_front_alone() {
    let dir = kept("report-sweep-many");
    let rates: Vec<String> = (1..=60).map(|i| format!("{}", f64::from(i) / 1000.0)).collect();
    let texts: Vec<&str> = rates.iter().map(String::as_str).collect();
    let mut sweep = Sweep::new(&dir, &[("finetune.optimizer.lr", &texts)], &METHODS);
    sweep.model("pretrained", &[None], [[1.07, 0.35], [1.1, 0.345]]);
    for (m, method) in METHODS.iter().enumerate() {
        for (i, rate) in texts.iter().enumerate() {
            let (x, u) = (i as f64 / 60.0, m as f64 / 6.0);
            let zero = 0.1 + u + 0.8 * (1.0 - x) * (1.0 + 0.02 * sweep.random());
            sweep.model(method, &[Some(rate)], [[zero, 0.5], [1.0, 0.35 + (1.2 - u) * x * x]]);
        }
    }
    let html = page(&sweep.save());
    let front = html.matches("on the front</small>").count();
    contains(&html, &[&format!("{front} of 360 settings are on the front"), "others to"]);
    let svg = figure(&dir, "pareto");
    let texts: Vec<&str> = svg.split("</text>").filter_map(|part| part.rsplit('>').next()).collect();
    let labels =
        texts.iter().filter(|text| METHODS.iter().any(|m| text.starts_with(&format!("{m} 0")))).count();
    assert!(labels > 0 && labels <= front && labels <= 12, "{labels} labels of {front} on the front");
    assert!(html.len() < 1_500_000, "{} bytes are too many for a page", html.len());
}
