//! Times kernels and whole steps on one device. `floe bench` and `cargo bench` share it.

use crate::check;
use crate::config;
use crate::error::{Error, Result};
use crate::gpu::{Engine, Recording};
use crate::kernels::{Bench, KERNELS, Tuning};
use crate::model::{Start, Stepper};
use crate::run::Experiment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// Samples of each figure; the median is reported.
const SAMPLES: usize = 15;
/// A sample repeats its launches until it takes about so many milliseconds, or so many launches.
const SAMPLE_MS: f64 = 20.0;
const MOST: u64 = 256;
/// Steps that the schedule of a timed step has: no sample runs past it.
const STEPS: u64 = 2 * (SAMPLES as u64 + 2) * MOST;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `step:<method>` for a whole training step, `eval`, or `<kernel>: <case>`.
    pub name: String,
    /// Median, smallest and largest wall time of one launch or step, many in a submission, in milliseconds.
    pub ms: f64,
    pub ms_min: f64,
    pub ms_max: f64,
    /// Median time by the device's clock, milliseconds, where it has one.
    pub device_ms: Option<f64>,
    /// Arithmetic and traffic by the kernel's own formula.
    pub gflops: f64,
    pub gbytes_s: f64,
    /// Per cent of the nearer roof: measured multiply-add rate or copy bandwidth.
    pub roof: f64,
    /// Elements trained and optimizer state in bytes, of a step.
    pub trained: Option<usize>,
    pub optimizer_bytes: Option<usize>,
}

/// A bench's figures and what they were taken on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub floe: String,
    pub adapter: String,
    pub driver: String,
    /// Measured roofs: multiply-add GFLOP/s and copy GB/s.
    pub roof_gflops: f64,
    pub roof_gbytes_s: f64,
    pub figures: Vec<Figure>,
}

/// Times everything whose name contains one of `only` (all if empty).
///
/// # Errors
/// [`Error::Parity`] for a kernel whose parity is red: its time means nothing.
pub fn run(engine: &Engine, tuning: &Tuning, only: &[String], say: &mut dyn FnMut(&str)) -> Result<Report> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let mut green = BTreeMap::new();
    let mut verify = |stem: &'static str| -> Result<()> {
        if green.insert(stem, ()).is_some() {
            return Ok(());
        }
        say(&format!("parity of {stem}"));
        let kernel = KERNELS.iter().find(|k| k.stem == stem).expect("a registered kernel");
        match check::of(kernel, engine, tuning)?.into_iter().find(|row| !row.passes()) {
            None => Ok(()),
            Some(red) => Err(Error::Parity(format!(
                "kernel `{stem}` is not timed: its parity is red ({}: {}); see `floe check`",
                red.case, red.failure
            ))),
        }
    };
    verify("roof")?;
    let mut report = Report {
        floe: env!("CARGO_PKG_VERSION").into(),
        adapter: engine.adapter().name.clone(),
        driver: format!("{} {}", engine.adapter().driver, engine.adapter().driver_info),
        roof_gflops: f64::INFINITY,
        roof_gbytes_s: f64::INFINITY,
        figures: Vec::new(),
    };
    for kernel in KERNELS {
        for bench in (kernel.benches)(tuning) {
            let name = format!("{}: {}", kernel.stem, bench.name);
            if kernel.stem == "roof" || wanted(&name) {
                verify(kernel.stem)?;
                let figure = figure(engine, &report, name, &bench)?;
                if kernel.stem == "roof" {
                    let (rate, bandwidth) = (figure.gflops, figure.gbytes_s);
                    if bench.flops > 0.0 {
                        report.roof_gflops = rate
                    } else {
                        report.roof_gbytes_s = bandwidth
                    }
                }
                report.figures.push(figure);
            }
        }
    }
    for (name, figure) in steps(engine, tuning, &report, &wanted)? {
        // A step is made of these.
        ["prompt_step", "grad_reduce", "masked_update"].into_iter().try_for_each(&mut verify)?;
        report.figures.push(Figure { name, ..figure });
    }
    Ok(report)
}

/// Whole training steps of the paper's pre-training and methods.
fn steps(
    engine: &Engine,
    tuning: &Tuning,
    report: &Report,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<(String, Figure)>> {
    let mut out = Vec::new();
    let experiment = Experiment::open(config::load("paper", &[])?)?;
    for (method, plan) in &experiment.plans {
        let name = format!("step:{method}");
        if !wanted(&name) {
            continue;
        }
        let mut plan = plan.clone();
        plan.steps = STEPS;
        let init = experiment.init();
        let start = Start { params: &init, moments: &[], step: 0 };
        let stepper = Stepper::new(&experiment.config.model, &experiment.table, &plan, start, 256, tuning);
        let bench = Bench { name: name.clone(), recording: stepper.recording, flops: 0.0, bytes: 0.0 };
        let mut figure = figure(engine, report, name.clone(), &bench)?;
        figure.trained = Some(plan.train.len());
        figure.optimizer_bytes = Some(4 * stepper.moment_count);
        out.push((name, figure));
    }
    Ok(out)
}

fn figure(engine: &Engine, report: &Report, name: String, bench: &Bench) -> Result<Figure> {
    let mut wall = sample(engine, &bench.recording)?;
    wall.sort_by(f64::total_cmp);
    let median = wall[wall.len() / 2];
    let device_ms = device(engine, &bench.recording)?;
    // The device's clock, where there is one, leaves out the launch.
    let seconds = device_ms.unwrap_or(median) * 1e-3;
    let (gflops, gbytes_s) = (bench.flops * 1e-9 / seconds, bench.bytes * 1e-9 / seconds);
    let share = (gflops / report.roof_gflops).max(gbytes_s / report.roof_gbytes_s);
    Ok(Figure {
        name,
        ms: median,
        ms_min: wall[0],
        ms_max: wall[wall.len() - 1],
        device_ms,
        gflops,
        gbytes_s,
        roof: 100.0 * share,
        trained: None,
        optimizer_bytes: None,
    })
}

/// Milliseconds a launch, many in a submission.
fn sample(engine: &Engine, recording: &Recording) -> Result<Vec<f64>> {
    let timed = |times: u64| -> Result<f64> {
        let began = Instant::now();
        engine.submit(recording, times)?;
        engine.wait()?;
        Ok(began.elapsed().as_secs_f64() * 1e3 / times as f64)
    };
    // The first launch compiles and warms, the second sizes the samples.
    timed(1)?;
    let one = timed(1)?;
    let times = ((SAMPLE_MS / one.max(1e-3)) as u64).clamp(1, MOST);
    (0..SAMPLES).map(|_| timed(times)).collect()
}

/// Median milliseconds of a whole recording by the device's clock.
fn device(engine: &Engine, recording: &Recording) -> Result<Option<f64>> {
    let launches = engine.submit_timed(recording, SAMPLES as u64)?;
    let each = recording.dispatches.len();
    let mut sums: Vec<f64> =
        launches.chunks(each).map(|c| c.iter().map(|l| l.ns).sum::<f64>() * 1e-6).collect();
    sums.sort_by(f64::total_cmp);
    Ok(sums.get(sums.len() / 2).copied())
}
