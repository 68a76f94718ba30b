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

use crate::error::{Error, Result};
use crate::escape;
use crate::interrupt;
use clap::{Parser, Subcommand};
use std::io::Write;

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

impl Command {
    /// Whether it works for long, and asks on the way whether to go on.
    fn is_long(&self) -> bool {
        match self {
            Command::Run(_) | Command::Sweep(_) | Command::Pretrain(_) | Command::Finetune(_) => true,
            Command::Eval(_)
            | Command::Check(_)
            | Command::Bench(_)
            | Command::Tune(_)
            | Command::Probe(_) => true,
            Command::Presets(_) | Command::Init(_) | Command::Report(_) | Command::Devices(_) => false,
        }
    }
}

/// Parses the arguments and runs the command; exits on wrong usage.
pub fn main() -> Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("floe=info,error"))
        .format(|out, record| {
            // Here every line passes, whatever file a name in it came from.
            let words = record.args().to_string();
            let words = escape::line(&words);
            match record.level() {
                log::Level::Info => writeln!(out, "{words}"),
                level => writeln!(out, "{}: {words}", level.as_str().to_lowercase()),
            }
        })
        .init();
    let command = Cli::parse().command;
    if command.is_long() {
        hear_signals();
    }
    match command {
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

/// Hears Ctrl-C and termination signals from here on: work ends at the next place where it can. A second one ends the
/// process at once. Commands that do nothing long leave signals to the system.
fn hear_signals() {
    let set = ctrlc::set_handler(|| {
        if interrupt::ask() {
            std::process::exit(130);
        }
        let after = if interrupt::compiling() {
            " after the kernel that is being compiled"
        } else {
            " as soon as possible"
        };
        // A reader that has gone away hears nothing.
        let _ = writeln!(std::io::stderr(), "interrupted; stopping{after} (once more to end at once)");
    });
    if let Err(e) = set {
        log::warn!("Ctrl-C will end this at once: {e}");
    }
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says what went wrong, in one line that is safe to show. A reader of standard error that has gone away is no reason
/// to panic.
pub fn say(error: &Error) {
    let _ = writeln!(std::io::stderr(), "floe: {}", escape::line(&error.to_string()));
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
