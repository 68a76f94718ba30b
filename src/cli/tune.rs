//! `floe tune`

use super::source::Adapter;
use super::{print, table};
use crate::error::Result;
use crate::kernels::Tuning;
use crate::kernels::tensor::matmul::Cut;
use crate::tune::{self, Candidate, MARGIN, WORKLOADS, cache, chunks, cuts};

/// Time the variants that fit a device and keep the fastest for later runs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    adapter: Adapter,
    /// Measure and print, but keep nothing
    #[arg(long, conflicts_with = "forget")]
    dry_run: bool,
    /// Instead of measuring, remove what was kept for this adapter, for every driver and version
    #[arg(long)]
    forget: bool,
}

pub fn run(args: Args) -> Result<()> {
    let engine = args.adapter.open()?;
    let key = cache::Key::of(engine.adapter());
    // Before seconds are spent on what can't be kept.
    let path = if args.dry_run { None } else { Some(cache::path()?) };
    if let (true, Some(path)) = (args.forget, &path) {
        let said = match cache::forget(path, &key)? {
            0 => format!("nothing is kept for {} in {}\n", key.adapter, path.display()),
            _ => format!("forgotten: {} goes by its default variant again\n", key.adapter),
        };
        return print(&said);
    }
    let candidates = tune::measure(&engine)?;
    let best = tune::choose(&candidates);
    print(&text(&candidates, best))?;
    let tuning = Tuning::named(candidates[best].variant, engine.adapter())?;
    let cuts = tune::cuts::measure(&engine, &tuning)?;
    let cut = tune::cuts::choose(&cuts).map(|(cut, _)| cut.name());
    if let Some(cut) = &cut {
        print(&format!("\n{}`{cut}` is chosen\n", table(&products(&cuts))))?;
    }
    let lengths = chunks::measure(&engine, &tuning)?;
    let chunk = chunks::choose(&lengths).map(|(length, _)| length);
    if let Some(chunk) = chunk {
        print(&format!("\n{}chunks of {chunk} tokens are chosen\n", table(&chunked(&lengths))))?;
    }
    if let Some(path) = path {
        let ratio = middle(&candidates[best].ratios(&candidates[0]));
        cache::keep(
            &path,
            cache::Entry { key, variant: candidates[best].variant.into(), cut, chunk, ratio },
        )?;
        print(&format!("kept in {}\n", path.display()))?;
    }
    Ok(())
}

/// Milliseconds of products, a row a cut: the largest tile, and how many there are to be before it is taken.
fn products(cuts: &[(Cut, [f64; cuts::SIZES.len()])]) -> Vec<Vec<String>> {
    let sizes = cuts::SIZES.map(|[m, n, k]| format!("{m}×{k}→{n}, ms"));
    let header = std::iter::once("products in tiles of".to_string()).chain(sizes).collect();
    let row = |(cut, times): &(Cut, [f64; cuts::SIZES.len()])| {
        std::iter::once(cut.name()).chain(times.iter().map(|ms| format!("{ms:.4}"))).collect()
    };
    std::iter::once(header).chain(cuts.iter().map(row)).collect()
}

/// Milliseconds of linear attention, forward and backward, a row a length.
fn chunked(lengths: &[(usize, [f64; chunks::WHAT.len()])]) -> Vec<Vec<String>> {
    let what = chunks::WHAT.map(|name| format!("{name}, ms"));
    let header = std::iter::once("linear attention by chunks of".to_string()).chain(what).collect();
    let row = |(length, times): &(usize, [f64; chunks::WHAT.len()])| {
        std::iter::once(length.to_string()).chain(times.iter().map(|ms| format!("{ms:.4}"))).collect()
    };
    std::iter::once(header).chain(lengths.iter().map(row)).collect()
}

fn middle(ratios: &[f64]) -> f64 {
    ratios.get(ratios.len() / 2).copied().unwrap_or(1.0)
}

fn text(candidates: &[Candidate], best: usize) -> String {
    let mut header = vec!["variant".to_string()];
    header.extend(WORKLOADS.iter().map(|(_, short, _)| format!("{short}, ms")));
    header.extend(["to default", "half of the rounds", ""].map(String::from));
    let mut rows = vec![header];
    let mut left_out = String::new();
    for (i, candidate) in candidates.iter().enumerate() {
        let mut row = vec![candidate.variant.to_string()];
        let ratios = candidate.ratios(&candidates[0]);
        match candidate.medians() {
            Some(medians) => {
                row.extend(medians.iter().map(|ms| format!("{ms:.4}")));
                row.push(format!("{:.2}", middle(&ratios)));
                row.push(format!("{:.2}–{:.2}", ratios[ratios.len() / 4], ratios[3 * ratios.len() / 4]));
            }
            None => row.extend(vec!["-".to_string(); WORKLOADS.len() + 2]),
        }
        if let Err(why) = &candidate.rounds {
            left_out += &format!("`{}` was not timed: {why}\n", candidate.variant);
        }
        row.push(if i == best { "chosen".into() } else { String::new() });
        rows.push(row);
    }
    let margin = 100.0 * MARGIN;
    let verdict = if best == 0 {
        format!("the default stays: no other is {margin:.0} % faster in three rounds of four")
    } else {
        format!("`{}` is at least {margin:.0} % faster in three rounds of four", candidates[best].variant)
    };
    let meaning = "to default: time of the paper's whole experiment over that with the first variant";
    format!("{}{left_out}\n{meaning}\n{verdict}\n", table(&rows))
}
