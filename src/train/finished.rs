//! Finished models and their files.

use super::state::{self, State};
use crate::error::{Error, Mend, Result, shown};
use crate::fingerprint::{Identity, Noted};
use crate::params::ParamTable;
use crate::store::checkpoint::{self, Checkpoint, MOMENTS, Reader};
use crate::store::records::PhaseInfo;
use crate::store::rundir;
use std::path::{Path, PathBuf};

/// Writes a finished model with its moments, and its configuration, data and phase in the metadata, but no times: the
/// same model is the same file, byte for byte.
pub fn save(
    path: &Path,
    table: &ParamTable,
    state: &State,
    identity: &Identity,
    info: &PhaseInfo,
) -> Result<()> {
    let mut checkpoint = Checkpoint { tensors: state::tensors(table, &state.params), ..Default::default() };
    // Moments may overflow where the weights do not; those are of no use to anyone.
    if !state.moments.is_empty() && state.moments.iter().all(|x| x.is_finite()) {
        checkpoint.tensors.insert(MOMENTS.into(), state::moments(&state.moments, info.trained));
    }
    let pairs = [
        ("phase", info.phase.clone()),
        ("method", info.method.clone()),
        ("steps", info.steps.to_string()),
        ("trained", info.trained.to_string()),
    ];
    checkpoint.metadata = pairs.map(|(k, v)| (k.to_string(), v)).into();
    checkpoint.metadata.extend(identity.metadata());
    checkpoint::write(path, &checkpoint)
}

/// A finished model's arena.
///
/// # Errors
/// A file that is no floe checkpoint, or one of another shape.
pub fn load_weights(path: &Path, table: &ParamTable) -> Result<Vec<f32>> {
    Reader::open_own(path)?.arena(&state::shapes(table))
}

/// The arena of a finished model that is to be `name` of the experiment `identity`.
///
/// # Errors
/// It was made from another configuration or other data, or is another model.
pub fn load(path: &Path, table: &ParamTable, identity: &Identity, name: &str) -> Result<Vec<f32>> {
    let reader = Reader::open_own(path)?;
    rundir::same(path, reader.metadata(), identity)?;
    if let Some(method) = reader.metadata().get("method").filter(|method| *method != name) {
        let message = format!(
            "holds the model `{}`, not `{name}`; put the right file back, or remove it",
            shown(method)
        );
        return Err(Error::file(path, message));
    }
    reader.arena(&state::shapes(table))
}

/// Weights from a file, and what it says that they were made from.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    reader: Reader,
    /// What it says that it was made from.
    pub noted: Noted,
}

impl Found {
    /// Reads a finished checkpoint, or weights that another program saved as safetensors.
    ///
    /// # Errors
    /// A file that is neither; the state of a phase under way.
    pub fn read(path: &Path) -> Result<Found> {
        let reader = Reader::open(path)?;
        let own = reader.is_own();
        if own && reader.metadata().contains_key("step") {
            return Err(Error::file(path, "is the state of a phase under way").mend(Mend::Finish));
        }
        let noted = if own { Noted::of(path, reader.metadata())? } else { Noted::default() };
        Ok(Found { path: path.to_path_buf(), reader, noted })
    }

    /// The arena of a model.
    ///
    /// # Errors
    /// The tensors are not the model's.
    pub fn arena(self, table: &ParamTable) -> Result<Vec<f32>> {
        self.reader.arena(&state::shapes(table))
    }
}
