//! Once the user has asked to stop, whatever may take long ends at its next step. The asking is the process's: a suite of
//! its own, of one test.

mod common;

use common::*;
use floe::config;
use floe::job::{Experiment, Family, Machine};
use floe::kernels::Tuning;
use floe::store::metrics::{Line, MetricsLog};
use floe::tasks::baselines::Predictors;
use floe::tasks::{Known, tables};
use floe::theory::{self, Setting};
use floe::train::{Job, Progress, RING, State, Told, state};
use floe::{Error, bench, gpu, interrupt};

struct Silent;

impl Progress for Silent {
    fn step(&mut self, _: u64, _: u64, _: &Line) {}
}

fn interrupted<T>(result: Result<T, Error>, place: &str) {
    match result {
        Err(Error::Interrupted(at)) => assert!(at.contains(place), "{at}"),
        Err(other) => panic!("{place}: {other}"),
        Ok(_) => panic!("{place} went on"),
    }
}

#[test]
fn whatever_is_long_ends_once_the_user_has_asked() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let machine = Machine::new(&engine, Tuning::of(engine.adapter()));
    let sets: Vec<String> = SMALL.iter().map(|s| s.to_string()).chain(["task.dim=2".into()]).collect();
    let experiment = Experiment::open(config::load("paper", &sets).unwrap()).unwrap();
    let (name, plan) = &experiment.plans[0];
    let csv = table(8, 12);
    let data = tables::parse(csv.as_bytes(), "t.csv".as_ref(), &Default::default(), 3, 6).unwrap();
    let predictors = Predictors::fit(&data, 4).unwrap();
    let setting = Setting::isotropic(2, 0.1).unwrap();
    assert!(matches!(experiment.problem.known, Known::Regression(_)));

    assert!(!interrupt::asked() && !interrupt::ask() && interrupt::ask());

    // Training saves what it has, here at its first step, and can go on.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.state.safetensors");
    let identity = experiment.identity.from(&experiment.init());
    let job =
        Job { phase: "pretrain", method: name, plan, state_path: Some(path.clone()), identity: &identity };
    let start = State::fresh(experiment.init());
    let step = experiment.stepper(&[(plan, start.start())], RING, machine);
    let told = Told { log: &mut MetricsLog::none(), progress: &mut Silent };
    interrupted(
        experiment.trainer(machine).run(&step, &job, start.clone(), told),
        "step 0 of 20 of pretrained",
    );
    let saved = state::load(&path, &job, &experiment.table).unwrap();
    assert_eq!((saved.params, saved.step), (start.params, 0));

    interrupted(experiment.evaluator(machine).models(&[("m".into(), experiment.init())]), "the evaluation");
    interrupted(experiment.references(), "the closed forms");
    interrupted(theory::bayes(&setting, config::Theta::Sphere, &[0, 3]), "the Bayes floor");
    interrupted(Predictors::fit(&data, 4), "the reference predictors");
    interrupted(predictors.errors(&data, [vec![0; 5]].into_iter()), "the reference predictors");
    interrupted(
        tables::parse(csv.as_bytes(), "t.csv".as_ref(), &Default::default(), 3, 6),
        "line 2 of t.csv",
    );
    interrupted(bench::run(&engine, &machine.tuning, &[], None), "the compilation of kernel `roof`");
    interrupted(
        floe::check::all(&engine, &machine.tuning, &[], |_| Ok(())),
        "the compilation of kernel `roof`",
    );
}
