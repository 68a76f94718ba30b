//! `floe bench`

mod attention;
mod compiled;

use super::places::Places;
use super::source::Device;
use super::{print, print_json, table};
use crate::bench::{self, Report};
use crate::bounded;
use crate::error::{Error, Result};
use crate::rows::{CsvText, number};
use crate::store::atomic::{atomic_write, check_writable};
use std::path::{Path, PathBuf};

/// Time every kernel and whole training steps, against what the device can do at best
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
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
    /// Run nothing: show what the device's driver makes of the kernels (registers, spills, instructions), on any Vulkan
    /// device that tells, also one that isn't there (Mesa's RADV_FORCE_FAMILY=gfx1100). The variant is `gpu` if not given
    #[arg(long, conflicts_with = "compare")]
    compiled: bool,
    /// Time passes of this language model too: a .gguf file, or a Hugging Face directory
    #[arg(long, value_name = "MODEL", conflicts_with = "compiled")]
    model: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

/// What can be timed by itself.
#[derive(Debug, clap::Subcommand)]
enum What {
    Attention(attention::Args),
}

pub fn run(mut args: Args) -> Result<()> {
    if let Some(What::Attention(own)) = args.what.take() {
        return attention::run(own);
    }
    check_places(args.compare.as_deref(), [("--json", json_file(&args)), ("--csv", args.csv.as_deref())])?;
    if args.compiled {
        return compiled::run(&args);
    }
    let old = args.compare.as_deref().map(load).transpose()?;
    let (engine, tuning) = args.device.open()?;
    let report = bench::run(&engine, &tuning, &args.only, args.model.as_deref())?;
    let written = Written { report: &report, text: text(&report, old.as_ref()), csv: csv(&report) };
    written.out(&args)
}

/// Where JSON goes, if not to standard output.
fn json_file(args: &Args) -> Option<&Path> {
    args.json.as_deref().filter(|path| *path != Path::new("-"))
}

/// A report in its three forms.
struct Written<'a, R> {
    report: &'a R,
    text: String,
    csv: String,
}

impl<R: serde::Serialize> Written<'_, R> {
    /// To the files that are asked for, then to standard output, which may have no room.
    fn out(&self, args: &Args) -> Result<()> {
        let json = serde_json::to_string_pretty(self.report).map_err(|e| Error::Usage(e.to_string()))? + "\n";
        json_file(args).map_or(Ok(()), |path| atomic_write(path, json.as_bytes()))?;
        args.csv.as_ref().map_or(Ok(()), |path| atomic_write(path, self.csv.as_bytes()))?;
        if args.json.is_some() && json_file(args).is_none() {
            return print_json(&json);
        }
        print(&self.text)
    }
}

/// Before minutes of measuring.
fn check_places(compare: Option<&Path>, files: [(&str, Option<&Path>); 2]) -> Result<()> {
    let read = compare.map_or(Places::default(), |path| Places::default().read("--compare", path));
    let written = files.iter().filter_map(|(what, path)| Some((what, (*path)?)));
    written.clone().fold(read, |all, (what, path)| all.write(what, path)).check()?;
    written.map(|(_, path)| path).try_for_each(check_writable)
}

fn load(path: &Path) -> Result<Report> {
    let text = bounded::text(path, bounded::SMALL).map_err(|e| Error::file(path, e))?;
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
