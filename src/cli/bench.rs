//! `floe bench`

use super::source::Device;
use super::{print, table};
use crate::bench::{self, Report};
use crate::checkpoint::atomic_write;
use crate::error::{Error, Result};
use crate::results::{CsvText, number};
use std::path::{Path, PathBuf};

/// Time every kernel and whole training steps, against what the device can do at best
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what has one of these in its name, for instance `step:`
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<String>,
    /// Write the figures as JSON (`-` for standard output, instead of the table)
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Write the figures as CSV
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Print ratios to the figures of an earlier --json
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let old = args.compare.as_deref().map(load).transpose()?;
    let (engine, tuning) = args.device.open()?;
    let report = bench::run(&engine, &tuning, &args.only)?;
    let json = serde_json::to_string_pretty(&report).map_err(|e| Error::Usage(e.to_string()))? + "\n";
    if args.json.as_deref() == Some(Path::new("-")) {
        print(&json);
    } else {
        print(&text(&report, old.as_ref()));
        args.json.map_or(Ok(()), |path| atomic_write(&path, json.as_bytes()))?;
    }
    args.csv.map_or(Ok(()), |path| atomic_write(&path, csv(&report).as_bytes()))
}

fn load(path: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let message = "is no output of `floe bench --json`";
    serde_json::from_str(&text).map_err(|e| Error::file(path, format!("{message}: {e}")))
}

fn text(report: &Report, old: Option<&Report>) -> String {
    let mut rows = vec![
        ["", "ms", "min–max", "device ms", "GFLOP/s", "GB/s", "roof", "trained", "state"]
            .map(String::from)
            .to_vec(),
    ];
    if old.is_some() {
        rows[0].push("old/new".into());
    }
    for f in &report.figures {
        let number = |x: f64| if x > 0.0 { format!("{x:.2}") } else { "-".into() };
        let mut row = vec![
            f.name.clone(),
            format!("{:.4}", f.ms),
            format!("{:.4}–{:.4}", f.ms_min, f.ms_max),
            f.device_ms.map_or("-".into(), |d| format!("{d:.4}")),
            number(f.gflops),
            number(f.gbytes_s),
            if f.roof > 0.0 { format!("{:.0} %", f.roof) } else { "-".into() },
            f.trained.map_or("-".into(), |t| t.to_string()),
            f.optimizer_bytes.map_or("-".into(), |b| format!("{b} B")),
        ];
        if let Some(old) = old {
            let before = old.figures.iter().find(|o| o.name == f.name);
            row.push(before.map_or("-".into(), |o| format!("{:.2}", o.ms / f.ms)));
        }
        rows.push(row);
    }
    format!(
        "{}{}{}\nroofs: {:.1} GFLOP/s multiply-add, {:.1} GB/s, the best samples of this run ({}, {}, `{}`).\n\
         GFLOP/s counts additions, multiplications and the integer operations of the random numbers alike, by the\n\
         kernel's own formula; `roof` is the median against the nearer roof.\n",
        table(&rows),
        masks(report),
        together(report),
        report.roof_gflops,
        report.roof_gbytes_s,
        report.adapter,
        report.driver,
        report.variant
    )
}

/// Steps with everything trained against steps with the value alone.
fn masks(report: &Report) -> String {
    if report.masks.is_empty() {
        return String::new();
    }
    let header =
        ["zero-shot step", "all, ms", "value, ms", "all / value", "half of the pairs", "trained", "state"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for pair in &report.masks {
        rows.push(vec![
            pair.name.clone(),
            format!("{:.4}", pair.all.ms),
            format!("{:.4}", pair.value.ms),
            format!("{:.2}", pair.ratio),
            format!("{:.2}–{:.2}", pair.ratio_low, pair.ratio_high),
            format!("{} / {}", pair.all.trained, pair.value.trained),
            format!("{} B / {} B", pair.all.optimizer_bytes, pair.value.optimizer_bytes),
        ]);
    }
    format!(
        "\n{}everything trained, or the value of the last layer alone; samples in turn, the ratio pair by pair.\n",
        table(&rows)
    )
}

/// Steps of many models that share their prompts against steps of one.
fn together(report: &Report) -> String {
    if report.together.is_empty() {
        return String::new();
    }
    let header = ["step", "together, ms", "one, ms", "together / one", "half of the pairs"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for shared in &report.together {
        rows.push(vec![
            shared.name.clone(),
            format!("{:.4}", shared.ms),
            format!("{:.4}", shared.one_ms),
            format!("{:.2}", shared.ratio),
            format!("{:.2}–{:.2}", shared.ratio_low, shared.ratio_high),
        ]);
    }
    format!("\n{}models that share their prompts, as in `floe sweep`; samples in turn.\n", table(&rows))
}

fn csv(report: &Report) -> String {
    let mut table = CsvText::new([
        "name",
        "ms",
        "ms_min",
        "ms_max",
        "device_ms",
        "gflops",
        "gbytes_s",
        "roof_percent",
        "trained",
        "optimizer_bytes",
    ]);
    for f in &report.figures {
        let whole = |x: Option<usize>| x.map(|x| x.to_string()).unwrap_or_default();
        let [ms, low, high] = [f.ms, f.ms_min, f.ms_max].map(|x| x.to_string());
        let [gflops, gbytes_s, roof] = [f.gflops, f.gbytes_s, f.roof].map(|x| x.to_string());
        let [device, trained, bytes] = [number(f.device_ms), whole(f.trained), whole(f.optimizer_bytes)];
        table.row(
            [&f.name, &ms, &low, &high, &device, &gflops, &gbytes_s, &roof, &trained, &bytes]
                .map(String::as_str),
        );
    }
    table.text()
}
