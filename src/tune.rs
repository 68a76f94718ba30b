//! Which variant is fastest on one device: a short measurement, run when it is asked for and never on the way.

pub mod cache;
pub mod chunks;
pub mod cuts;

use crate::bench::{Parity, work};
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Engine};
use crate::kernels::Tuning;
use crate::kernels::tensor::matmul::Cut;

/// What is timed, with a short name and how often `floe run paper` does it: steps of pre-training and of three methods
/// of each loss, and evaluations of seven models on three tasks and five seeds.
pub const WORKLOADS: [(&str, &str, f64); 4] = [
    ("step:pretrained", "pre-training", 5_000.0),
    ("step:zs-all", "zs", 15_000.0),
    ("step:zsfs-all", "zs+fs", 15_000.0),
    ("prompt_eval: paper, 21 shot counts", "evaluation", 105.0),
];

/// Samples of everything. A round has one of each variant, so that what else the machine does hits all alike.
const ROUNDS: usize = 12;

/// A variant replaces the default only if it is faster by this share in three rounds of four.
pub const MARGIN: f64 = 0.05;

/// A round: milliseconds of each of [`WORKLOADS`].
pub type Round = [f64; WORKLOADS.len()];

/// A variant and how it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub variant: &'static str,
    /// Its rounds, the same number and order for all; or why it was not timed.
    pub rounds: std::result::Result<Vec<Round>, String>,
}

impl Candidate {
    /// Median milliseconds of each of [`WORKLOADS`]; none if it was not timed.
    pub fn medians(&self) -> Option<Round> {
        let rounds = self.rounds.as_ref().ok()?;
        Some(std::array::from_fn(|w| sorted(rounds.iter().map(|round| round[w]).collect())[rounds.len() / 2]))
    }

    /// The paper's time with this variant over that with `base`, round by round, ascending; empty if not timed.
    pub fn ratios(&self, base: &Candidate) -> Vec<f64> {
        let (Ok(mine), Ok(other)) = (&self.rounds, &base.rounds) else { return Vec::new() };
        sorted(mine.iter().zip(other).map(|(a, b)| whole(a) / whole(b)).collect())
    }
}

/// Milliseconds that the paper's experiment takes at these times.
fn whole(round: &Round) -> f64 {
    round.iter().zip(WORKLOADS).map(|(ms, (_, _, times))| ms * times).sum()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Where in `candidates` the best is; the first is the default, and stays unless another is clearly faster.
pub fn choose(candidates: &[Candidate]) -> usize {
    let mut best = (0, 1.0);
    for (i, candidate) in candidates.iter().enumerate().skip(1) {
        let ratios = candidate.ratios(&candidates[0]);
        let (Some(&middle), Some(&slow)) = (ratios.get(ratios.len() / 2), ratios.get(3 * ratios.len() / 4))
        else {
            continue;
        };
        if slow <= 1.0 - MARGIN && middle < best.1 {
            best = (i, middle);
        }
    }
    best.0
}

/// What was kept for exactly this adapter, driver and version of floe. A file that can't be used is worth one warning, no
/// more: the default does.
pub fn chosen(adapter: &AdapterSummary) -> Option<Tuning> {
    let path = cache::path().ok()?;
    let unusable = |why: Error| log::warn!("{why}; until then the default variant is used");
    let entry = cache::look_up(&path, &cache::Key::of(adapter)).map_err(unusable).ok()??;
    let unknown = || {
        let mend = "delete it or run `floe tune` again";
        unusable(Error::file(&path, format!("`{}` is no variant for this adapter; {mend}", entry.variant)))
    };
    let tuning = Tuning::named(&entry.variant, adapter).map_err(|_| unknown()).ok()?;
    let cut = entry.cut.as_deref().and_then(Cut::named).unwrap_or(tuning.cut);
    let chunk = entry.chunk.filter(|length| chunks::LENGTHS.contains(length)).unwrap_or(tuning.chunk);
    Some(Tuning { cut, chunk, ..tuning })
}

/// Times every variant for the device's class, the default first. A variant with a red kernel, or one that needs more
/// than the device has, is not timed.
///
/// # Errors
/// [`Error::Parity`] if the default itself is red; device failures.
pub fn measure(engine: &Engine) -> Result<Vec<Candidate>> {
    let tunings = Tuning::of_class(engine.adapter());
    let mut candidates = Vec::new();
    let mut works = Vec::new();
    for (i, tuning) in tunings.iter().enumerate() {
        log::info!("`{}`: parity of its kernels", tuning.name);
        let rounds = match prepare(engine, tuning) {
            Ok(ready) => {
                works.push(Some(ready));
                Ok(Vec::new())
            }
            Err(why @ (Error::Parity(_) | Error::Limit { .. })) if i > 0 => {
                works.push(None);
                Err(why.to_string())
            }
            Err(other) => return Err(other),
        };
        candidates.push(Candidate { variant: tuning.name, rounds });
    }
    log::info!("timing {} variants in turn", works.iter().flatten().count());
    for round in 0..ROUNDS {
        let mut times = vec![[0.0; WORKLOADS.len()]; works.len()];
        for w in 0..WORKLOADS.len() {
            for turn in 0..works.len() {
                // Each takes its turn to come first.
                let i = (turn + round) % works.len();
                if let Some(ready) = &works[i] {
                    let (work, launches) = &ready[w];
                    times[i][w] = work.time(engine, *launches)?;
                }
            }
        }
        for (candidate, time) in candidates.iter_mut().zip(times) {
            if let Ok(rounds) = &mut candidate.rounds {
                rounds.push(time);
            }
        }
    }
    Ok(candidates)
}

/// The workloads of a variant, verified and warm, with how many launches make a sample.
fn prepare(engine: &Engine, tuning: &Tuning) -> Result<Vec<(work::Work, u64)>> {
    let mut parity = Parity::new(engine, tuning);
    let mut all = work::all(tuning)?;
    let mut ready = Vec::new();
    for (name, _, _) in WORKLOADS {
        let at = all.iter().position(|work| work.name == name).expect("a workload of the bench");
        let work = all.swap_remove(at);
        work.stems.iter().try_for_each(|stem| parity.verify(stem))?;
        let launches = work.launches(engine)?;
        ready.push((work, launches));
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(variant: &'static str, factors: &[f64]) -> Candidate {
        let rounds = factors.iter().map(|f| [0.75 * f, 0.1 * f, 0.87 * f, 7.3 * f]).collect();
        Candidate { variant, rounds: Ok(rounds) }
    }

    #[test]
    fn a_clearly_faster_variant_is_chosen_and_the_fastest_of_several() {
        let base = timed("cpu", &[1.0; 12]);
        let faster = timed("cpu-32", &[0.9; 12]);
        let fastest = timed("cpu-256", &[0.8; 12]);
        assert_eq!(choose(&[base.clone(), faster.clone()]), 1);
        assert_eq!(choose(&[base.clone(), fastest.clone(), faster.clone()]), 1);
        assert_eq!(choose(&[base.clone(), faster, fastest]), 2);
        assert_eq!(choose(&[base]), 0);
    }

    #[test]
    fn the_default_stays_within_the_margin_and_within_the_noise() {
        let base = timed("cpu", &[1.0; 12]);
        for factors in [
            // Not enough.
            vec![0.96; 12],
            vec![1.2; 12],
            // Half of the rounds far faster, half a little slower.
            [[0.7; 6], [1.02; 6]].concat(),
        ] {
            assert_eq!(choose(&[base.clone(), timed("cpu-32", &factors)]), 0, "{factors:?}");
        }
        // One bad round of twelve is the machine's, not the variant's.
        let mut factors = vec![0.9; 12];
        factors[4] = 3.0;
        assert_eq!(choose(&[base, timed("cpu-32", &factors)]), 1);
    }

    #[test]
    fn drift_that_hits_all_alike_changes_nothing() {
        let drift: Vec<f64> = (0..12).map(|i| 1.0 + 0.2 * i as f64).collect();
        let faster: Vec<f64> = drift.iter().map(|d| 0.9 * d).collect();
        let candidates = [timed("cpu", &drift), timed("cpu-32", &faster)];
        assert!(candidates[1].ratios(&candidates[0]).iter().all(|r| (r - 0.9).abs() < 1e-9));
        assert_eq!(choose(&candidates), 1);
    }

    #[test]
    fn a_red_variant_is_never_chosen() {
        let red = Candidate { variant: "cpu-32", rounds: Err("its parity is red".into()) };
        assert_eq!(choose(&[timed("cpu", &[1.0; 12]), red.clone()]), 0);
        assert_eq!(choose(&[timed("cpu", &[1.0; 12]), red.clone(), timed("cpu-256", &[0.5; 12])]), 2);
        assert!(red.medians().is_none());
    }

    #[test]
    fn medians_are_those_of_each_workload() {
        let [pre, zs, ..] = timed("cpu", &[3.0, 1.0, 2.0]).medians().unwrap();
        assert!((pre - 1.5).abs() < 1e-12 && (zs - 0.2).abs() < 1e-12);
    }
}
