//! Whether what is on disk is of the experiment at hand, and finished models that are.

use super::{CONFIG, RunDir, read_if_there};
use crate::error::{Error, Mend, Result};
use crate::fingerprint::{self, Identity, Noted};
use crate::store::checkpoint::Reader;
use std::collections::BTreeMap;
use std::path::Path;

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
        let reader = Reader::open_own(&path)?;
        match longer {
            true => same_but_steps(&path, reader.metadata(), identity)?,
            false => same(&path, reader.metadata(), identity)?,
        }
    }
    Ok(())
}

/// Holds that a checkpoint is of this experiment.
pub fn same(path: &Path, metadata: &BTreeMap<String, String>, identity: &Identity) -> Result<()> {
    let noted = Noted::of(path, metadata)?;
    match identity.differs(&noted) {
        Some(how) => Err(different(path, &how, identity, &noted)),
        None => Ok(()),
    }
}

/// Holds that a checkpoint is of this experiment, whose phases may have had other numbers of steps.
///
/// # Errors
/// Another key, or the data, differ.
pub fn same_but_steps(path: &Path, metadata: &BTreeMap<String, String>, identity: &Identity) -> Result<()> {
    let noted = Noted::of(path, metadata)?;
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

/// The error of a file that was made from something else.
fn different(path: &Path, how: &str, identity: &Identity, noted: &Noted) -> Error {
    let longer = identity.differing(noted);
    let mend = match !longer.is_empty() && longer.iter().all(|(key, ..)| is_steps(key)) {
        true => Mend::SameOrLonger,
        false => Mend::Same,
    };
    Error::config(path.display().to_string(), format!("is of another experiment: {how}")).mend(mend)
}
