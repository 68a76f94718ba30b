//! Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): y = x Wᵀ + s (x Aᵀ) Bᵀ.

use super::weights::{PROJECTIONS, Weights};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Engine, Recording};
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::weight::Weight;
use crate::kernels::tensor::dropout::{self, Dropped, draw};
use crate::params::{Axis, Init, Param, ParamTable, mask};
use crate::pretrained::PeftAdapter;
use crate::random::rng::{Stream, key};
use crate::random::splitmix::SplitMix64;
use std::collections::BTreeSet;

/// What an adapter is.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// r.
    pub rank: usize,
    /// s.
    pub scale: f64,
    /// Weights that are adapted, as [`reached`] gives them.
    pub weights: Vec<String>,
}

/// `scale` B A, added to a weight.
pub(in crate::models) struct Low {
    /// `[r, in]`.
    pub a: Weight,
    /// `[out, r]`.
    pub b: Weight,
    pub scale: f32,
}

/// What adapters leave out of what they read, step by step.
pub(in crate::models) struct Chance {
    share: f64,
    draw: Buffer,
}

impl Chance {
    pub fn new(share: f64) -> Self {
        Chance { share, draw: Buffer::words("draw", 4) }
    }

    /// Draws anew.
    pub fn put(&self, engine: &Engine, step: u32, seed: u64) -> Result<()> {
        engine.write(&self.draw, &draw(step, key(seed, Stream::Dropout, 0), self.share))
    }

    /// Leaves nothing out.
    pub fn rest(&self, engine: &Engine) -> Result<()> {
        engine.write(&self.draw, &draw(0, 0, 0.0))
    }

    pub fn record(
        &self,
        (x, plus): (&Operand, Option<&Operand>),
        y: &Operand,
        [layer, which]: [usize; 2],
        cursor: &Cursor,
        tuning: &Tuning,
    ) -> Recording {
        let site = Buffer::holding("site", &[(layer * PROJECTIONS.len() + which) as u32, 0, 0, 0]);
        dropout::record(&Dropped { x, plus, y, draw: &self.draw, site: &site }, cursor, tuning)
    }
}

/// The weights that targets name: a projection (`v_proj`), or a pattern over names of weights
/// (`model.layers.*.mlp.*.weight`).
///
/// # Errors
/// A target that names no linear map of a layer; the message lists those there are.
pub fn reached(targets: &[String], table: &ParamTable) -> Result<Vec<String>> {
    let adaptable = |name: &str| {
        let own = PROJECTIONS.iter().find(|own| name.ends_with(&format!(".{own}.weight")));
        own.is_some() && name.starts_with("model.layers.")
    };
    let mut all = BTreeSet::new();
    for target in targets {
        let wrong = |what: String| {
            let shown: String = target.chars().take(100).flat_map(char::escape_debug).collect();
            let there =
                PROJECTIONS.map(|name| name.split_once('.').map_or(name, |(_, name)| name)).join(", ");
            Error::config(
                format!("lora target `{shown}`"),
                format!("{what}; there are {there} in each layer"),
            )
        };
        let pattern = if target.contains(['.', '*']) { target.clone() } else { format!("*.{target}.weight") };
        let found =
            mask::resolve(&[pattern], table).map_err(|_| wrong("names no linear map of a layer".into()))?;
        let mut reaches = false;
        for param in &table.params {
            let own = found.within(param.place());
            match (own.is_empty(), own.len() == param.len()) {
                (true, _) => {}
                (_, true) if adaptable(&param.name) => {
                    reaches = true;
                    all.insert(param.offset);
                }
                // A pattern may name biases and norms beside.
                (_, true) if target.contains('*') => {}
                (_, true) => {
                    return Err(wrong(format!("names `{}`, which is no linear map of a layer", param.name)));
                }
                (_, false) => return Err(wrong("names a part of a weight; adapters take whole ones".into())),
            }
        }
        if !reaches {
            return Err(wrong("names no linear map of a layer".into()));
        }
    }
    let name = |param: &&Param| all.contains(&param.offset);
    Ok(table.params.iter().filter(name).map(|param| param.name.clone()).collect())
}

/// `model.layers.0.self_attn.v_proj` of its weight's name.
pub fn module(weight: &str) -> &str {
    weight.strip_suffix(".weight").unwrap_or(weight)
}

impl Weights {
    /// Handles of an adapter beside the weights, to which nothing is written yet.
    ///
    /// # Panics
    /// If there is one already.
    pub fn adapt(&mut self, adapter: &Adapter, most_bytes: u64, tuning: &Tuning) {
        assert!(self.rank().is_none(), "one adapter at a time");
        for (i, layer) in self.layers.iter_mut().enumerate() {
            for (name, linear) in PROJECTIONS.iter().zip(&mut layer.linears) {
                let name = format!("model.layers.{i}.{name}.weight");
                if !adapter.weights.contains(&name) {
                    continue;
                }
                let new = |rows, cols| Weight::new("adapter", rows, cols, most_bytes, tuning);
                linear.low = Some(Low {
                    a: new(adapter.rank, linear.weight.cols),
                    b: new(linear.weight.rows, adapter.rank),
                    scale: adapter.scale as f32,
                });
            }
        }
    }

    /// Writes what an adapter begins with: A as `torch.nn.Linear` does, uniform within 1 / √in (Kaiming, a = √5), B zero.
    ///
    /// # Errors
    /// A device failure.
    pub fn begin(&self, table: &ParamTable, seed: u64, engine: &Engine) -> Result<()> {
        for (i, param) in table.params.iter().enumerate() {
            let data = match param.name.ends_with("lora_A.weight") {
                true => {
                    let mut chance =
                        SplitMix64::new(u64::from(key(seed, Stream::Adapter, i as u64)) << 32 | i as u64);
                    let bound = 1.0 / (param.shape[1] as f64).sqrt();
                    (0..param.len()).map(|_| ((2.0 * chance.uniform() - 1.0) * bound) as f32).collect()
                }
                false => vec![0.0; param.len()],
            };
            self.write(engine, &param.name, &data)?;
        }
        Ok(())
    }

    /// Puts a published adapter beside the weights.
    ///
    /// # Errors
    /// What [`PeftAdapter::pair`] gives; a device failure.
    pub fn load_adapter(&mut self, published: &PeftAdapter, engine: &Engine, tuning: &Tuning) -> Result<()> {
        let PeftAdapter { rank, scale, weights, .. } = published;
        let adapter = Adapter { rank: *rank, scale: *scale, weights: weights.clone() };
        self.adapt(&adapter, engine.adapter().storage_bytes, tuning);
        for name in weights {
            let [a, b] = published.pair(name)?;
            self.write(engine, &format!("{}.lora_A.weight", module(name)), &a)?;
            self.write(engine, &format!("{}.lora_B.weight", module(name)), &b)?;
        }
        Ok(())
    }

    /// The table of the adapter's parameters, if there is one, by PEFT's names without their beginning.
    pub fn adapter_table(&self) -> Option<ParamTable> {
        let mut params = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            for (name, linear) in PROJECTIONS.iter().zip(&layer.linears) {
                let Some(low) = &linear.low else { continue };
                let mut put = |letter: &str, weight: &Weight| {
                    let name = format!("model.layers.{i}.{name}.lora_{letter}.weight");
                    let axes = vec![Axis::of("row", 0), Axis::of("col", 1)];
                    let shape = vec![weight.rows, weight.cols];
                    params.push(Param::new(
                        name,
                        shape,
                        axes,
                        Init::Constant(0.0),
                        format!("model.layers.{i}"),
                    ));
                };
                put("A", &low.a);
                put("B", &low.b);
            }
        }
        (!params.is_empty()).then(|| ParamTable::new(params))
    }
}
