//! `floe presets`

use super::{print, table};
use crate::config::PRESETS;
use crate::error::Result;

/// List the experiments that come with floe
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<()> {
    let rows: Vec<Vec<String>> = PRESETS.iter().map(|p| vec![p.name.into(), p.about.into()]).collect();
    print(&table(&rows))
}
