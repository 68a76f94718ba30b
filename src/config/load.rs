//! Reading, overriding and checking a [`Config`].

use super::Config;
use super::draft::Draft;
use super::source::Text;
use super::tree::Complaint;
use crate::error::{Error, Result};
use crate::escape::short;

/// The validated experiment of a preset, a `.toml` file or a run directory (its `config.toml`), with `key=value`
/// overrides applied in order; a later one wins.
///
/// Relative paths in a file are taken from the file's directory, those in an override from the current one; in
/// the result they are absolute. Every error is an [`Error::Config`] that names the file and line or the override.
pub fn load(source: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text::open(source, "config.toml")?, sets)
}

/// [`load`] of a text that is at hand; `origin` names it in errors. Relative paths are taken from the current
/// directory.
pub fn resolve_text(origin: &str, text: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text::at_hand(origin, text), sets)
}

/// [`resolve_text`] of the configuration in a checkpoint, which names of methods that are refused today do not make
/// unreadable.
pub fn resolve_made(origin: &str, text: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text { made: true, ..Text::at_hand(origin, text) }, sets)
}

impl Config {
    /// The TOML that [`load`] reads back as the same configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for a path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| {
            Error::config(
                "configuration",
                format!("cannot be written as TOML: {}", short(&e.to_string(), 200)),
            )
        })
    }
}

fn resolve(text: &Text, sets: &[String]) -> Result<Config> {
    let resolve = || {
        let mut draft = Draft::read(text, sets)?;
        if let Some((key, at)) = draft.axes.first().map(|axis| (&axis.key, axis.node.at)) {
            let message = format!(
                "`sweep.{key}` makes this a sweep: use `floe sweep`, or override it by sweep={{}} for the experiment without it"
            );
            return Err(Complaint { at, message });
        }
        draft.check()?;
        draft.config()
    };
    resolve().map_err(|complaint| text.error(complaint, sets))
}
