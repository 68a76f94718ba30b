//! The command line: one file a subcommand, arguments to validated configuration, no logic.

mod bench;
mod check;
mod devices;
mod eval;
mod finetune;
mod init;
mod presets;
mod pretrain;
mod probe;
mod progress;
mod report;
mod run;
mod source;
mod sweep;
mod tune;

use crate::error::Result;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pre-trains linear-attention models, fine-tunes chosen parameters, and measures what that does to zero-shot and
/// few-shot ability.
#[derive(Debug, Parser)]
#[command(name = "floe", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Sweep(sweep::Args),
    Presets(presets::Args),
    Init(init::Args),
    Pretrain(pretrain::Args),
    Finetune(finetune::Args),
    Eval(eval::Args),
    Report(report::Args),
    Devices(devices::Args),
    Check(check::Args),
    Bench(bench::Args),
    Tune(tune::Args),
    #[command(hide = true)]
    Probe(probe::Args),
}

/// Parses the arguments and runs the command; exits on wrong usage.
pub fn main() -> Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("floe=info,error"))
        .format(|out, record| match record.level() {
            log::Level::Info => writeln!(out, "{}", record.args()),
            level => writeln!(out, "{}: {}", level.as_str().to_lowercase(), record.args()),
        })
        .init();
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Presets(args) => presets::run(args),
        Command::Init(args) => init::run(args),
        Command::Pretrain(args) => pretrain::run(args),
        Command::Finetune(args) => finetune::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Report(args) => report::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Check(args) => check::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Probe(args) => probe::run(args),
    }
}

/// Set by Ctrl-C or a termination signal; a second one ends the process at once.
fn stop_flag() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    let set = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    if let Err(e) = set {
        log::warn!("Ctrl-C will not save a checkpoint: {e}");
    }
    &STOP
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Rows as a table with aligned columns; the first row is the header.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}")).collect::<Vec<_>>();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}
