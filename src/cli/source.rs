//! Arguments that several commands share.

use super::mend::of_flag;
use crate::check::{self, Row};
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::gpu::{self, Engine};
use crate::job::Experiment;
use crate::kernels::{KERNELS, Tuning, VARIANTS};
use crate::store::atomic::is_special;
use crate::store::rundir::{Begun, Chosen};
use crate::train::finished::Found;
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

/// The experiment that weights belong to.
#[derive(Debug, clap::Args)]
pub struct Borrowed {
    /// The experiment of the weights, instead of the one that a checkpoint has with it: a preset, a TOML file or a run
    /// directory. Weights that another program saved have none
    #[arg(long, value_name = "PRESET|FILE.toml|DIR")]
    pub config: Option<String>,
    /// Change a key of the experiment, for instance `--set eval.prompts=1000`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl Borrowed {
    /// Weights, and which of `experiments` is theirs; it is added if it is none of them.
    ///
    /// # Errors
    /// Weights without an experiment; data that are not those that the weights were made from, where nobody asked for
    /// others.
    pub fn open(&self, path: &Path, experiments: &mut Vec<Experiment>) -> Result<(usize, Found)> {
        let found = Found::read(path)?;
        let config = self.config(&found)?;
        let place = experiments.iter().position(|experiment| experiment.config == config);
        let place = match place {
            Some(place) => place,
            None => {
                experiments.push(Experiment::open(config)?);
                experiments.len() - 1
            }
        };
        self.check(&found, &experiments[place])?;
        Ok((place, found))
    }

    /// The configuration of weights.
    pub fn config(&self, found: &Found) -> Result<Config> {
        let origin = found.path.display().to_string();
        match (&self.config, &found.noted.config) {
            (Some(source), _) => config::load(source, &self.sets),
            (None, Some(text)) => config::resolve_made(&origin, text, &self.sets),
            (None, None) => {
                let mend = "name its experiment by --config PRESET|FILE.toml";
                Err(Error::file(&found.path, format!("does not say which experiment it belongs to; {mend}")))
            }
        }
    }

    /// Holds that what is read now is what the weights were made from, unless other data were asked for.
    pub fn check(&self, found: &Found, experiment: &Experiment) -> Result<()> {
        let Some(how) = experiment.identity.data_differ(&found.noted) else { return Ok(()) };
        let path = &found.path;
        let named = |set: &String| set.trim_start().starts_with("task");
        if self.config.is_some() || self.sets.iter().any(named) {
            log::info!("{}: other data, as asked for: {how}", path.display());
            return Ok(());
        }
        // Another seed, or prompts of other lengths, divide the same table otherwise.
        let same =
            found.noted.data.iter().flatten().zip(&experiment.identity.data).all(|(a, b)| a.same_bytes(b));
        if same && !self.sets.is_empty() {
            return Ok(());
        }
        let mend = "put the file back as it was, or ask for other data by --set task.…";
        Err(Error::config(path.display().to_string(), format!("was made from other data: {how}; {mend}")))
    }
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
        self.open_with(false)
    }

    /// With cooperative matrices where they are asked for.
    fn open_with(&self, matrices: bool) -> Result<Engine> {
        let engine = gpu::open_with(&self.device, matrices).map_err(|e| of_flag("--device", e))?;
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
        let (engine, tuning, chosen) = self.open_unproved(begun)?;
        prove(&engine, &tuning)?;
        Ok((engine, tuning, chosen))
    }

    /// The same whether or not products are right there, for who is to find out.
    pub fn open_unproved(&self, begun: Option<Begun>) -> Result<(Engine, Tuning, Chosen)> {
        if let (Some(begun), Some(asked)) = (&begun, &self.variant)
            && begun.variant != *asked
        {
            return Err(Error::Usage(format!(
                "--variant `{asked}`, but what is resumed began with `{}`, and another gives other last bits; leave \
                 --variant out, or start again with another --out",
                begun.variant
            )));
        }
        let name = begun.as_ref().map(|begun| &begun.variant).or(self.variant.as_ref());
        let matrices =
            VARIANTS.iter().any(|variant| variant.matrices && Some(variant.name) == name.map(|n| n.as_str()));
        let engine = self.adapter.open_with(matrices)?;
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
            (None, Some(name)) => {
                (Tuning::named(name, adapter).map_err(|e| of_flag("--variant", e))?, Chosen::Flag)
            }
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

/// Holds that cooperative matrices, which some drivers get wrong, give the products of the definition on this adapter: a
/// variant of them is taken only after that.
fn prove(engine: &Engine, tuning: &Tuning) -> Result<()> {
    if !tuning.matrices {
        return Ok(());
    }
    let kernel = KERNELS.iter().find(|kernel| kernel.stem == "matmul").expect("a registered kernel");
    trusted(&check::of(kernel, engine, tuning)?, tuning.name, &engine.adapter().name)
}

/// Refuses a variant one of whose products is red.
fn trusted(rows: &[Row], variant: &str, adapter: &str) -> Result<()> {
    match rows.iter().find(|row| !row.passes()) {
        None => Ok(()),
        Some(red) => Err(Error::Parity(format!(
            "variant `{variant}` is not taken on {adapter}: its products are wrong there (matmul: {}: {}); leave --variant out",
            red.case, red.failure
        ))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_with_a_wrong_product_is_not_taken() {
        let row = |failure: &str| Row {
            kernel: "matmul",
            case: "NT [5, 3, 4]".into(),
            distance: failure.is_empty().then_some(crate::compare::Distance { rms: 0.0, max: 0.0 }),
            failure: failure.into(),
        };
        assert!(trusted(&[row("")], "gpu-matrix", "a card").is_ok());
        let refused = trusted(&[row(""), row("`c` is off")], "gpu-matrix", "a card").unwrap_err().to_string();
        for part in ["gpu-matrix", "a card", "NT [5, 3, 4]: `c` is off", "leave --variant out"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
}
