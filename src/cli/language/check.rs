//! `floe check --model MODEL`

use super::super::source::Device;
use super::super::{print, table};
use super::Loaded;
use crate::error::{Error, Result};
use crate::finetune::slopes::{self, Directions};
use crate::models::learn::{Batch, Capacity, Learner, Training};
use crate::models::lm::table::table as parameters;
use crate::optim::Optimizer;
use crate::params::mask;
use crate::random::splitmix::SplitMix64;
use crate::store::methods::Slope;
use std::path::Path;
use std::rc::Rc;

/// Lengths of the sequences that the loss is of: one longer than a tile, two that share a pass.
const LENGTHS: [usize; 3] = [70, 19, 7];

pub fn run(model: &Path, train: &[String], directions: usize, device: &Device) -> Result<()> {
    let loaded = Loaded::open(model, None, device)?;
    let (engine, tuning) = (&loaded.engine, &loaded.tuning);
    let table_of = parameters(loaded.model.decoder());
    let everything = ["*".to_string()];
    let patterns = if train.is_empty() { &everything[..] } else { train };
    let trained = mask::resolve(patterns, &table_of).map_err(|e| Error::Usage(format!("--train: {e}")))?;
    let lengths = LENGTHS.map(|length| length.min(loaded.model.decoder().context));
    let rows: usize = lengths.iter().sum();
    let groups = [(trained.clone(), Optimizer::default())];
    let room = Capacity { sequences: LENGTHS.len(), ..Capacity::any(rows) };
    let training = Training { groups: &groups, room, recompute: false, dropout: 0.0 };
    let weights = Rc::new(loaded.weights()?);
    let mut learner = Learner::new(weights, &training, engine, tuning)?;
    let mut batch = Batch::default();
    let mut chance = SplitMix64::new(1);
    for length in lengths {
        let ids: Vec<u32> = (0..length).map(|_| chance.below(loaded.tokenizer.len()) as u32).collect();
        batch.push(&ids, 1);
    }
    batch.mean();
    let named = slopes::groups(&learner, &trained);
    let along = directions.div_ceil(2);
    let by = Directions { along, random: directions - along };
    let found = slopes::check(&mut learner, &trained, &batch, &named, by, engine)?;
    print(&table(&shown(&found)))?;
    let wrong = found.iter().filter(|slope| !slope.agrees()).count();
    match wrong {
        0 => print(&format!("all {} slopes are the gradient's, as far as f32 tells\n", found.len())),
        _ => Err(Error::Parity(format!(
            "{wrong} of {} slopes are not the gradient's on {}: don't train there; update its driver, or choose another --device \
             or --variant",
            found.len(),
            engine.adapter().name
        ))),
    }
}

fn shown(all: &[Slope]) -> Vec<Vec<String>> {
    let header = ["", "parameters", "direction", "gradient", "slope", "off by", "f32 tells"]
        .map(String::from)
        .to_vec();
    let row = |own: &Slope| {
        let mark = if own.agrees() { "ok" } else { "RED" };
        vec![
            mark.into(),
            own.group.clone(),
            own.direction.clone(),
            format!("{:.5e}", own.gradient),
            format!("{:.5e}", own.slope),
            format!("{:.1e}", (own.gradient - own.slope).abs()),
            format!("{:.1e}", own.allowed),
        ]
    };
    std::iter::once(header).chain(all.iter().map(row)).collect()
}
