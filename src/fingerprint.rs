//! What a result was made from: its configuration and the data read. Files carry both, and whoever reads one back
//! compares, so that no number passes for that of another experiment.

use crate::config;
use crate::error::{Error, Result, shown};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys that leave no trace in any number or line: how often a state is kept.
const TRACELESS: [&str; 1] = ["record.checkpoint_every"];
/// Where data lie, which says nothing once it is known what they are.
const PATHS: [&str; 5] = ["task.path", "task.covariance.file", "task.train", "task.validation", "model.from"];

/// A data file as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// Without its directory.
    pub name: String,
    /// As it lies on disk.
    pub bytes: u64,
    /// Of the bytes as they lie on disk, like `sha256sum`.
    pub sha256: String,
}

impl FileRead {
    /// What `bytes` from `path` are.
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        FileRead { name, bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }
}

/// The data of an experiment. Made-up data, which the configuration says in full, have no files and no columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Data {
    /// Each that was read.
    pub files: Vec<FileRead>,
    /// The features, then the target.
    pub columns: Vec<String>,
    /// Hash of each column's mean and deviation over the rows to pre-train on; empty where nothing is standardised.
    pub standardisation: String,
}

impl Data {
    /// The hash of means and deviations.
    pub fn standardised(mean: &[f64], std: &[f64]) -> String {
        let bytes: Vec<u8> = mean.iter().chain(std).flat_map(|x| x.to_bits().to_le_bytes()).collect();
        sha256(&bytes)[..16].to_string()
    }

    /// Whether the same bytes were read, whatever the files are called.
    pub fn same_bytes(&self, other: &Data) -> bool {
        let hashes = |data: &Data| data.files.iter().map(|f| f.sha256.clone()).collect::<Vec<_>>();
        hashes(self) == hashes(other)
    }

    fn same(&self, other: &Data) -> bool {
        self.same_bytes(other)
            && self.columns == other.columns
            && self.standardisation == other.standardisation
    }

    /// In words, for a message.
    pub fn words(&self) -> String {
        let file = |f: &FileRead| {
            let hash = f.sha256.get(..12).unwrap_or(&f.sha256);
            format!("{} of {} bytes, sha256 {}…", shown(&f.name), f.bytes, shown(hash))
        };
        let mut words = match self.files.as_slice() {
            [] => "no file".to_string(),
            files => files.iter().map(file).collect::<Vec<_>>().join(" and "),
        };
        if !self.columns.is_empty() {
            words += &format!(", columns {}", shown(&self.columns.join(", ")));
        }
        if !self.standardisation.is_empty() {
            words += &format!(", standardisation {}", shown(&self.standardisation));
        }
        words
    }
}

/// What an experiment, or a sweep of some, is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The resolved file as TOML.
    pub config: String,
    /// Of an experiment one, of a sweep each that differs, in order.
    pub data: Vec<Data>,
    /// Of a phase: the hash of the weights that it starts from.
    pub start: Option<String>,
}

/// What a file says it was made from, as far as it does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    /// TOML.
    pub config: Option<String>,
    /// What was read.
    pub data: Option<Vec<Data>>,
    /// The hash of the weights that it starts from.
    pub start: Option<String>,
}

/// As it stands in `run.json` and `sweep.json`; those from before it was written say nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// [`Identity::short`]; empty where a file does not say.
    pub fingerprint: String,
    /// TOML.
    pub config: Option<String>,
    /// What was read.
    pub data: Option<Vec<Data>>,
}

impl Record {
    /// What it says.
    pub fn noted(&self) -> Noted {
        Noted { config: self.config.clone(), data: self.data.clone(), start: None }
    }
}

impl Identity {
    /// Of data read under a configuration.
    pub fn new(config: String, data: Vec<Data>) -> Self {
        let mut kept: Vec<Data> = Vec::new();
        for one in data {
            if !kept.contains(&one) {
                kept.push(one);
            }
        }
        Identity { config, data: kept, start: None }
    }

    /// That of a phase which starts from these weights.
    pub fn from(&self, params: &[f32]) -> Self {
        let bytes: Vec<u8> = params.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
        Identity { start: Some(sha256(&bytes)[..16].to_string()), ..self.clone() }
    }

    /// An `f` and 15 hexadecimal digits that stand for configuration and data. Keys at their defaults, how often states are kept
    /// and where data lie have no part in it.
    pub fn short(&self) -> String {
        let mut text = String::new();
        for (key, value) in config::settings(&self.config, false) {
            if !TRACELESS.contains(&key.as_str()) && !PATHS.contains(&key.as_str()) {
                text += &format!("{key} = {value}\n");
            }
        }
        for data in &self.data {
            for file in &data.files {
                text += &format!("file {}\n", file.sha256);
            }
            text += &format!("columns {:?}\nstandardisation {}\n", data.columns, data.standardisation);
        }
        // A letter before the digits, so that no reader of tables takes it for a number.
        format!("f{}", &sha256(text.as_bytes())[..15])
    }

    /// As it is written to a file.
    pub fn record(&self) -> Record {
        let (config, data) = (Some(self.config.clone()), Some(self.data.clone()));
        Record { fingerprint: self.short(), config, data }
    }

    /// As it stands beside the tensors of a checkpoint.
    pub fn metadata(&self) -> impl Iterator<Item = (String, String)> {
        let data = serde_json::to_string(&self.data).expect("names and numbers");
        let pairs = [("config", self.config.clone()), ("data", data), ("fingerprint", self.short())];
        let start = self.start.clone().map(|start| ("start", start));
        pairs.into_iter().chain(start).map(|(key, value)| (key.to_string(), value))
    }

    /// How what a file was made from differs from this, in words; none if it does not, or does not say.
    pub fn differs(&self, noted: &Noted) -> Option<String> {
        self.config_differs(noted, &[])
            .or_else(|| self.data_differ(noted))
            .or_else(|| self.start_differs(noted))
    }

    /// That they start from other weights, if they do.
    pub fn start_differs(&self, noted: &Noted) -> Option<String> {
        let (there, here) = (noted.start.as_ref()?, self.start.as_ref()?);
        let words = || format!("it starts from weights of sha256 {}… there, {here}… here", shown(there));
        (there != here).then(words)
    }

    /// The first key whose value is another there, those named in `besides` left out.
    pub fn config_differs(&self, noted: &Noted, besides: &[String]) -> Option<String> {
        let there = config::settings(noted.config.as_ref()?, true);
        let here = config::settings(&self.config, true);
        let counts = |key: &&String| {
            let moved = noted.data.is_some() && PATHS.contains(&key.as_str());
            !moved && !TRACELESS.contains(&key.as_str()) && !besides.contains(key)
        };
        let differ = |key: &&String| there.get(*key) != here.get(*key);
        let mut keys = here.keys().chain(there.keys().filter(|key| !here.contains_key(*key)));
        let first = keys.by_ref().filter(counts).find(differ)?;
        let more = keys.filter(counts).filter(differ).count();
        let value = |settings: &BTreeMap<String, String>| {
            settings.get(first).map_or("not set".to_string(), |value| shown(value))
        };
        let more = match more {
            0 => String::new(),
            1 => " (and another key differs)".into(),
            n => format!(" (and {n} other keys differ)"),
        };
        Some(format!("{} is {} there, {} here{more}", shown(first), value(&there), value(&here)))
    }

    /// What was read there and what is read here, if that is not the same.
    pub fn data_differ(&self, noted: &Noted) -> Option<String> {
        let there = noted.data.as_ref()?;
        if there.len() != self.data.len() {
            return Some(format!("{} sets of data were read there, {} here", there.len(), self.data.len()));
        }
        let (there, here) = there.iter().zip(&self.data).find(|(there, here)| !there.same(here))?;
        Some(format!("the data were {} there, and are {} here", there.words(), here.words()))
    }

    /// Keys that differ, with their values there and here.
    pub fn differing(&self, noted: &Noted) -> Vec<(String, Option<String>, Option<String>)> {
        let there = noted.config.as_ref().map(|text| config::settings(text, true)).unwrap_or_default();
        let here = config::settings(&self.config, true);
        let mut keys: Vec<&String> = there.keys().chain(here.keys()).collect();
        keys.sort();
        keys.dedup();
        let pair = |key: &String| (key.clone(), there.get(key).cloned(), here.get(key).cloned());
        let counts = |key: &&String| !TRACELESS.contains(&key.as_str());
        keys.into_iter().filter(counts).map(pair).filter(|(_, there, here)| there != here).collect()
    }
}

impl Noted {
    /// From what stands beside a checkpoint's tensors.
    ///
    /// # Errors
    /// A `data` that is no such record.
    pub fn of(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Noted> {
        let broken = |e: serde_json::Error| {
            Error::file(path, format!("what it says of its data can't be read: {}", shown(&e.to_string())))
        };
        let data = metadata.get("data").map(|text| serde_json::from_str(text)).transpose().map_err(broken)?;
        Ok(Noted { config: metadata.get("config").cloned(), data, start: metadata.get("start").cloned() })
    }

    /// From a `run.json` or `sweep.json`; one from before this was written, or that another hand has changed, says
    /// nothing.
    pub fn of_json(text: &str) -> Noted {
        serde_json::from_str::<Record>(text).map(|record| record.noted()).unwrap_or_default()
    }
}

/// Keys that say where data lie.
pub fn paths() -> Vec<String> {
    PATHS.map(String::from).into()
}

/// Hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
