//! Times kernels, whole steps and evaluations on one device, for `floe bench`, `cargo bench` and `floe tune`; pairs of
//! masks and of models for `floe bench` alone.

pub mod attention;
pub mod compiled;
pub mod masks;
mod model;
pub mod together;
pub mod work;

use crate::check::{self, Row};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::kernels::{KERNELS, Tuning};
use masks::Pair;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use together::Shared;
use work::Work;

/// Samples of each figure; the median is reported.
const SAMPLES: usize = 15;
/// Samples of what takes longer than [`LONG`].
const FEW: usize = 3;
/// Milliseconds.
const LONG: f64 = 500.0;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `step:<method>` for a whole training step, `eval: paper` for all tests of a model, or `<kernel>: <case>`.
    pub name: String,
    /// Median, smallest and largest wall time of one launch or step, many in a submission, in milliseconds.
    pub ms: f64,
    /// The least of the samples.
    pub ms_min: f64,
    /// The most of them.
    pub ms_max: f64,
    /// Median time by the device's clock, milliseconds, where it has one.
    pub device_ms: Option<f64>,
    /// Arithmetic and traffic by the kernel's own formula, from the median. An operation is an addition, a
    /// multiplication or an integer operation of the random numbers; a multiply-add is two.
    pub gflops: f64,
    /// Bytes a second by the kernel's own count, in units of 10⁹.
    pub gbytes_s: f64,
    /// Per cent of the nearer roof: measured multiply-add rate or bandwidth.
    pub roof: f64,
    /// Elements trained and optimizer state in bytes, of a step.
    pub trained: Option<usize>,
    /// Bytes of moments that a step keeps; none of a kernel.
    pub optimizer_bytes: Option<usize>,
}

/// A bench's figures and what they were taken on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// floe's version.
    pub floe: String,
    /// The adapter's name.
    pub adapter: String,
    /// Its driver, with the version.
    pub driver: String,
    /// How kernels split their work; empty in files from before it was written.
    #[serde(default)]
    pub variant: String,
    /// Measured roofs, the best of all samples: multiply-add GFLOP/s, and GB/s of the faster of copy and fill.
    pub roof_gflops: f64,
    /// Bytes a second of a copy at best, read and written, in units of 10⁹.
    pub roof_gbytes_s: f64,
    /// In the order in which they were taken.
    pub figures: Vec<Figure>,
    /// Steps with everything trained against steps with the value alone.
    #[serde(default)]
    pub masks: Vec<Pair>,
    /// Steps of many models that share their prompts against steps of one.
    #[serde(default)]
    pub together: Vec<Shared>,
}

/// Which kernels' parity is known to be green.
pub struct Parity<'a> {
    engine: &'a Engine,
    tuning: &'a Tuning,
    green: BTreeSet<&'static str>,
}

impl<'a> Parity<'a> {
    /// Of one variant on one device; nothing is checked yet.
    pub fn new(engine: &'a Engine, tuning: &'a Tuning) -> Self {
        Parity { engine, tuning, green: BTreeSet::new() }
    }

    /// Checks a kernel, once.
    ///
    /// # Errors
    /// [`Error::Parity`] if it is red; device failures.
    ///
    /// # Panics
    /// If there is no such kernel.
    pub fn verify(&mut self, stem: &'static str) -> Result<()> {
        if self.green.contains(stem) {
            return Ok(());
        }
        let kernel = KERNELS.iter().find(|k| k.stem == stem).expect("a registered kernel");
        refuse(stem, &check::of(kernel, self.engine, self.tuning)?)?;
        self.green.insert(stem);
        Ok(())
    }
}

/// Refuses a kernel with a red case: its time means nothing.
fn refuse(stem: &str, rows: &[Row]) -> Result<()> {
    match rows.iter().find(|row| !row.passes()) {
        None => Ok(()),
        Some(red) => Err(Error::Parity(format!(
            "kernel `{stem}` is not timed: its parity is red ({}: {}); see `floe check`",
            red.case, red.failure
        ))),
    }
}

/// Times everything whose name contains one of `only` (all if empty); passes of a published language model among it, if
/// one is given.
///
/// # Errors
/// [`Error::Parity`] for a kernel whose parity is red; device failures.
pub fn run(engine: &Engine, tuning: &Tuning, only: &[String], model: Option<&Path>) -> Result<Report> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let mut parity = Parity::new(engine, tuning);
    let mut report = Report {
        floe: env!("CARGO_PKG_VERSION").into(),
        adapter: engine.adapter().name.clone(),
        driver: format!("{} {}", engine.adapter().driver, engine.adapter().driver_info),
        variant: tuning.name.into(),
        roof_gflops: 0.0,
        roof_gbytes_s: 0.0,
        figures: Vec::new(),
        masks: Vec::new(),
        together: Vec::new(),
    };
    let mut all = work::all(tuning)?;
    if let Some(path) = model {
        all.extend(model::passes(path, engine, tuning)?);
    }
    let (roofs, others): (Vec<Work>, Vec<Work>) = all.into_iter().partition(|work| work.stems == ["roof"]);
    let mut verify = |stem: &'static str| {
        if !parity.green.contains(stem) {
            log::info!("parity of {stem}");
        }
        parity.verify(stem)
    };
    for work in roofs.iter().chain(others.iter().filter(|work| wanted(&work.name))) {
        work.stems.iter().try_for_each(|stem| verify(stem))?;
        let times = Times::of(engine, work)?;
        if work.stems == ["roof"] {
            report.raise(work, &times);
        }
        report.figures.push(figure(work, &times));
    }
    report.masks = masks::run(engine, tuning, &mut parity, &wanted)?;
    report.together = together::run(engine, tuning, &mut parity, &wanted)?;
    // Once more: what else ran on the machine at first may have gone.
    for work in &roofs {
        report.raise(work, &Times::of(engine, work)?);
    }
    let (gflops, gbytes_s) = (report.roof_gflops, report.roof_gbytes_s);
    for figure in &mut report.figures {
        figure.roof = 100.0 * (figure.gflops / gflops).max(figure.gbytes_s / gbytes_s);
    }
    Ok(report)
}

impl Report {
    /// Takes a roof's best sample if it is better than what is known.
    fn raise(&mut self, work: &Work, times: &Times) {
        let seconds = times.best() * 1e-3;
        if work.flops > 0.0 {
            self.roof_gflops = self.roof_gflops.max(work.flops * 1e-9 / seconds);
        } else {
            self.roof_gbytes_s = self.roof_gbytes_s.max(work.bytes * 1e-9 / seconds);
        }
    }
}

/// Samples of one piece of work, milliseconds a launch, ascending.
struct Times {
    wall: Vec<f64>,
    /// By the device's clock; empty where it has none.
    device: Vec<f64>,
}

impl Times {
    fn of(engine: &Engine, work: &Work) -> Result<Self> {
        let launches = work.launches(engine)?;
        let first = work.time(engine, launches)?;
        let more = if first > LONG { FEW } else { SAMPLES } - 1;
        let mut wall = (0..more).map(|_| work.time(engine, launches)).collect::<Result<Vec<f64>>>()?;
        wall.push(first);
        wall.sort_by(f64::total_cmp);
        Ok(Times { wall, device: work.device(engine)? })
    }

    /// The shortest by either clock.
    fn best(&self) -> f64 {
        self.device.first().map_or(self.wall[0], |&d| d.min(self.wall[0]))
    }
}

/// Two pieces of work timed in turn, so that what else the machine does hits both alike.
struct Turns {
    /// Median milliseconds of a launch of each.
    ms: [f64; 2],
    /// The first's time over the second's, pair by pair: median, and the middle half's ends.
    ratio: f64,
    low: f64,
    high: f64,
}

impl Turns {
    fn take(engine: &Engine, both: [&Work; 2]) -> Result<Self> {
        let launches = [both[0].launches(engine)?, both[1].launches(engine)?];
        let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        for sample in 0..2 * SAMPLES {
            let mut pair = [0.0; 2];
            // Whoever comes first may find the processor colder.
            for side in [sample % 2, 1 - sample % 2] {
                pair[side] = both[side].time(engine, launches[side])?;
                times[side].push(pair[side]);
            }
            ratios.push(pair[0] / pair[1]);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(Turns {
            ms: [median(&times[0]), median(&times[1])],
            ratio: median(&ratios),
            low: ratios[ratios.len() / 4],
            high: ratios[3 * ratios.len() / 4],
        })
    }
}

/// What the adapter does at best: multiply-adds twice a second, and bytes a second.
///
/// # Errors
/// A device failure.
pub fn roofs(engine: &Engine, tuning: &Tuning) -> Result<[f64; 2]> {
    let mut best = [0.0f64; 2];
    for work in work::all(tuning)?.iter().filter(|work| work.stems == ["roof"]) {
        let seconds = Times::of(engine, work)?.best() * 1e-3;
        best[0] = best[0].max(work.flops / seconds);
        best[1] = best[1].max(if work.flops > 0.0 { 0.0 } else { work.bytes / seconds });
    }
    Ok(best)
}

/// The middle one.
fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn figure(work: &Work, times: &Times) -> Figure {
    let ms = median(&times.wall);
    let device_ms = (!times.device.is_empty()).then(|| median(&times.device));
    // The device's clock, where there is one, leaves out the launch.
    let seconds = device_ms.unwrap_or(ms) * 1e-3;
    Figure {
        name: work.name.clone(),
        ms,
        ms_min: times.wall[0],
        ms_max: times.wall[times.wall.len() - 1],
        device_ms,
        gflops: work.flops * 1e-9 / seconds,
        gbytes_s: work.bytes * 1e-9 / seconds,
        roof: 0.0,
        trained: work.trained,
        optimizer_bytes: work.optimizer_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_kernel_is_refused_by_name_case_and_reason() {
        let row = |failure: &str| Row {
            kernel: "qk",
            case: "d = 3".into(),
            distance: None,
            failure: failure.to_string(),
        };
        assert!(refuse("qk", &[row(""), row("")]).is_ok());
        let error = refuse("qk", &[row(""), row("`grads` is off")]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("`qk` is not timed") && text.contains("d = 3: `grads` is off"), "{text}");
    }

    #[test]
    fn reports_from_before_masks_are_read() {
        let old = r#"{"floe": "0.1.0", "adapter": "a", "driver": "d", "roof_gflops": 1.0, "roof_gbytes_s": 2.0,
            "figures": [{"name": "eval", "ms": 1.0, "ms_min": 1.0, "ms_max": 1.0, "device_ms": null, "gflops": 0.0,
            "gbytes_s": 0.0, "roof": 0.0, "trained": null, "optimizer_bytes": null}]}"#;
        let report: Report = serde_json::from_str(old).unwrap();
        assert!(report.masks.is_empty() && report.variant.is_empty() && report.figures.len() == 1);
    }
}
