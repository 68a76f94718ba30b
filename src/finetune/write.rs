//! What came of a method, in a directory of the run: a model, or an adapter.

use super::{Experiment, Method, Trains, files};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::models::lm::Weights;
use crate::models::lm::table::table;
use crate::params::Spans;
use crate::store::rundir::RunDir;
use std::path::Path;

/// The model or the adapter, in a directory of the run.
pub fn write(
    experiment: &Experiment,
    method: &Method,
    (weights, trained): (&Weights, &Spans),
    dir: &RunDir,
    engine: &Engine,
) -> Result<String> {
    let base = &*method.model;
    match &method.trains {
        Trains::Mask { .. } => {
            let written = format!("models/{}", method.name);
            let parameters = table(base.decoder());
            let path = dir.root().join(&written);
            replace(&path)?;
            files::model(
                &path,
                base,
                &experiment.tokenizer,
                experiment.config.record.dtype,
                &mut |name, sink| {
                    let place = parameters.get(name).expect("a name of the table").place();
                    match trained.within(place).is_empty() {
                        true => base.read(name, |piece| sink(piece)),
                        false => sink(&weights.read(engine, name)?),
                    }
                },
            )?;
            Ok(written)
        }
        Trains::Adapter { lora, adapter } => {
            let written = format!("adapters/{}", method.name);
            let path = dir.root().join(&written);
            replace(&path)?;
            files::adapter(&path, base, (lora, adapter), &mut |name, sink| {
                sink(&weights.read(engine, name)?)
            })?;
            Ok(written)
        }
    }
}

/// Makes room for what a run writes that was killed after it had written it and before it was noted.
fn replace(path: &Path) -> Result<()> {
    match path.exists() {
        true => std::fs::remove_dir_all(path).map_err(|e| Error::file(path, e)),
        false => Ok(()),
    }
}
