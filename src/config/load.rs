//! Reading, overriding and checking a [`Config`].

use super::draft::Draft;
use super::source::Text;
use super::{Config, TextConfig};
use crate::document::tree::Complaint;
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

/// An experiment of either family.
#[derive(Clone, Debug)]
pub enum Asked {
    /// On prompt models.
    Prompts(Box<Config>),
    /// On a language model.
    Text(Box<TextConfig>),
}

/// [`load`] of an experiment of either family.
///
/// # Errors
/// As there.
pub fn load_any(source: &str, sets: &[String]) -> Result<Asked> {
    let text = Text::open(source, "config.toml")?;
    let resolve = || {
        let draft = checked(&text, sets)?;
        match draft.is_text() {
            true => Ok(Asked::Text(Box::new(draft.text()?))),
            false => Ok(Asked::Prompts(Box::new(draft.config()?))),
        }
    };
    resolve().map_err(|complaint| text.error(complaint, sets))
}

/// [`load_any`] of an experiment on a language model whose text is at hand.
///
/// # Errors
/// As there, and an experiment of the other family.
pub fn resolve_language(origin: &str, text: &str, sets: &[String]) -> Result<TextConfig> {
    let text = Text::at_hand(origin, text);
    let resolve = || {
        let draft = checked(&text, sets)?;
        match draft.is_text() {
            true => draft.text(),
            false => {
                Err(Complaint::whole("is no experiment on a language model: its task.kind is not \"text\""))
            }
        }
    };
    resolve().map_err(|complaint| text.error(complaint, sets))
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

impl TextConfig {
    /// The TOML that [`load_any`] reads back as the same configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for a path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        written(self)
    }
}

impl Config {
    /// The TOML that [`load`] reads back as the same configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for a path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        written(self)
    }
}

fn written(config: &impl serde::Serialize) -> Result<String> {
    toml::to_string(config).map_err(|e| {
        Error::config("configuration", format!("cannot be written as TOML: {}", short(&e.to_string(), 200)))
    })
}

fn resolve(text: &Text, sets: &[String]) -> Result<Config> {
    let resolve = || {
        let draft = checked(text, sets)?;
        match draft.is_text() {
            true => {
                let message = "is an experiment on a language model, which only `floe run` takes";
                Err(Complaint::whole(message))
            }
            false => draft.config(),
        }
    };
    resolve().map_err(|complaint| text.error(complaint, sets))
}

/// An experiment that is no sweep, of known keys and types.
fn checked(text: &Text, sets: &[String]) -> std::result::Result<Draft, Complaint> {
    let mut draft = Draft::read(text, sets)?;
    if let Some((key, at)) = draft.axes.first().map(|axis| (&axis.key, axis.node.at)) {
        let message = format!(
            "`sweep.{key}` makes this a sweep: use `floe sweep`, or override it by sweep={{}} for the experiment without it"
        );
        return Err(Complaint { at, message });
    }
    draft.check()?;
    Ok(draft)
}
