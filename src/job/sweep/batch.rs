//! One batch of a sweep: models that draw the same prompts, trained side by side and saved.

use super::Members;
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::job::Machine;
use crate::job::family::{phase_info, phase_of, trainer};
use crate::store::metrics::MetricsLog;
use crate::store::records::{BatchRecord, MemberRecord, SweepInfo};
use crate::store::rundir::RunDir;
use crate::train::{Job, Progress, RING, State, Together, Told, Trainer, finished};
use std::time::Instant;

/// What became of a member.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its arena; not finite if it diverged.
    pub params: Vec<f32>,
    /// The step whose loss was not finite, or that left a parameter so.
    pub diverged: Option<u64>,
}

/// Members of batches that were finished before, and what was noted then. A batch that lacks one starts again.
pub fn finished(
    members: &Members,
    batches: &[Vec<usize>],
    dir: &RunDir,
) -> Result<(SweepInfo, Vec<Option<Trained>>)> {
    let earlier = dir.sweep();
    let mut trained: Vec<Option<Trained>> = vec![None; members.list.len()];
    for batch in batches {
        let mut found = Vec::new();
        for &i in batch {
            let member = &members.list[i];
            let experiment = &members.experiments[member.experiment];
            let path = dir.checkpoint(&member.file);
            let known = earlier.members.iter().find(|known| known.model == member.model);
            if path.exists() {
                let begun = match member.start {
                    None => Some(experiment.init()),
                    // Not there: trained again, to the same bits.
                    Some(pretrained) => trained[pretrained].as_ref().map(|t| t.params.clone()),
                };
                let identity = experiment.identity().clone();
                let identity = begun.map_or(identity, |start| experiment.identity().from(&start));
                let params = finished::load(&path, experiment.table(), &identity, &member.method)?;
                found.push((i, Trained { params, diverged: None }));
            } else if let Some(MemberRecord { diverged_at: Some(step), .. }) = known {
                found.push((i, Trained { params: Vec::new(), diverged: Some(*step) }));
            }
        }
        if found.len() == batch.len() {
            found.into_iter().for_each(|(i, t)| trained[i] = Some(t));
        }
    }
    Ok((earlier, trained))
}

/// A model at the end of its training, with what it was made from.
pub struct Ended {
    member: usize,
    identity: Identity,
    state: State,
}

/// Trains a batch. Returns what is noted of it, which is to be written before its models are [kept](keep): those are what
/// tells that the batch is finished.
pub fn train(
    members: &Members,
    machine: Machine,
    (number, name, batch): (usize, &str, &[usize]),
    (log, progress): (&mut MetricsLog, &mut dyn Progress),
    trained: &mut [Option<Trained>],
) -> Result<(BatchRecord, Vec<Ended>)> {
    let began = Instant::now();
    let (mut alive, mut states, mut identities) = (Vec::new(), Vec::new(), Vec::new());
    for &i in batch {
        match start(members, i, trained) {
            Some(params) => {
                alive.push(i);
                identities.push(members.experiments[members.list[i].experiment].identity().from(&params));
                states.push(State::fresh(params));
            }
            // Nothing to go on from.
            None => trained[i] = Some(Trained { params: Vec::new(), diverged: Some(0) }),
        }
    }
    let mut ended = Vec::new();
    if !alive.is_empty() {
        let experiment = &members.experiments[members.list[batch[0]].experiment];
        let trainer = Trainer { keep_going: true, ..trainer(&**experiment, machine) };
        let jobs: Vec<Job> =
            alive.iter().zip(&identities).map(|(&i, identity)| job(members, i, identity)).collect();
        let each = alive.iter().zip(&states).map(|(&i, state)| (members.phase(i), state.start()));
        let step = experiment.step(&each.collect::<Vec<_>>(), RING, machine);
        let all = Together { name, jobs: &jobs, step: &*step };
        let states = match trainer.run_together(&all, states, Told { log, progress }) {
            Err(Error::Interrupted(at)) => {
                return Err(Error::Interrupted(format!("{at}; finished batches are saved")));
            }
            other => other?,
        };
        let each = alive.into_iter().zip(identities).zip(states);
        ended.extend(each.map(|((member, identity), state)| Ended { member, identity, state }));
    }
    let wall_s = began.elapsed().as_secs_f64();
    let note = BatchRecord {
        loss: members.loss(batch[0]).into(),
        models: batch.len() as u64,
        number: Some(number),
        steps: members.phase(batch[0]).steps(),
        wall_s,
    };
    Ok((note, ended))
}

/// Saves the models of a batch that did not diverge, and takes all of them up.
pub fn keep(
    members: &Members,
    dir: &RunDir,
    ended: Vec<Ended>,
    trained: &mut [Option<Trained>],
) -> Result<()> {
    for Ended { member, identity, state } in ended {
        if state.diverged.is_none() {
            save(members, member, dir, (&state, &identity))?;
        }
        trained[member] = Some(Trained { params: state.params, diverged: state.diverged });
    }
    Ok(())
}

/// The parameters that a member starts from; none if the model that it would start from diverged.
fn start(members: &Members, member: usize, trained: &[Option<Trained>]) -> Option<Vec<f32>> {
    match members.list[member].start {
        None => Some(members.experiments[members.list[member].experiment].init()),
        Some(pretrained) => {
            let found = trained[pretrained].as_ref().expect("pre-trained models come first");
            found.diverged.is_none().then(|| found.params.clone())
        }
    }
}

fn job<'a>(members: &'a Members, member: usize, identity: &'a Identity) -> Job<'a> {
    let plan = members.phase(member);
    let member = &members.list[member];
    Job { phase: phase_of(&member.method), method: &member.model, plan, state_path: None, identity }
}

fn save(
    members: &Members,
    member: usize,
    dir: &RunDir,
    (state, identity): (&State, &Identity),
) -> Result<()> {
    let plan = members.phase(member);
    let member = &members.list[member];
    let experiment = &members.experiments[member.experiment];
    let info = phase_info(&member.method, plan, state, experiment.table());
    finished::save(&dir.checkpoint(&member.file), experiment.table(), state, identity, &info)
}
