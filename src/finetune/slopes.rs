//! A gradient held against slopes of the loss itself, on the adapter at hand.

use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::interrupt;
use crate::models::learn::{Batch, Learner};
use crate::params::{Param, Spans};
use crate::random::splitmix::SplitMix64;
use crate::store::methods::Slope;

/// Parameters that are moved together.
pub struct Group {
    /// What they are called.
    pub name: String,
    /// Their tensors.
    pub tensors: Vec<String>,
}

/// How many directions a group is moved in: along parts of its gradient, where a slope is steep, and at random, where a
/// gradient that lacks something shows.
#[derive(Clone, Copy, Debug)]
pub struct Directions {
    /// Along parts of the gradient.
    pub along: usize,
    /// At random.
    pub random: usize,
}

/// Groups of a learner's tensors: those of all layers that have one name, each a group.
pub fn groups(learner: &Learner, trained: &Spans) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for param in &learner.table().params {
        if trained.within(param.place()).is_empty() {
            continue;
        }
        let name = starred(&param.name);
        match all.iter_mut().find(|group| group.name == name) {
            Some(group) => group.tensors.push(param.name.clone()),
            None => all.push(Group { name, tensors: vec![param.name.clone()] }),
        }
    }
    all
}

/// A tensor's name with a star for its layer.
pub fn starred(name: &str) -> String {
    let parts = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    match parts {
        Some((layer, rest)) if layer.parse::<usize>().is_ok() => format!("model.layers.*.{rest}"),
        _ => name.to_string(),
    }
}

/// One group, if there are several, that has all tensors.
pub fn together(groups: Vec<Group>) -> Group {
    let name = match &groups[..] {
        [one] => one.name.clone(),
        _ => "all that is trained".into(),
    };
    Group { name, tensors: groups.into_iter().flat_map(|group| group.tensors).collect() }
}

/// A tensor on its way.
struct Moving {
    name: String,
    before: Vec<f32>,
    along: Vec<f32>,
}

/// Slopes of each group. Weights are as they were afterwards, to the bit; what is there of a gradient is lost.
///
/// Of a loss l, parameters p, a direction d of as many numbers, and a step h: (l(p + h d) − l(p − h d)) / 2h, extrapolated from
/// two steps (Richardson), beside d · ∇l. Losses are sums in f32, so that their difference has some 2⁻²⁴ of them as error, which
/// decides what can be told.
///
/// # Errors
/// A device failure; [`Error::Interrupted`].
pub fn check(
    learner: &mut Learner,
    trained: &Spans,
    batch: &Batch,
    groups: &[Group],
    directions: Directions,
    engine: &Engine,
) -> Result<Vec<Slope>> {
    let mut found = Vec::new();
    let start = learner.loss(engine, batch)?;
    learner.backward(engine, false)?;
    if !start.is_finite() {
        return Err(Error::unfit(format!(
            "the loss of the model on this adapter is {start}: nothing can be trained"
        )));
    }
    for (number, group) in groups.iter().enumerate() {
        let params: Vec<Param> =
            group.tensors.iter().map(|name| learner.table().get(name).expect("its own").clone()).collect();
        let gradients =
            params.iter().map(|p| learner.gradient(engine, &p.name)).collect::<Result<Vec<_>>>()?;
        for direction in 0..directions.along + directions.random {
            interrupt::check(|| "the check of the gradient".into())?;
            let along = direction < directions.along;
            let mut chance = SplitMix64::new((number * 1000 + direction) as u64);
            let mut moving = Vec::new();
            let mut slope = 0.0f64;
            let mut squares = 0.0f64;
            for (param, gradient) in params.iter().zip(&gradients) {
                let before = learner.weights().read(engine, &param.name)?;
                let mut d = vec![0.0f32; param.len()];
                for range in trained.within(param.place()).ranges() {
                    for i in range.start - param.offset..range.end - param.offset {
                        let bits = chance.next_u64();
                        d[i] = match along {
                            true if bits & 1 == 1 => gradient[i],
                            true => 0.0,
                            false if bits & 1 == 1 => 1.0,
                            false => -1.0,
                        };
                        slope += f64::from(d[i]) * f64::from(gradient[i]);
                        squares += f64::from(d[i]).powi(2);
                    }
                }
                moving.push(Moving { name: param.name.clone(), before, along: d });
            }
            found.push(measure(
                learner,
                engine,
                batch,
                (&group.name, along),
                moving,
                (slope, squares),
                start,
            )?);
        }
    }
    Ok(found)
}

/// Share of the loss that a step is to change it by: a thousand times what f32 rounds it by, and little enough to be straight.
const CHANGE: f64 = 3e-3;
/// Most that weights are moved by, as a share of their size.
const STEP: f64 = 2e-3;

fn measure(
    learner: &mut Learner,
    engine: &Engine,
    batch: &Batch,
    (group, along): (&str, bool),
    moving: Vec<Moving>,
    (slope, squares): (f64, f64),
    start: f64,
) -> Result<Slope> {
    let weights: f64 = moving.iter().flat_map(|one| &one.before).map(|x| f64::from(*x).powi(2)).sum();
    let norm = squares.sqrt();
    let direction = if along { "along the gradient" } else { "at random" };
    let named = |gradient, slope, allowed| Slope {
        group: group.into(),
        direction: direction.into(),
        gradient,
        slope,
        allowed,
    };
    if norm == 0.0 {
        return Ok(named(0.0, 0.0, 0.0));
    }
    // Of unit length, times so much: weights that are all zero, as an adapter's B, move by a little too.
    let step = (STEP * weights.sqrt().max(1e-2) / norm).min(CHANGE * start.abs() / slope.abs().max(1e-300));
    let mut at = |factor: f64| -> Result<f64> {
        for one in &moving {
            let to: Vec<f32> = one
                .before
                .iter()
                .zip(&one.along)
                .map(|(x, d)| (f64::from(*x) + factor * f64::from(*d)) as f32)
                .collect();
            learner.weights().write(engine, &one.name, &to)?;
        }
        learner.loss(engine, batch)
    };
    let mut sides = || -> Result<[f64; 2]> {
        let mut slopes = [0.0; 2];
        for (slope, step) in slopes.iter_mut().zip([step, step / 2.0]) {
            *slope = (at(step)? - at(-step)?) / (2.0 * step);
        }
        Ok(slopes)
    };
    let sides = sides();
    for one in &moving {
        learner.weights().write(engine, &one.name, &one.before)?;
    }
    let [wide, narrow] = sides?;
    let found = (4.0 * narrow - wide) / 3.0;
    // A few units in the last place of the loss, on either side of the narrow step; and what the two steps disagree by.
    let rounding = 4.0 * start.abs() * f64::from(f32::EPSILON) / step;
    let bend = (narrow - wide).abs() / 3.0;
    Ok(named(slope / norm, found / norm, (rounding + bend) / norm + 1e-3 * slope.abs() / norm))
}
