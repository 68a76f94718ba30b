//! Arguments that several commands share.

use crate::checkpoint::is_special;
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::gpu::{self, Engine};
use crate::kernels::Tuning;
use crate::rundir::{self, Begun, Chosen};
use crate::tune;
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
    config::resolve_made(&checkpoint.display().to_string(), &text, sets)
}

/// Which device to use.
#[derive(Debug, clap::Args)]
pub struct Adapter {
    /// `auto` (discrete, integrated, virtual, then CPU), an index of `floe devices`, or a part of a name
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
}

impl Adapter {
    pub fn open(&self) -> Result<Engine> {
        let engine = gpu::open(&self.device)?;
        let adapter = engine.adapter();
        log::info!("{} ({}, {} {})", adapter.name, adapter.backend, adapter.driver, adapter.driver_info);
        Ok(engine)
    }
}

/// Which device to use, and how kernels split their work on it.
#[derive(Debug, clap::Args)]
pub struct Device {
    #[command(flatten)]
    pub adapter: Adapter,
    /// How kernels split their work, such as `cpu`, `cpu-lane`, `gpu` or `gpu-fused`; if not given, what `floe tune`
    /// chose for this device, or else by its kind
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
}

impl Device {
    /// The device, and how kernels split their work on it.
    pub fn open(&self) -> Result<(Engine, Tuning)> {
        let (engine, tuning, _) = self.open_for(None)?;
        Ok((engine, tuning))
    }

    /// The same for work that may have begun with a variant: it goes on with that one, to the same bits.
    ///
    /// # Errors
    /// `--variant` is another, or the device has not the means for it.
    pub fn open_for(&self, begun: Option<Begun>) -> Result<(Engine, Tuning, Chosen)> {
        if let (Some(begun), Some(asked)) = (&begun, &self.variant)
            && begun.variant != *asked
        {
            return Err(Error::Usage(format!(
                "--variant `{asked}`, but what is resumed began with `{}`, and another gives other last bits; leave \
                 --variant out, or start again with another --out",
                begun.variant
            )));
        }
        let engine = self.adapter.open()?;
        let adapter = engine.adapter();
        let (tuning, chosen) = match (begun, &self.variant) {
            (Some(begun), _) => {
                let tuning = Tuning::named(&begun.variant, adapter).map_err(|_| {
                    Error::Usage(format!(
                        "what is resumed began with variant `{}`, which {} has not the means for; go on where it \
                         began, or start again with another --out",
                        begun.variant, adapter.name
                    ))
                })?;
                log::info!("variant `{}`, as at the beginning", tuning.name);
                (tuning, begun.chosen)
            }
            (None, Some(name)) => (Tuning::named(name, adapter)?, Chosen::Flag),
            (None, None) => match tune::chosen(adapter) {
                Some(tuning) => {
                    log::info!("variant `{}`, chosen by `floe tune`", tuning.name);
                    (tuning, Chosen::Tuned)
                }
                None => (Tuning::of(adapter), Chosen::Default),
            },
        };
        Ok((engine, tuning, chosen))
    }
}

/// The resumable state beside a checkpoint.
///
/// # Errors
/// The checkpoint has the name of such a state, or its place is no file's.
pub fn state_beside(checkpoint: &Path) -> Result<PathBuf> {
    let name = checkpoint.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let wrong = if name.ends_with(".state.safetensors") {
        "is the name of a training state; choose one that does not end in `.state.safetensors`"
    } else if is_special(checkpoint) {
        "is no file; a checkpoint needs a place where a training state can be kept beside it"
    } else {
        let mut beside = checkpoint.to_path_buf();
        // `a.1` and `a.2` have states of their own.
        let named = checkpoint.extension().is_some_and(|ending| ending == "safetensors");
        let whole = if named { beside.file_stem() } else { beside.file_name() };
        let mut whole = whole.unwrap_or_default().to_os_string();
        whole.push(".state.safetensors");
        beside.set_file_name(whole);
        return Ok(beside);
    };
    Err(Error::Usage(format!("--out {}: {wrong}", checkpoint.display())))
}
