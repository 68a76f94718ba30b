//! The user's file of chosen variants: one JSON file, an entry for each adapter, driver and version of floe.

use crate::bounded;
use crate::error::{Error, Result};
use crate::gpu::AdapterSummary;
use crate::store::atomic::atomic_write;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a choice holds for. Another driver or version may split work better otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The adapter's name.
    pub adapter: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// The driver's name.
    pub driver: String,
    /// Its version, in its own words.
    pub driver_info: String,
    /// Version of floe.
    pub floe: String,
}

/// A chosen variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it was measured on.
    #[serde(flatten)]
    pub key: Key,
    /// The variant that was fastest.
    pub variant: String,
    /// How products of matrices are cut, where they are; none in files from before that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// Tokens of a chunk of linear attention; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<usize>,
    /// Time of the paper's experiment with it, over that with the default variant.
    pub ratio: f64,
}

#[derive(Default, Serialize, Deserialize)]
struct Contents {
    entries: Vec<Entry>,
}

impl Key {
    /// Of an adapter and this version.
    pub fn of(adapter: &AdapterSummary) -> Self {
        Key {
            adapter: adapter.name.clone(),
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            driver_info: adapter.driver_info.clone(),
            floe: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// The file: `tune.json` in `FLOE_CACHE_DIR`, or else in the user's cache directory. It may not exist.
///
/// # Errors
/// [`Error::Usage`] where no variable says what the user's cache directory is.
pub fn path() -> Result<PathBuf> {
    let directory = directory(|name| std::env::var_os(name), std::env::consts::OS);
    directory.map(|d| d.join("tune.json")).ok_or_else(|| {
        Error::Usage("there is no place to keep a choice: set FLOE_CACHE_DIR (or HOME) to a directory".into())
    })
}

/// `FLOE_CACHE_DIR`; `%LOCALAPPDATA%\floe` on Windows, `~/Library/Caches/floe` on macOS, `$XDG_CACHE_HOME/floe` or
/// `~/.cache/floe` elsewhere.
fn directory(variable: impl Fn(&str) -> Option<OsString>, system: &str) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = set("FLOE_CACHE_DIR") {
        return Some(own);
    }
    let users = match system {
        "windows" => set("LOCALAPPDATA"),
        "macos" => set("HOME").map(|home| home.join("Library").join("Caches")),
        // The XDG specification has relative paths ignored.
        _ => set("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| set("HOME").map(|home| home.join(".cache"))),
    };
    users.map(|directory| directory.join("floe"))
}

/// What was chosen; none if nothing was, for exactly this key.
///
/// # Errors
/// The file can't be read or understood; the message says what to do.
pub fn look_up(path: &Path, key: &Key) -> Result<Option<Entry>> {
    Ok(read(path)?.entries.into_iter().find(|entry| entry.key == *key))
}

/// Keeps a choice, in place of an earlier one for the same key. A damaged file is replaced, with a warning.
///
/// # Errors
/// The directory or file can't be written.
pub fn keep(path: &Path, entry: Entry) -> Result<()> {
    let mut contents = read(path).unwrap_or_else(|why| {
        log::warn!("{why}: it is replaced");
        Contents::default()
    });
    contents.entries.retain(|other| other.key != entry.key);
    contents.entries.push(entry);
    write(path, &contents)
}

/// Removes what was chosen for an adapter, with any driver and version; how many entries that were.
///
/// # Errors
/// The file can't be read, understood or written.
pub fn forget(path: &Path, key: &Key) -> Result<usize> {
    let mut contents = read(path)?;
    let before = contents.entries.len();
    contents.entries.retain(|e| (&e.key.adapter, &e.key.backend) != (&key.adapter, &key.backend));
    let removed = before - contents.entries.len();
    if removed > 0 {
        write(path, &contents)?;
    }
    Ok(removed)
}

fn read(path: &Path) -> Result<Contents> {
    let damaged = |why: &dyn std::fmt::Display| {
        Error::file(path, format!("can't be read ({why}); delete it or run `floe tune` again"))
    };
    match bounded::text(path, bounded::SMALL) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| damaged(&e)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Contents::default()),
        Err(e) => Err(damaged(&e)),
    }
}

fn write(path: &Path, contents: &Contents) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|e| {
            let mend = "set FLOE_CACHE_DIR to a directory that can be written";
            Error::file(directory, format!("can't be created: {e}; {mend}"))
        })?;
    }
    let text = serde_json::to_string_pretty(contents).map_err(|e| Error::file(path, e))?;
    atomic_write(path, (text + "\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(driver_info: &str, variant: &str) -> Entry {
        let key = Key {
            adapter: "a".into(),
            backend: "Vulkan".into(),
            driver: "d".into(),
            driver_info: driver_info.into(),
            floe: "0.1.0".into(),
        };
        Entry { key, variant: variant.into(), cut: None, chunk: None, ratio: 0.9 }
    }

    #[test]
    fn the_directory_is_the_systems() {
        let of = |system: &str, set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            directory(found, system).map(|p| p.display().to_string().replace('\\', "/"))
        };
        let home = ("HOME", "/u");
        assert_eq!(of("linux", &[home]).unwrap(), "/u/.cache/floe");
        assert_eq!(of("linux", &[home, ("XDG_CACHE_HOME", "/c")]).unwrap(), "/c/floe");
        assert_eq!(of("linux", &[home, ("XDG_CACHE_HOME", "c")]).unwrap(), "/u/.cache/floe");
        assert_eq!(of("linux", &[home, ("XDG_CACHE_HOME", "")]).unwrap(), "/u/.cache/floe");
        assert_eq!(of("macos", &[home, ("XDG_CACHE_HOME", "/c")]).unwrap(), "/u/Library/Caches/floe");
        assert_eq!(of("windows", &[("LOCALAPPDATA", "l")]).unwrap(), "l/floe");
        for system in ["linux", "macos", "windows"] {
            assert_eq!(of(system, &[home, ("LOCALAPPDATA", "l"), ("FLOE_CACHE_DIR", "o")]).unwrap(), "o");
            assert_eq!(of(system, &[]), None);
        }
    }

    #[test]
    fn entries_are_kept_replaced_and_forgotten_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join("tune.json");
        let (old, new) = (entry("1", "x"), entry("2", "y"));
        assert_eq!(look_up(&path, &old.key).unwrap(), None);
        assert_eq!(forget(&path, &old.key).unwrap(), 0);
        assert!(!path.exists(), "nothing is written where nothing is to be removed");
        keep(&path, old.clone()).unwrap();
        assert_eq!(look_up(&path, &new.key).unwrap(), None, "another driver is another key");
        keep(&path, new.clone()).unwrap();
        keep(&path, entry("1", "z")).unwrap();
        assert_eq!(look_up(&path, &old.key).unwrap().unwrap().variant, "z");
        assert_eq!(look_up(&path, &new.key).unwrap().unwrap(), new);
        assert_eq!(forget(&path, &new.key).unwrap(), 2, "every driver's");
        assert_eq!(look_up(&path, &old.key).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_told_and_can_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tune.json");
        for text in ["", "{", "[]", r#"{"entries": [{"variant": "x"}]}"#, "\u{0}\u{1}"] {
            std::fs::write(&path, text).unwrap();
            let message = look_up(&path, &entry("1", "x").key).unwrap_err().to_string();
            assert!(message.contains("tune.json") && message.contains("delete it or run"), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        keep(&path, entry("1", "x")).unwrap();
        assert!(look_up(&path, &entry("1", "x").key).unwrap().is_some());
    }
}
