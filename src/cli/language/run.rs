//! `floe run` of an experiment on a language model.

use super::super::places::Places;
use super::super::print;
use super::super::progress::Show;
use super::super::run::{Args, again, directory};
use super::super::source::Device;
use crate::config::TextConfig;
use crate::error::{Error, Result};
use crate::finetune::{self, Experiment};
use crate::job::Machine;
use crate::store::rundir::{self, Open, RunDir};
use std::path::Path;

pub fn run(config: TextConfig, args: Args) -> Result<()> {
    if args.extend || args.profile {
        let flag = if args.extend { "--extend" } else { "--profile" };
        return Err(Error::Usage(format!("{flag}: runs on language models don't have it yet; leave it out")));
    }
    let out = directory(args.out, &args.source, args.resume, "run")?;
    let how = if args.resume { Open::Resume } else { Open::New };
    into(config, &out, how, &args.device)
}

/// Runs an experiment into a directory, or goes on with it.
pub fn into(config: TextConfig, out: &Path, how: Open, device: &Device) -> Result<()> {
    let mut places = Places::default();
    if !config.model.from.as_os_str().is_empty() {
        places = places.read("the model", &config.model.from);
    }
    for path in config.task.train.iter().chain(&config.task.validation) {
        places = places.read("a text", path);
    }
    places.write_run(out).check()?;
    let experiment = Experiment::open(config)?;
    let begun = if how == Open::Resume { rundir::begun(out) } else { None };
    let (engine, tuning, chosen) = device.open_for(begun)?;
    let machine = Machine { chosen, ..Machine::new(&engine, tuning) };
    finetune::check(&experiment, machine)?;
    let dir = RunDir::open(out, &experiment.identity, how)?;
    match finetune::run(&experiment, machine, &dir, &mut Show::new()) {
        Err(Error::Interrupted(at)) => {
            let again = again("run", out);
            Err(Error::Interrupted(format!("{at}; go on with `{again}`")))
        }
        other => other.and_then(|()| print(&format!("{}\n", out.join("report.html").display()))),
    }
}
