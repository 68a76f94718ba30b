//! What is timed: launches of single kernels, whole training steps, whole evaluations.

use super::SAMPLES;
use super::model::Pass;
use crate::config;
use crate::error::Result;
use crate::gpu::{Engine, Launch, Program, Recording};
use crate::interrupt;
use crate::job::{Experiment, Machine};
use crate::kernels::{KERNELS, Tuning};
use crate::models::Step;
use crate::models::prompt::{Start, Stepper};
use std::cell::Cell;
use std::time::Instant;

/// A sample repeats its launches until it takes about so many milliseconds, or so many launches.
const SAMPLE_MS: f64 = 20.0;
const MOST: u64 = 256;

/// Something to time, as often as one likes.
pub struct Work {
    /// `step:<method>`, `eval: <preset>` or `<kernel>: <case>`.
    pub name: String,
    /// The kernels it launches, whose parity must be green for its time to mean anything.
    pub stems: Vec<&'static str>,
    /// Arithmetic operations and bytes of a launch by the kernel's own formula; 0 for what has none.
    pub flops: f64,
    /// Bytes read and written each time, by the kernel's own count.
    pub bytes: f64,
    /// Elements trained and optimizer state in bytes, of a step.
    pub trained: Option<usize>,
    /// Bytes of moments that a step keeps; none of a kernel.
    pub optimizer_bytes: Option<usize>,
    pub(super) job: Job,
}

pub(super) enum Job {
    Launch(Recording),
    /// A pass of a language model.
    Pass(Box<Pass>),
    /// A step on, `taken` since its `state` was 0.
    Step {
        stepper: Box<Stepper>,
        taken: Cell<u64>,
    },
    /// Every test of a model, read-backs and exact risks among it.
    Evaluation {
        experiment: Box<Experiment>,
        params: Vec<f32>,
        tuning: Tuning,
    },
}

impl Work {
    /// Wall time of one launch in milliseconds, of `times` launches in a submission.
    pub fn time(&self, engine: &Engine, times: u64) -> Result<f64> {
        interrupt::check(|| format!("the timing of {}", self.name))?;
        let at = self.next(times);
        let began = Instant::now();
        match &self.job {
            Job::Launch(recording) => {
                engine.submit(recording, times)?;
                engine.wait()?;
            }
            Job::Pass(pass) => {
                for _ in 0..times {
                    pass.run(engine)?;
                }
            }
            Job::Step { stepper, .. } => {
                for from in (0..times).step_by(MOST as usize) {
                    stepper.submit(engine, at + from, (times - from).min(MOST))?;
                }
                engine.wait()?;
            }
            Job::Evaluation { experiment, params, tuning } => {
                let evaluator = experiment.evaluator(Machine::new(engine, *tuning));
                let model = [("timed".to_string(), params.clone())];
                for _ in 0..times {
                    evaluator.models(&model)?;
                }
            }
        }
        Ok(began.elapsed().as_secs_f64() * 1e3 / times as f64)
    }

    /// How many launches make a sample. Compiles and warms on the way.
    pub fn launches(&self, engine: &Engine) -> Result<u64> {
        self.time(engine, 1)?;
        let enough = |ms: f64| ((SAMPLE_MS / ms.max(1e-3)) as u64).clamp(1, MOST);
        // A lone launch is mostly overhead, so it says too little about many.
        let several = enough(self.time(engine, 1)?);
        Ok(enough(self.time(engine, several)?))
    }

    /// The programs that it launches, in order; none of an evaluation, whose kernel is timed by itself.
    pub(super) fn programs(&self) -> Vec<Program> {
        let recording = match &self.job {
            Job::Launch(recording) => recording,
            Job::Step { stepper, .. } => &stepper.recording,
            Job::Pass(_) | Job::Evaluation { .. } => return Vec::new(),
        };
        recording.dispatches().map(|d| d.program.clone()).collect()
    }

    /// Milliseconds of some launches by the device's clock, ascending; none where it has no clock or no one recording.
    pub(super) fn device(&self, engine: &Engine) -> Result<Vec<f64>> {
        let (launches, each, steps) = match &self.job {
            Job::Launch(recording) => {
                (engine.submit_timed(recording, SAMPLES as u64)?, recording.dispatches().count(), 1)
            }
            Job::Step { stepper, .. } => {
                let mut launches = Vec::new();
                for _ in 0..SAMPLES {
                    launches.extend(stepper.submit_timed(engine, self.next(stepper.steps), stepper.steps)?);
                }
                (launches, stepper.recording.dispatches().count(), stepper.steps)
            }
            Job::Pass(_) | Job::Evaluation { .. } => return Ok(Vec::new()),
        };
        let once = |c: &[Launch]| c.iter().map(|l| l.ns).sum::<f64>() * 1e-6 / steps as f64;
        let mut sums: Vec<f64> = launches.chunks(each).map(once).collect();
        sums.sort_by(f64::total_cmp);
        Ok(sums)
    }

    /// The step that `times` more go on from.
    fn next(&self, times: u64) -> u64 {
        let Job::Step { taken, .. } = &self.job else { return 0 };
        taken.replace(taken.get() + times)
    }
}

/// A recording of one kernel's.
pub fn launch(stem: &'static str, recording: Recording) -> Work {
    Work {
        name: stem.into(),
        stems: vec![stem],
        flops: 0.0,
        bytes: 0.0,
        trained: None,
        optimizer_bytes: None,
        job: Job::Launch(recording),
    }
}

/// Every bench of every kernel.
pub fn kernels(tuning: &Tuning) -> Vec<Work> {
    let of = |kernel: &'static crate::kernels::Kernel| {
        (kernel.benches)(tuning).into_iter().map(|bench| Work {
            name: format!("{}: {}", kernel.stem, bench.name),
            stems: vec![kernel.stem],
            flops: bench.flops,
            bytes: bench.bytes,
            trained: None,
            optimizer_bytes: None,
            job: Job::Launch(bench.recording),
        })
    };
    KERNELS.iter().flat_map(of).collect()
}

/// A step of every phase of an experiment, pre-training and each method, of so many models that share their prompts.
pub fn steps(experiment: &Experiment, models: usize, tuning: &Tuning) -> Vec<Work> {
    let init = experiment.init();
    let of = |(method, plan): &(String, crate::models::prompt::Plan)| {
        let mut plan = plan.clone();
        plan.steps = u32::MAX.into();
        let start = Start { params: &init, moments: &[], step: 0 };
        let members = vec![(&plan, start); models];
        let (model, table) = (&experiment.config.model, &experiment.table);
        let stepper = Stepper::together(model, table, &members, MOST as usize, tuning);
        let kernels = stepper.recording.dispatches().map(|d| d.program.kernel);
        let mut stems: Vec<&'static str> = kernels.collect();
        stems.dedup();
        Work {
            name: format!("step:{method}"),
            stems,
            flops: 0.0,
            bytes: 0.0,
            trained: Some(models * plan.train.len()),
            optimizer_bytes: Some(4 * models * stepper.moment_count),
            job: Job::Step { stepper: Box::new(stepper), taken: Cell::new(0) },
        }
    };
    experiment.plans.iter().map(of).collect()
}

/// Every test of one model of the paper: 21 shot counts, 3 tasks, 5 seeds, as `floe run paper` does for each of seven.
pub fn evaluation(tuning: &Tuning) -> Result<Work> {
    let experiment = Box::new(paper(&[])?);
    Ok(Work {
        name: "eval: paper".into(),
        stems: vec!["prompt_eval"],
        flops: 0.0,
        bytes: 0.0,
        trained: None,
        optimizer_bytes: None,
        job: Job::Evaluation { params: experiment.init(), experiment, tuning: *tuning },
    })
}

/// The paper's experiment with keys changed.
pub fn paper(sets: &[&str]) -> Result<Experiment> {
    let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
    Experiment::open(config::load("paper", &sets)?)
}

/// All that `floe bench` and `cargo bench` time one by one, not in pairs.
pub fn all(tuning: &Tuning) -> Result<Vec<Work>> {
    let mut all = kernels(tuning);
    all.extend(steps(&paper(&[])?, 1, tuning));
    all.push(evaluation(tuning)?);
    Ok(all)
}
