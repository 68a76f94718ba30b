//! Where a configuration is read from, and how complaints about it name their place.

use super::presets::{PRESETS, preset};
use crate::bounded;
use crate::document::tree::{At, Complaint};
use crate::document::words;
use crate::error::{Error, Result};
use crate::escape::short;
use std::path::{Path, PathBuf};

/// A file's text with what errors call it.
pub(super) struct Text {
    pub origin: String,
    /// Where relative paths are taken from; the current directory if there is none.
    pub directory: Option<PathBuf>,
    pub text: String,
    /// Whether something was made by it: its methods are called what they are called.
    pub made: bool,
}

impl Text {
    /// The text of a preset, a file, or a directory's `inside` (or whichever of the two files it has).
    pub fn open(source: &str, inside: &str) -> Result<Text> {
        if let Some(preset) = preset(source) {
            return Ok(Text::at_hand(&format!("preset {source}"), preset.toml));
        }
        let mut path = PathBuf::from(source);
        if path.is_dir() {
            let held =
                [inside, "config.toml", "sweep.toml"].into_iter().find(|name| path.join(name).exists());
            path.push(held.unwrap_or(inside));
        }
        let inside_of = path.parent().filter(|_| path != Path::new(source));
        let bytes = bounded::bytes(&path, bounded::SMALL).map_err(|e| match (e.kind(), inside_of) {
            (std::io::ErrorKind::NotFound, Some(directory)) => {
                let mend = "give a run's or a sweep's directory, or the .toml file itself";
                Error::config(
                    directory.display().to_string(),
                    format!("is a directory without {inside}; {mend}"),
                )
            }
            (std::io::ErrorKind::NotFound, None) => no_source(source, &e),
            _ => Error::config(path.display().to_string(), format!("cannot be read: {e}")),
        })?;
        let origin = path.display().to_string();
        let text = decode(bytes, &origin)?;
        Ok(Text { origin, directory: path.parent().map(Path::to_path_buf), text, made: false })
    }

    pub fn at_hand(origin: &str, text: &str) -> Text {
        Text { origin: origin.to_string(), directory: None, text: text.to_string(), made: false }
    }

    /// A complaint as an error that names its place.
    pub fn error(&self, complaint: Complaint, sets: &[String]) -> Error {
        let place = match complaint.at {
            At::Whole => self.origin.clone(),
            At::Line(line) => format!("{}:{line}", self.origin),
            At::Set(i) => format!("override {}", short(&sets[i], 80)),
        };
        Error::config(place, short(&complaint.message, 600))
    }
}

/// The text of a file's bytes.
fn decode(bytes: Vec<u8>, origin: &str) -> Result<String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.get(1) == Some(&0) {
        return Err(Error::config(
            format!("{origin}:1"),
            "not UTF-8 text but UTF-16; save the file as UTF-8",
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..valid].iter().filter(|&&b| b == b'\n').count() + 1;
        let what = format!("not UTF-8 text (byte 0x{:02x}; Latin-1?)", e.as_bytes()[valid]);
        Error::config(format!("{origin}:{line}"), format!("{what}; save the file as UTF-8"))
    })
}

fn no_source(source: &str, error: &std::io::Error) -> Error {
    let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
    let preset =
        words::closest(source.trim_end_matches(".toml"), &names).map(|n| format!("did you mean `{n}`? "));
    let file = || words::missing_file(Path::new(source), error).map(|why| format!("{why}; "));
    let message = format!(
        "no such preset or file; {}the presets are {}; anything else is the path of a .toml file",
        preset.or_else(file).unwrap_or_default(),
        names.join(", ")
    );
    Error::config(short(source, 200), message)
}
