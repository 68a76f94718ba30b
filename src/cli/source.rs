//! Arguments that several commands share.

use crate::config::{self, Config};
use crate::error::Result;
use crate::gpu::{self, Engine};
use crate::kernels::Tuning;
use crate::rundir;
use std::path::{Path, PathBuf};

/// Where the experiment comes from.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// A preset (see `floe presets`), a TOML file, or a run directory
    #[arg(value_name = "PRESET|FILE.toml|DIR")]
    pub source: String,
    /// Change a key of the configuration, for instance `--set pretrain.steps=500`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl Source {
    pub fn load(&self) -> Result<Config> {
        config::load(&self.source, &self.sets)
    }
}

/// The experiment of a checkpoint, changed by `--set`.
pub fn config_of(checkpoint: &Path, sets: &[String]) -> Result<Config> {
    let text = rundir::config_of(checkpoint)?;
    config::resolve_text(&checkpoint.display().to_string(), &text, sets)
}

/// Which device to use.
#[derive(Debug, clap::Args)]
pub struct Device {
    /// `auto` (discrete, integrated, virtual, then CPU), an index of `floe devices`, or a part of a name
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// How kernels split their work: `cpu`, `cpu-lane`, `cpu-tokens`, `gpu` or `gpu-fused`; by the kind of device if not given
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
}

impl Device {
    /// The device, and how kernels split their work on it.
    pub fn open(&self) -> Result<(Engine, Tuning)> {
        let engine = gpu::open(&self.device)?;
        let adapter = engine.adapter();
        log::info!("{} ({}, {} {})", adapter.name, adapter.backend, adapter.driver, adapter.driver_info);
        let tuning = match &self.variant {
            Some(name) => Tuning::named(name, adapter)?,
            None => Tuning::of(adapter),
        };
        Ok((engine, tuning))
    }
}

/// The resumable state beside a checkpoint.
pub fn state_beside(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension("state.safetensors")
}
