//! `floe run`

use super::places::Places;
use super::progress::Show;
use super::source::{Device, Source};
use super::{print, table};
use crate::config::{self, Asked};
use crate::error::{Error, Result};
use crate::job::{Machine, family, open, run};
use crate::profile;
use crate::store::rundir::{self, Open, RunDir};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Pre-train, fine-tune by every method, evaluate and report
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) source: Source,
    /// Directory to write; `runs/<preset>` (numbered if taken) if not given
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) device: Device,
    /// Go on with an interrupted run of the same configuration
    #[arg(long)]
    pub(super) resume: bool,
    /// Go on with a run whose phases are to be longer now (--set pretrain.steps=…): each from its weights and moments,
    /// with its schedules drawn out; what starts from a longer phase is trained again
    #[arg(long)]
    pub(super) extend: bool,
    /// Time every launch of training: prints a table, and what the device held, and writes a trace for Perfetto as
    /// `trace.json`
    #[arg(long)]
    pub(super) profile: bool,
}

pub fn run(args: Args) -> Result<()> {
    let config = match config::load_any(&args.source.source, &args.source.sets)? {
        Asked::Prompts(config) => *config,
        Asked::Text(config) => return super::language::run::run(*config, args),
    };
    let going_on = args.resume || args.extend;
    let out = directory(args.out, &args.source, going_on, "run")?;
    let experiment = open::open(config)?;
    Places::default().read_data(experiment.config()).write_run(&out).check()?;
    let begun = if going_on { rundir::begun(&out) } else { None };
    let (engine, tuning, chosen) = args.device.open_for(begun)?;
    let times = RefCell::default();
    let timing = args.profile.then_some(&times);
    let machine = Machine { chosen, profile: timing, ..Machine::new(&engine, tuning) };
    family::check(&*experiment, machine)?;
    let how = match (args.extend, args.resume) {
        (true, _) => Open::Extend,
        (false, true) => Open::Resume,
        (false, false) => Open::New,
    };
    if args.extend {
        run::extend::check(&*experiment, &RunDir::at(&out))?;
    }
    let dir = RunDir::open(&out, experiment.identity(), how)?;
    if args.extend {
        run::extend::directory(&*experiment, &dir)?;
    }
    let outcome = run::run(&*experiment, machine, &dir, &mut Show::new());
    if let Err(Error::Interrupted(at)) = outcome {
        let again = again("run", &out);
        return Err(Error::Interrupted(format!("{at}; the checkpoint is saved, go on with `{again}`")));
    }
    outcome?;
    if args.profile {
        let times = times.borrow();
        if times.is_empty() {
            log::warn!("nothing was timed: this adapter has no timestamps, or no step was left to train");
        } else {
            dir.write("trace.json", &times.trace())?;
            print(&table(&times.rows()))?;
        }
        print(&format!("\n{}", table(&profile::memory(&engine.ledger()))))?;
    }
    print(&format!("{}\n", out.join("report.html").display()))
}

/// Where a run or sweep goes: `--out`, else the directory it comes from, else `runs/<name>`.
pub(super) fn directory(out: Option<PathBuf>, source: &Source, resume: bool, what: &str) -> Result<PathBuf> {
    let from = Path::new(&source.source);
    match out {
        Some(out) => Ok(out),
        None if from.is_dir() => Ok(from.to_path_buf()),
        None if resume => Err(Error::Usage(format!("--resume needs --out DIR, the {what} to go on with"))),
        None => Ok(free(from)),
    }
}

/// The command that goes on with what is in a directory.
pub(super) fn again(command: &str, out: &Path) -> String {
    let dir = out.display().to_string();
    let quoted = if dir.contains(' ') { format!("'{dir}'") } else { dir };
    format!("floe {command} {quoted} --resume")
}

/// `runs/<name>`, or the first of `runs/<name>-2`, … that is not there yet.
fn free(source: &Path) -> PathBuf {
    let stem = source.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = |n: u32| if n == 1 { stem.clone() } else { format!("{stem}-{n}") };
    (1..).map(|n| Path::new("runs").join(name(n))).find(|p| !p.exists()).expect("a free number")
}
