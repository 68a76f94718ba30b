//! `floe init`

use super::print;
use crate::config::{PRESETS, preset};
use crate::error::{Error, Result};

/// Print a preset's TOML, every key commented, to start an experiment of your own
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One of `floe presets`
    preset: String,
}

pub fn run(args: Args) -> Result<()> {
    let Some(found) = preset(&args.preset) else {
        let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
        return Err(Error::Usage(format!("no preset `{}`; there are {}", args.preset, names.join(", "))));
    };
    print(found.toml)
}
