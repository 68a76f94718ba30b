//! `floe probe MODEL --text TEXT`

use super::super::language::Loaded;
use super::super::places::Places;
use super::super::print;
use super::super::source::Device;
use crate::error::{Error, Result};
use crate::models::lm::Room;
use crate::store::atomic;
use crate::store::checkpoint::{self, Checkpoint, Tensor};
use std::path::Path;

/// Most tokens: all their logits are written.
const MOST: usize = 4096;

pub fn run(model: &Path, text: &str, out: &Path, device: &Device) -> Result<()> {
    Places::default().read("the model", model).write("--out", out).check()?;
    atomic::check_writable(out)?;
    let loaded = Loaded::open(model, device)?;
    let ids = loaded.encode(text)?;
    if ids.is_empty() || ids.len() > MOST {
        return Err(Error::Usage(format!("--text: {} tokens; it can be 1 to {MOST}", ids.len())));
    }
    loaded.fits(ids.len(), "--text")?;
    let mut runner = loaded.runner(Room { rows: ids.len(), tokens: ids.len() }, true)?;
    let mut logits = Vec::new();
    runner.logits(&loaded.engine, &ids, |row| {
        logits.extend_from_slice(row);
        Ok(())
    })?;
    let losses = match ids.len() {
        1 => Vec::new(),
        _ => runner.losses(&loaded.engine, &ids)?,
    };
    let loss = losses.iter().map(|x| f64::from(*x)).sum::<f64>() / losses.len().max(1) as f64;
    let shape = vec![ids.len(), logits.len() / ids.len()];
    let tensors = [
        ("ids", vec![ids.len()], ids.iter().map(|&id| id as f32).collect()),
        ("logits", shape, logits),
        ("loss", vec![1], vec![loss as f32]),
    ];
    let tensors = tensors.map(|(name, shape, data)| (name.to_string(), Tensor { shape, data }));
    checkpoint::write(out, &Checkpoint { tensors: tensors.into(), ..Default::default() })?;
    print(&format!("{}\n", out.display()))
}
