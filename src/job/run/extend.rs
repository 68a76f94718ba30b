//! `--extend`: a finished phase is trained for longer. Its checkpoint becomes the state that an interrupted phase of the
//! new length would have left, and everything after that is what `--resume` does.

use crate::error::{Error, Result, shown};
use crate::fingerprint::{Identity, Noted};
use crate::job::family::{Family, phase_of};
use crate::models::{self, Phase};
use crate::optim::Schedule;
use crate::store::checkpoint::{self, Checkpoint, Reader};
use crate::store::rundir::{self, PRETRAINED, RunDir};
use crate::train::{Job, State, state};
use log::info;
use std::path::Path;

/// What a directory has of a phase.
enum Kept {
    Nothing,
    /// Finished with as many steps as are asked for, or under way.
    Same,
    Shorter(Box<State>),
}

/// Holds that [`directory`] can do what it is for, changing nothing.
///
/// # Errors
/// A phase that was longer, or that kept no moments; files of another experiment.
pub fn check(experiment: &dyn Family, dir: &RunDir) -> Result<()> {
    experiment.phases().into_iter().try_for_each(|(name, plan)| kept(experiment, dir, name, plan).map(drop))
}

/// Makes a directory's run one that was interrupted on its way to the steps now asked for. What starts from a model
/// that is trained on is trained again.
///
/// # Errors
/// Before anything is changed: a phase that was longer, or that kept no moments; files of another experiment.
pub fn directory(experiment: &dyn Family, dir: &RunDir) -> Result<()> {
    let kept: Vec<Kept> = experiment
        .phases()
        .into_iter()
        .map(|(name, plan)| kept(experiment, dir, name, plan))
        .collect::<Result<_>>()?;
    let again = matches!(kept[0], Kept::Shorter(_));
    let variant = rundir::begun(dir.root()).map(|begun| begun.variant);
    for (at, ((name, plan), kept)) in experiment.phases().into_iter().zip(kept).enumerate() {
        let (finished, under_way) = (dir.checkpoint(name), dir.state(name));
        if at > 0 && again {
            if finished.exists() || under_way.exists() {
                info!("{name}: trained again, for it starts from {PRETRAINED}");
            }
            remove(&finished)?;
            remove(&under_way)?;
            continue;
        }
        match kept {
            Kept::Nothing => {}
            // The same numbers under the new configuration.
            Kept::Same => {
                [finished, under_way].iter().try_for_each(|path| rename(path, experiment.identity()))?
            }
            Kept::Shorter(mut state) => {
                say(name, plan, state.step);
                state.wall_s = dir.phases().iter().find(|p| p.method == name).map_or(0.0, |p| p.wall_s);
                let identity = Identity { start: start_of(&finished)?, ..experiment.identity().clone() };
                let job =
                    Job { phase: phase_of(name), method: name, plan, state_path: None, identity: &identity };
                let variant = variant.as_deref().unwrap_or_default();
                state::save(&under_way, &job, experiment.table(), &state, variant)?;
                remove(&finished)?;
            }
        }
    }
    Ok(())
}

/// The state that a finished checkpoint can be trained on from.
///
/// # Errors
/// It is of another experiment, was trained for as long or longer, or kept no moments.
pub fn state(
    experiment: &dyn Family,
    path: &Path,
    (name, plan): (&str, &dyn Phase),
    identity: &Identity,
) -> Result<State> {
    let (steps, state) = finished(experiment, path, name, plan)?;
    let noted = Noted::of(path, Reader::open_own(path)?.metadata())?;
    if let Some(how) = identity.start_differs(&noted) {
        let message = format!("can't be trained for longer: {how}");
        return Err(Error::config(path.display().to_string(), message));
    }
    match state {
        Some(state) => {
            say(name, plan, steps);
            Ok(state)
        }
        None => {
            let message = format!("has its {steps} steps already; ask for more");
            Err(Error::config(path.display().to_string(), message))
        }
    }
}

fn kept(experiment: &dyn Family, dir: &RunDir, name: &str, plan: &dyn Phase) -> Result<Kept> {
    let path = dir.checkpoint(name);
    if path.exists() {
        let (_, state) = finished(experiment, &path, name, plan)?;
        return Ok(state.map_or(Kept::Same, |state| Kept::Shorter(Box::new(state))));
    }
    let path = dir.state(name);
    if !path.exists() {
        return Ok(Kept::Nothing);
    }
    rundir::same_but_steps(&path, Reader::open_own(&path)?.metadata(), experiment.identity())?;
    Ok(Kept::Same)
}

/// The steps of a finished checkpoint, and the state to go on from if more are asked for.
fn finished(
    experiment: &dyn Family,
    path: &Path,
    name: &str,
    plan: &dyn Phase,
) -> Result<(u64, Option<State>)> {
    let found = Reader::open_own(path)?;
    rundir::same_but_steps(path, found.metadata(), experiment.identity())?;
    for (key, asked) in [("phase", phase_of(name)), ("method", name)] {
        if let Some(noted) = found.metadata().get(key).filter(|noted| *noted != asked) {
            let message =
                format!("is of {key} `{}`, not `{asked}`; give that one, or another file", shown(noted));
            return Err(Error::config(path.display().to_string(), message));
        }
    }
    let noted = found.metadata().get("steps").map(String::as_str).unwrap_or_default();
    let steps: u64 =
        noted.parse().map_err(|_| Error::file(path, format!("`steps` is `{}`, no number", shown(noted))))?;
    if steps > plan.steps() {
        let message = format!(
            "has {steps} steps already, and {} are asked for; training for longer only adds some",
            plan.steps()
        );
        return Err(Error::config(path.display().to_string(), message));
    }
    if steps == plan.steps() {
        return Ok((steps, None));
    }
    let moments = state::moments_of(&found, plan)?;
    let params = found.arena(&state::shapes(experiment.table()))?;
    Ok((steps, Some(State { moments, step: steps, ..State::fresh(params) })))
}

/// Says what goes on, and from where its schedules do.
fn say(name: &str, plan: &dyn Phase, step: u64) {
    let mut line = format!("{name}: goes on from step {step} to {} with its moments", plan.steps());
    if plan.optimizer().lr_schedule != Schedule::Constant {
        line += &format!(
            "; the learning rate's schedule is that of {} steps, now {:.3e}",
            plan.steps(),
            models::lr(plan, step)
        );
    }
    for moves in plan.moving(step) {
        line += &format!("; {moves}");
    }
    info!("{line}");
}

fn start_of(path: &Path) -> Result<Option<String>> {
    Ok(Noted::of(path, Reader::open_own(path)?.metadata())?.start)
}

/// Writes a file of the run anew under an identity, if it is there.
fn rename(path: &Path, identity: &Identity) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut found: Checkpoint = checkpoint::read(path)?;
    let identity = Identity { start: found.metadata.get("start").cloned(), ..identity.clone() };
    found.metadata.extend(identity.metadata());
    checkpoint::write(path, &found)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, e)),
        _ => Ok(()),
    }
}
