//! The command line: one file a subcommand, arguments to validated configuration, no logic.

mod bench;
mod check;
mod devices;
mod eval;
mod finetune;
mod init;
mod language;
mod mend;
mod places;
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
    Model(language::model::Args),
    Merge(language::merge::Args),
    Generate(language::generate::Args),
    Tokenizer(language::tokenizer::Args),
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
            | Command::Generate(_)
            | Command::Probe(_) => true,
            Command::Presets(_) | Command::Init(_) | Command::Report(_) | Command::Tokenizer(_) => false,
            Command::Model(_) | Command::Merge(_) | Command::Devices(_) => false,
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
    let command = arguments()?.command;
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
        Command::Model(args) => language::model::run(args),
        Command::Merge(args) => language::merge::run(args),
        Command::Generate(args) => language::generate::run(args),
        Command::Tokenizer(args) => language::tokenizer::run(args),
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

/// Prints lines to standard output, whatever names are in them.
///
/// # Errors
/// What is printed is what was asked for, so that a full disk is an error. A reader that has gone away (`| head`) is
/// none: it has what it wanted.
fn print(text: &str) -> Result<()> {
    print_raw(&escape::lines(text))
}

/// [`print`] of JSON.
fn print_json(text: &str) -> Result<()> {
    print_raw(&escape::json(text))
}

fn print_raw(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn printed(outcome: std::io::Result<()>) -> Result<()> {
    match outcome {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            let mend = "what was to be printed is lost; send it to a place with room";
            Err(Error::file("standard output", format!("cannot be written: {e}; {mend}")))
        }
        _ => Ok(()),
    }
}

/// Says what went wrong and what can be done about it, in one line that is safe to show. A reader of standard error that has gone away is no reason
/// to panic.
pub fn say(error: &Error) {
    let words = mend::told(error) + &mend::mend(error);
    let _ = writeln!(std::io::stderr(), "floe: {}", escape::line(&words));
}

/// The arguments as they were given; help and version are printed, and what is wrong is said, in the parser's words.
fn arguments() -> Result<Cli> {
    let said = match Cli::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(said) => said,
    };
    let plain = said.render().to_string();
    let safe = escape::lines(&plain);
    if said.use_stderr() {
        // Colours are the parser's, unless an argument brought some of its own.
        let own = std::env::args_os().any(|argument| argument.to_string_lossy().chars().any(escape::acts));
        let _ = if own { write!(std::io::stderr(), "{safe}") } else { said.print() };
        std::process::exit(2);
    }
    printed(said.print().and_then(|()| std::io::stdout().flush()))?;
    std::process::exit(0);
}

/// Rows as a table with aligned columns; the first row is the header.
fn table(rows: &[Vec<String>]) -> String {
    // A cell with the end of a line in it would be two.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape::line(cell).into_owned()).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}")).collect::<Vec<_>>();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}
