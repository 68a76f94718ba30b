//! Whether what is on disk is of the experiment at hand, and finished models that are.

use super::{CONFIG, RunDir, read_if_there};
use crate::checkpoint::{self, Checkpoint};
use crate::error::{Error, Result, shown};
use crate::fingerprint::{self, Identity, Noted};
use crate::params::ParamTable;
use crate::train;
use std::path::{Path, PathBuf};

/// Holds that what the directory says it was made from is `identity`.
pub(super) fn directory(
    dir: &RunDir,
    (own, json): (&str, &str),
    identity: &Identity,
    longer: bool,
) -> Result<()> {
    let info = dir.root.join(json);
    let known = read_if_there(&info)?.map(|text| Noted::of_json(&text)).unwrap_or_default();
    let file = dir.root.join(own);
    let text = read_if_there(&file)?;
    // Where the data lie counts as long as it is not known what was read.
    let written = Noted { config: text, data: None, start: None };
    let mut besides = if known.data.is_some() { fingerprint::paths() } else { Vec::new() };
    if longer {
        besides.extend(steps(identity, &written).chain(steps(identity, &known)));
    }
    if let Some(how) = identity.config_differs(&written, &besides) {
        return Err(different(&file, &how, identity, &written));
    }
    let how = identity.config_differs(&known, &besides).or_else(|| identity.data_differ(&known));
    if let Some(how) = how {
        return Err(different(&info, &how, identity, &known));
    }
    // Where one of the two does not say, finished models do. A sweep's are of single cells.
    if own == CONFIG && (written.config.is_none() || known.config.is_none()) {
        models(dir, identity, longer)?;
    }
    Ok(())
}

fn models(dir: &RunDir, identity: &Identity, longer: bool) -> Result<()> {
    let directory = dir.root.join("checkpoints");
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(&directory).map_err(|e| Error::file(&directory, e))? {
        let path = entry.map_err(|e| Error::file(&directory, e))?.path();
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            continue;
        }
        let checkpoint = checkpoint::read(&path)?;
        match longer {
            true => same_but_steps(&path, &checkpoint, identity)?,
            false => same(&path, &checkpoint, identity)?,
        }
    }
    Ok(())
}

/// The arena of a finished model that is to be `name` of the experiment `identity`.
///
/// # Errors
/// It was made from another configuration or other data, or is another model.
pub fn load_finished(path: &Path, table: &ParamTable, identity: &Identity, name: &str) -> Result<Vec<f32>> {
    let checkpoint = checkpoint::read(path)?;
    same(path, &checkpoint, identity)?;
    if let Some(method) = checkpoint.metadata.get("method").filter(|method| *method != name) {
        let message = format!(
            "holds the model `{}`, not `{name}`; put the right file back, or remove it",
            shown(method)
        );
        return Err(Error::file(path, message));
    }
    arena(path, table, checkpoint)
}

/// Holds that a checkpoint is of this experiment.
fn same(path: &Path, checkpoint: &Checkpoint, identity: &Identity) -> Result<()> {
    let noted = Noted::of(path, &checkpoint.metadata)?;
    match identity.differs(&noted) {
        Some(how) => Err(different(path, &how, identity, &noted)),
        None => Ok(()),
    }
}

/// Holds that a checkpoint is of this experiment, whose phases may have had other numbers of steps.
///
/// # Errors
/// Another key, or the data, differ.
pub fn same_but_steps(path: &Path, checkpoint: &Checkpoint, identity: &Identity) -> Result<()> {
    let noted = Noted::of(path, &checkpoint.metadata)?;
    let besides: Vec<String> = steps(identity, &noted).collect();
    match identity.config_differs(&noted, &besides).or_else(|| identity.data_differ(&noted)) {
        Some(how) => Err(different(path, &how, identity, &noted)),
        None => Ok(()),
    }
}

/// The keys of lengths of phases that differ.
fn steps(identity: &Identity, noted: &Noted) -> impl Iterator<Item = String> {
    let differing = if noted.config.is_some() { identity.differing(noted) } else { Vec::new() };
    differing.into_iter().map(|(key, ..)| key).filter(|key| is_steps(key))
}

fn is_steps(key: &str) -> bool {
    key.ends_with(".steps")
}

pub(super) fn arena(path: &Path, table: &ParamTable, mut checkpoint: Checkpoint) -> Result<Vec<f32>> {
    checkpoint.fit(path, &train::shapes(table))?;
    train::arena(table, &checkpoint, path)
}

/// The error of a file that was made from something else.
fn different(path: &Path, how: &str, identity: &Identity, noted: &Noted) -> Error {
    let longer = identity.differing(noted);
    let extend = match !longer.is_empty() && longer.iter().all(|(key, ..)| is_steps(key)) {
        true => ", train a finished phase for longer by --extend",
        false => "",
    };
    let mend = format!("give the same{extend}, or choose another --out");
    Error::config(path.display().to_string(), format!("is of another experiment: {how}; {mend}"))
}

/// Weights from a file, and what it says that they were made from.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    pub checkpoint: Checkpoint,
    pub noted: Noted,
}

impl Found {
    /// Reads a finished checkpoint, or weights that another program saved as safetensors.
    ///
    /// # Errors
    /// A file that is neither; the state of a phase under way.
    pub fn read(path: &Path) -> Result<Found> {
        let (checkpoint, own) = checkpoint::read_any(path)?;
        if own && checkpoint.metadata.contains_key("step") {
            let mend = "end the phase by --resume and give its checkpoint";
            return Err(Error::file(path, format!("is the state of a phase under way; {mend}")));
        }
        let noted = if own { Noted::of(path, &checkpoint.metadata)? } else { Noted::default() };
        Ok(Found { path: path.to_path_buf(), checkpoint, noted })
    }

    /// The arena of a model.
    ///
    /// # Errors
    /// The tensors are not the model's.
    pub fn arena(self, table: &ParamTable) -> Result<Vec<f32>> {
        arena(&self.path, table, self.checkpoint)
    }
}
