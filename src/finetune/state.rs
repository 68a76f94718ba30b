//! What a method under way is gone on from: what is trained, its moments, and where it stands. A tensor at a time, so that no
//! second copy of a model is made.

use super::Method;
use crate::error::{Error, Mend, Result, shown};
use crate::fingerprint::{Identity, Noted};
use crate::gpu::Engine;
use crate::models::learn::Learner;
use crate::params::Spans;
use crate::store::checkpoint::{Dtype, MOMENTS, Outline, Reader, stream};
use crate::store::methods::Sample;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a method stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At {
    /// Steps taken.
    pub step: u64,
    /// Seconds of training.
    pub train_s: f64,
    /// Tokens trained on.
    pub tokens: u64,
    /// The lowest validation loss so far and the step before which it was that.
    pub best: Option<(f64, u64)>,
    /// What the weights said on the way, by step.
    pub said: Vec<(u64, Vec<Sample>)>,
}

/// Writes what is trained, with its moments unless only the weights are to be kept.
///
/// # Errors
/// A number that is not finite; a device failure; a file that can't be written.
pub fn save(
    path: &Path,
    method: &Method,
    (learner, trained): (&Learner, &Spans),
    at: &At,
    (identity, variant): (&Identity, &str),
    moments: bool,
    engine: &Engine,
) -> Result<()> {
    let moments = if moments { learner.moments() } else { Vec::new() };
    let kept = learner.table().params.iter().filter(|param| !trained.within(param.place()).is_empty());
    let tensors = kept.map(|param| (param.name.clone(), param.shape.clone(), None));
    let moments = moments.iter().enumerate().map(|(i, view)| (named(i), vec![view.len()], Some(view)));
    let mut all: Vec<_> = tensors.chain(moments).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let outline = Outline {
        tensors: all.iter().map(|(name, shape, _)| (name.as_str(), shape.clone())).collect(),
        dtype: Dtype::F32,
    };
    let mut metadata: BTreeMap<String, String> = identity.metadata().collect();
    let (best, best_step) =
        at.best.map_or_else(Default::default, |(x, step)| (x.to_string(), step.to_string()));
    for (key, value) in [
        ("phase", "finetune".to_string()),
        ("method", method.name.clone()),
        ("step", at.step.to_string()),
        ("train_s", at.train_s.to_string()),
        ("tokens", at.tokens.to_string()),
        ("best", best),
        ("best_step", best_step),
        ("said", serde_json::to_string(&at.said).map_err(|e| Error::file(path, e))?),
        ("variant", variant.to_string()),
    ] {
        metadata.insert(key.into(), value);
    }
    stream(path, &outline, &metadata, |i, sink| match all[i].2 {
        Some(view) => sink(&engine.read::<f32>(view)?),
        None => sink(&learner.weights().read(engine, &all[i].0)?),
    })
}

fn named(i: usize) -> String {
    format!("{MOMENTS}.{i:05}")
}

/// Puts on the device what [`save`] has written.
///
/// # Errors
/// A file that is not such a state, or one of another method, configuration, data or model.
pub fn load(
    path: &Path,
    method: &Method,
    (learner, trained): (&Learner, &Spans),
    identity: &Identity,
    moments: bool,
    engine: &Engine,
) -> Result<At> {
    let reader = Reader::open_own(path)?;
    let text = |name: &str| {
        let message = format!("is no training state: no `{name}`; delete it to start the method again");
        reader.metadata().get(name).ok_or_else(|| Error::file(path, message))
    };
    if *text("method")? != method.name {
        let message = format!("the state is of method `{}`, not `{}`", shown(text("method")?), method.name);
        return Err(Error::config(path.display().to_string(), message).mend(Mend::Restart));
    }
    let noted = Noted::of(path, reader.metadata())?;
    if let Some(how) = identity.differs(&noted) {
        let message = format!("the state is of another experiment: {how}");
        return Err(Error::config(path.display().to_string(), message).mend(Mend::SameOrRestart));
    }
    fn number<T: std::str::FromStr>(path: &Path, name: &str, text: &str) -> Result<T> {
        text.parse().map_err(|_| Error::file(path, format!("`{name}` is `{}`, no number", shown(text))))
    }
    let best = match text("best")?.as_str() {
        "" => None,
        best => Some((number(path, "best", best)?, number(path, "best_step", text("best_step")?)?)),
    };
    let at = At {
        step: number(path, "step", text("step")?)?,
        train_s: number(path, "train_s", text("train_s")?)?,
        tokens: number(path, "tokens", text("tokens")?)?,
        best,
        // States of before have none.
        said: match reader.metadata().get("said") {
            Some(said) => {
                serde_json::from_str(said).map_err(|e| Error::file(path, format!("`said`: {e}")))?
            }
            None => Vec::new(),
        },
    };
    if at.step > method.steps {
        let message = format!("its step is {}, beyond the {} of the method", at.step, method.steps);
        return Err(Error::file(path, message));
    }
    let wrong = |name: &str, elements: usize| {
        Error::file(
            path,
            format!("has no tensor `{name}` of {elements} numbers: it is of another trained set"),
        )
    };
    let data = |name: &str, elements: usize| {
        let entry = reader.tensor(name).filter(|entry| entry.shape.iter().product::<usize>() == elements);
        reader.data(entry.ok_or_else(|| wrong(name, elements))?)
    };
    for param in learner.table().params.iter().filter(|param| !trained.within(param.place()).is_empty()) {
        learner.weights().write(engine, &param.name, &data(&param.name, param.len())?)?;
    }
    if moments {
        for (i, view) in learner.moments().into_iter().enumerate() {
            let words = data(&named(i), view.len())?;
            engine.write(view, &words)?;
        }
    }
    Ok(at)
}
