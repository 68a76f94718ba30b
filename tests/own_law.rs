//! Laws of prompts that a program brings: they are held to their twin, train as floe's own do, and are refused in words.

use floe::config::{OwnTask, Task, load, resolve_text};
use floe::gpu::Buffer;
use floe::job::run::run;
use floe::kernels::prompt::{Source, prompt_sample};
use floe::kernels::{Tuning, VARIANTS};
use floe::models::Start;
use floe::prompt::law::{Law, Regression, Tables, ThetaLaw};
use floe::random::rng::normals;
use floe::store::metrics::Line;
use floe::store::rundir::{Open, RunDir};
use floe::train::Progress;
use floe::{Experiment, Kind, Machine, OwnLaw, Problem, check, gpu};
use std::sync::Arc;

const DIM: usize = 3;
const NOISE: f32 = 0.3;

/// The regression that floe has, θ on the sphere, written again.
struct Again {
    text: String,
    dim: usize,
    /// The host's noise, to be wrong about.
    noise: f64,
}

const TEXT: &str = "
    var<private> own_counter: vec3u; // prompt, step, key
    var<private> own_theta: vec3f;

    fn own_four(draw: u32) -> vec4f {
      let words = pcg4d(vec4u(draw, own_counter));
      return vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    }

    fn own_begin(prompt: u32, step: u32, key: u32) {
      own_counter = vec3u(prompt, step, key);
      own_theta = normalize(own_four(0u).xyz);
    }

    fn own_token(slot: u32) {
      let g = own_four(1u + slot);
      var y = numbers[0] * g[DIM];
      /*unroll*/ for (var i = 0u; i < DIM; i++) {
        token[1u + i] = g[i];
        y += own_theta[i] * g[i];
      }
      token[DIM + 1u] = y;
    }";

fn again() -> Again {
    Again { text: TEXT.into(), dim: DIM, noise: NOISE as f64 }
}

impl OwnLaw for Again {
    fn name(&self) -> &str {
        "again"
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn wgsl(&self) -> &str {
        &self.text
    }

    fn numbers(&self) -> Vec<f32> {
        vec![NOISE]
    }

    fn draw(&self, prompt: u32, step: u32, key: u32, shots: usize) -> Vec<(Vec<f64>, f64)> {
        let theta = normals(0, prompt, step, key, DIM);
        let norm = theta.iter().map(|t| t * t).sum::<f64>().sqrt();
        let token = |slot| {
            let g = normals(1 + slot, prompt, step, key, DIM + 1);
            let y = (0..DIM).map(|i| theta[i] / norm * g[i]).sum::<f64>() + self.noise * g[DIM];
            (g[..DIM].to_vec(), y)
        };
        (0..=shots as u32).map(token).collect()
    }
}

fn built_in() -> Law {
    let theta = ThetaLaw::Sphere;
    Law::Regression(Regression { key: 0, dim: DIM, noise: NOISE, theta, factor: None, pool: None })
}

const EXPERIMENT: &str = "
    pretrain = { steps = 30, batch = 100, shots = 4 }
    finetune = { steps = 30, batch = 100, shots = 4 }
    eval = { prompts = 300, seeds = 1, shots = 4 }
    methods = [{ name = 'row', loss = 'zs+fs', train = ['*.v[row=-1]'] }]";

fn experiment(law: Law) -> floe::Result<Experiment> {
    let config = resolve_text("test", EXPERIMENT, &[])?;
    let problem = Problem::new(config.seed, law.clone(), law.clone(), vec![("same", law)], "again")?;
    Experiment::with_problem(config, problem)
}

#[test]
fn it_trains_and_is_tested_like_the_law_that_floe_has() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    for variant in VARIANTS.iter().filter(|v| v.fits(engine.adapter()) && v.name != "cpu-tokens") {
        // Floe draws moments of its own law, where it may; a law that it doesn't know is drawn by tokens.
        let tuning = Tuning { moments: false, ..Tuning::named(variant.name, engine.adapter()).unwrap() };
        let machine = Machine::new(&engine, tuning);
        let outcome = |law: Law| {
            let experiment = experiment(law).unwrap();
            let pretrained = experiment.train("pretrained", experiment.init(), machine).unwrap();
            let tuned = experiment.train("row", pretrained.clone(), machine).unwrap();
            let frozen = pretrained.iter().zip(&tuned).filter(|(a, b)| a.to_bits() == b.to_bits()).count();
            assert!(frozen >= tuned.len() - (DIM + 2), "what the mask leaves out keeps its bits: {frozen}");
            let rows = experiment.evaluator(machine).models(&[("m".into(), tuned.clone())]).unwrap();
            let errors: Vec<f64> = rows.iter().map(|row| row.mean).collect();
            (tuned, errors)
        };
        let ((own, errors), (floes, expected)) = (outcome(Law::own(again())), outcome(built_in()));
        for (a, b) in own.iter().zip(&floes) {
            assert!((a - b).abs() < 1e-4, "{}: {a}, {b}", variant.name);
        }
        for (a, b) in errors.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-3 * b, "{}: {a}, {b}", variant.name);
        }
    }
}

#[test]
fn a_twin_that_differs_is_red() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let rows = |law: Again| check::law(&Law::own(law), &engine, &tuning).unwrap();
    assert!(rows(again()).iter().all(|row| row.passes()));
    for row in rows(Again { noise: 0.301, ..again() }) {
        assert!(!row.passes(), "{}: {:?}", row.case, row.distance);
    }
}

#[test]
fn programs_with_a_callers_text_or_data_run_with_all_checks() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let machine = Machine::of(&engine);
    let sealed = |law: Law| {
        let recording = Source::new(&law);
        let [state, out, target] = ["state", "out", "target"].map(|label| Buffer::words(label, 1));
        let recording = prompt_sample::record(&recording, 1, 1, &state, (&out, &target), &machine.tuning);
        recording.dispatches().all(|d| d.is_own())
    };
    assert!(sealed(built_in()) && !sealed(Law::own(again())));
    // Of a whole step, what has no law in it is floe's own.
    let experiment = experiment(Law::own(again())).unwrap();
    let (params, plan) = (experiment.init(), &experiment.plans[0].1);
    let start = Start { params: &params, moments: &[], step: 0 };
    let tuning = Tuning { resident: 0.0, ..machine.tuning };
    let step = experiment.stepper(&[(plan, start)], 8, Machine::new(&engine, tuning));
    let own: Vec<bool> = step.recording.dispatches().map(|d| d.is_own()).collect();
    assert_eq!((own[0], own[1..].iter().all(|own| *own)), (false, true));

    // Groups of rows that are not there.
    let table = |groups: Vec<[u32; 2]>| {
        let rows = Arc::new(vec![0.5; 10 * (DIM + 1)]);
        Law::Tables(Tables { key: 0, dim: DIM, rows, groups, replacement: false })
    };
    assert!(sealed(table(vec![[0, 5], [5, 5]])) && !sealed(table(vec![[0, 5], [6, 5]])));
    let outcome = |groups| self::experiment(table(groups)).map(|_| ()).map_err(|e| e.kind());
    assert_eq!(outcome(vec![[0, 5], [5, 5]]), Ok(()));
    for groups in [vec![], vec![[0, 5], [6, 5]], vec![[u32::MAX, 5]], vec![[0, 4], [5, 5]]] {
        assert_eq!(outcome(groups), Err(Kind::Config));
    }
}

#[test]
fn laws_of_one_text_are_the_same_and_results_tell_others_apart() {
    let other = || Again { text: TEXT.replace("1u + slot", "2u + slot"), ..again() };
    assert_eq!(Law::own(again()), Law::own(again()));
    assert_ne!(Law::own(again()), Law::own(other()));
    let print = |law: Law| experiment(law).unwrap().identity.short();
    assert_eq!(print(Law::own(again())), print(Law::own(again())));
    assert_ne!(print(Law::own(again())), print(Law::own(other())));
    assert_ne!(print(Law::own(again())), print(built_in()));
}

#[test]
fn a_run_of_it_says_what_it_was_and_goes_on_with_nothing_else() {
    struct Quiet;
    impl Progress for Quiet {
        fn step(&mut self, _: u64, _: u64, _: &Line) {}
    }
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("run");
    let experiment = experiment(Law::own(again())).unwrap();
    let dir = RunDir::open(&root, &experiment.identity, Open::New).unwrap();
    run(&experiment, Machine::of(&engine), &dir, &mut Quiet).unwrap();
    drop(dir);
    let report = std::fs::read_to_string(root.join("report.html")).unwrap();
    assert!(
        report.contains("a program's own: again, d = 3")
            || report.contains("a program&#x27;s own: again, d = 3")
    );
    assert!(!report.contains("noise variance"));
    let baselines = std::fs::read_to_string(root.join("baselines.csv")).unwrap();
    assert!(baselines.contains("ridge,same,4,"), "{baselines}");
    // The configuration is read back, names the task, and is not one that floe could run by itself.
    let config = load(root.to_str().unwrap(), &[]).unwrap();
    assert_eq!(config.task, Task::Own(OwnTask { dim: DIM, about: "again".into() }));
    let error = Experiment::open(config).err().unwrap();
    assert_eq!(error.to_string(), "task: `again` is a program's own, and not known here; run that program");
    // Another law of the same name is told apart.
    let other = Again { noise: 1.0, text: TEXT.replace("1u + slot", "2u + slot"), ..again() };
    let other = self::experiment(Law::own(other)).unwrap();
    let refused = RunDir::open(&root, &other.identity, Open::Resume).err().unwrap();
    assert!(refused.to_string().contains("the data were pretrain of"), "{refused}");
}

#[test]
fn a_text_that_cannot_be_compiled_or_counted_is_refused_in_one_line() {
    let loops = |head: &str| TEXT.replace("/*unroll*/ for (var i = 0u; i < DIM; i++)", head);
    for (text, part) in [
        (TEXT.replace("own_theta[i] *", "own_tau[i] *"), "own_tau"),
        (TEXT.replace("var y = numbers[0] * g[DIM];", "var y = 1u;"), "y += own_theta[i]"),
        (TEXT.replace("own_begin", "begin"), "own_begin"),
        (TEXT.replace("// prompt, step, key", "/* prompt */"), "begin comments with //"),
        (TEXT.replace("token[DIM + 1u] = y;\n    }", "token[DIM + 1u] = y;"), "expected"),
        (loops("for (var i = 0u; i < slot; i += 1u)"), "can't be counted"),
        (loops("for (var i = 0u; i < min(slot, DIM); i++)"), "can't be counted"),
        (loops("for (var i = 0u; i < 5000u; i++)"), "at most 4096"),
        (TEXT.replace("let g =", "while (slot > 99u) { }\n let g ="), "can't be counted"),
        (TEXT.replace("y += own", "if (i == 1u) { break; }\n y += own"), "reak"),
        (String::new(), "own_begin"),
    ] {
        let error = experiment(Law::own(Again { text, ..again() })).err().expect(part);
        let words = error.to_string();
        assert_eq!((error.kind(), words.lines().count()), (Kind::Config, 1), "{words}");
        assert!(words.starts_with("law `again`: ") && words.contains(part), "`{part}`: {words}");
    }
    // A loop that stays one, and marks that are written out, count for the same.
    assert!(experiment(Law::own(Again { text: loops("for (var i = 0u; i < DIM; i++)"), ..again() })).is_ok());
    let mixed = Problem::new(0, Law::own(again()), Law::own(Again { dim: 2, ..again() }), vec![], "");
    assert_eq!(mixed.unwrap_err().kind(), Kind::Usage);
    let twice = vec![("a", built_in()), ("a", built_in())];
    assert_eq!(Problem::new(0, built_in(), built_in(), twice, "").unwrap_err().kind(), Kind::Usage);
}
