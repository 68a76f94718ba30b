//! Adapters as PEFT keeps them: `adapter_config.json` beside `adapter_model.safetensors`.

use super::{Decoder, Pretrained};
use crate::bounded;
use crate::error::{Error, Result, shown};
use crate::store::checkpoint::Reader;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What PEFT puts before a model's own names.
pub const PREFIX: &str = "base_model.model.";
/// Names of the two files.
pub const CONFIG: &str = "adapter_config.json";
/// Names of the two files.
pub const TENSORS: &str = "adapter_model.safetensors";

/// An opened adapter: headers are read and checked against a model.
pub struct PeftAdapter {
    path: PathBuf,
    /// r.
    pub rank: usize,
    /// s.
    pub scale: f64,
    /// Names of the weights that it adds to, in the model's order.
    pub weights: Vec<String>,
    reader: Reader,
}

impl PeftAdapter {
    /// Opens a directory.
    ///
    /// # Errors
    /// One line: what is no adapter, is one of a kind that floe doesn't compute, or one of another model.
    pub fn open(path: &Path, model: &Pretrained) -> Result<Self> {
        let at = path.join(CONFIG);
        if !at.exists() {
            return Err(Error::file(
                path,
                format!("has no {CONFIG}; give a directory that PEFT or floe has written"),
            ));
        }
        let text = bounded::text(&at, bounded::SMALL)
            .map_err(|e| Error::file(&at, format!("can't be read: {e}")))?;
        let config: Value = serde_json::from_str(&text)
            .map_err(|e| Error::file(&at, format!("is no JSON: {}", shown(&e.to_string()))))?;
        let (rank, scale) = numbers(&config).map_err(|why| Error::file(&at, why))?;
        let file = path.join(TENSORS);
        if !file.exists() {
            return Err(Error::file(path, format!("has no {TENSORS}")));
        }
        let reader = Reader::open(&file)?;
        let weights = weights(&reader, rank, model.decoder()).map_err(|why| Error::file(&file, why))?;
        Ok(PeftAdapter { path: path.to_path_buf(), rank, scale, weights, reader })
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A of a weight, `[r, in]`, and B, `[out, r]`.
    ///
    /// # Errors
    /// A failure to read; a number that is not finite.
    ///
    /// # Panics
    /// If it is none of its weights.
    pub fn pair(&self, weight: &str) -> Result<[Vec<f32>; 2]> {
        let module = weight.strip_suffix(".weight").unwrap_or(weight);
        let read = |letter: &str| {
            let name = format!("{PREFIX}{module}.lora_{letter}.weight");
            self.reader.data(self.reader.tensor(&name).expect("seen when it was opened"))
        };
        Ok([read("A")?, read("B")?])
    }
}

/// r and s, of what floe computes.
fn numbers(config: &Value) -> std::result::Result<(usize, f64), String> {
    let kind = config["peft_type"].as_str().unwrap_or_default();
    if kind != "LORA" {
        return Err(format!("`peft_type` is `{}`; floe computes LORA", shown(kind)));
    }
    for name in ["use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"] {
        if config[name].as_bool().unwrap_or(false) {
            return Err(format!("`{name}` is true, which floe doesn't compute"));
        }
    }
    if let Some(bias) = config["bias"].as_str().filter(|bias| *bias != "none") {
        return Err(format!("`bias` is `{}`; floe computes none", shown(bias)));
    }
    let filled = |name: &str| match &config[name] {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        other => !other.is_null(),
    };
    if let Some(name) = ["rank_pattern", "alpha_pattern", "modules_to_save", "trainable_token_indices"]
        .into_iter()
        .find(|name| filled(name))
    {
        return Err(format!("has `{name}`, which floe doesn't compute"));
    }
    let rank =
        config["r"].as_u64().filter(|r| (1..=1024).contains(r)).ok_or("has no rank `r` from 1 to 1024")?
            as usize;
    let alpha = config["lora_alpha"].as_f64().filter(|alpha| alpha.is_finite() && *alpha > 0.0);
    let alpha = alpha.ok_or("has no `lora_alpha` above 0")?;
    let root = config["use_rslora"].as_bool().unwrap_or(false);
    Ok((rank, alpha / if root { (rank as f64).sqrt() } else { rank as f64 }))
}

/// The weights that tensors adapt, each of which must have both of its own, in the shapes of the model.
fn weights(reader: &Reader, rank: usize, decoder: &Decoder) -> std::result::Result<Vec<String>, String> {
    let all = decoder.tensors();
    let linear = |name: &str| name.ends_with("_proj.weight");
    let mut there: BTreeMap<String, [Option<&[usize]>; 2]> = BTreeMap::new();
    for entry in reader.tensors() {
        let name = entry.name.strip_prefix(PREFIX).unwrap_or(&entry.name);
        let parts = [".lora_A.weight", ".lora_B.weight"].map(|end| name.strip_suffix(end));
        let (module, which) = match parts {
            [Some(module), _] => (module, 0),
            [_, Some(module)] => (module, 1),
            _ => return Err(format!("tensor `{}` is none of a LoRA's", shown(&entry.name))),
        };
        if !entry.name.starts_with(PREFIX) {
            return Err(format!("tensor `{}` does not begin with `{PREFIX}`", shown(&entry.name)));
        }
        there.entry(format!("{module}.weight")).or_default()[which] = Some(&entry.shape);
    }
    for (name, found) in &there {
        let Some((_, shape)) = all.iter().find(|(own, _)| own == name && linear(own)) else {
            return Err(format!(
                "adapts `{}`, and the model has no such linear map: it is of another model",
                shown(name)
            ));
        };
        let wanted = [[rank, shape[1]], [shape[0], rank]];
        for ((letter, wanted), found) in ["A", "B"].into_iter().zip(wanted).zip(found) {
            match found {
                None => return Err(format!("has no lora_{letter} of `{}`", shown(name))),
                Some(found) if **found != wanted => {
                    let what = format!(
                        "lora_{letter} of `{}` is {found:?} where {wanted:?} is computed with",
                        shown(name)
                    );
                    return Err(format!("{what}: it is of another model, or of another rank"));
                }
                Some(_) => {}
            }
        }
    }
    match there.is_empty() {
        true => Err("has no tensor".into()),
        false => Ok(all.into_iter().map(|(name, _)| name).filter(|name| there.contains_key(name)).collect()),
    }
}
