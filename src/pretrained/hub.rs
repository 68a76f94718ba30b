//! Hugging Face directories: `config.json`, safetensors in one file or several, `tokenizer.json`.

use super::{Decoder, FeatureMap, Mixer, Mixing, Normaliser, Stored, Tokenizer};
use crate::bounded;
use crate::error::{Error, Result, shown};
use crate::store::checkpoint::{Entry, Reader};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An open directory.
pub struct Hub {
    pub architecture: String,
    pub name: Option<String>,
    pub template: Option<String>,
    pub ends: Vec<u32>,
    pub start: Option<u32>,
    path: PathBuf,
    files: Vec<Reader>,
}

/// Architectures by the class that `config.json` names.
const KNOWN: [(&str, &str); 4] = [
    ("LlamaForCausalLM", "llama"),
    ("MistralForCausalLM", "mistral"),
    ("Qwen2ForCausalLM", "qwen2"),
    // What floe trains from scratch.
    (CLASS, OWN),
];

/// The class and the name of models that floe trains from scratch: their `config.json` has Llama's keys and `mixers`.
pub const CLASS: &str = "FloeForCausalLM";
/// See [`CLASS`].
pub const OWN: &str = "floe";

/// Most bytes of a `tokenizer.json`.
pub const TOKENIZER: u64 = 256 << 20;

fn json(path: &Path) -> Result<Value> {
    let text =
        bounded::text(path, bounded::SMALL).map_err(|e| Error::file(path, format!("can't be read: {e}")))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(path, format!("is no JSON: {}", shown(&e.to_string()))))
}

/// A file that need not be there.
fn optional(path: PathBuf) -> Result<Value> {
    if path.exists() { json(&path) } else { Ok(Value::Null) }
}

impl Hub {
    pub fn open(path: &Path) -> Result<(Hub, Decoder)> {
        let at = path.join("config.json");
        if !at.exists() {
            return Err(Error::file(
                path,
                "has no config.json; give a .gguf file, or a directory that has one",
            ));
        }
        let config = json(&at)?;
        let (architecture, decoder) = decoder(&config).map_err(|why| Error::file(&at, why))?;
        let [generation, tokenizer] =
            ["generation_config.json", "tokenizer_config.json"].map(|name| optional(path.join(name)));
        let (generation, tokenizer) = (generation?, tokenizer?);
        let template = match tokenizer.get("chat_template").and_then(Value::as_str) {
            Some(template) => Some(template.to_string()),
            None => written(path.join("chat_template.jinja"))?,
        };
        let adds = tokenizer.get("add_bos_token").and_then(Value::as_bool).unwrap_or(false);
        let ends = [&generation, &config].into_iter().flat_map(|from| ids(&from["eos_token_id"])).collect();
        let hub = Hub {
            architecture,
            name: config
                .get("_name_or_path")
                .and_then(Value::as_str)
                .filter(|n| !n.is_empty())
                .map(String::from),
            template,
            ends,
            start: ids(&config["bos_token_id"]).first().copied().filter(|_| adds),
            path: path.to_path_buf(),
            files: files(path)?,
        };
        hub.one_place_each()?;
        Ok((hub, decoder))
    }

    /// Holds that no tensor stands in two files.
    fn one_place_each(&self) -> Result<()> {
        let mut seen = BTreeMap::new();
        for (file, entry) in self.entries() {
            if let Some(other) = seen.insert(entry.name.clone(), file.path()) {
                let name = shown(&entry.name);
                return Err(Error::file(
                    file.path(),
                    format!("has tensor `{name}`, as {} has", other.display()),
                ));
            }
        }
        Ok(())
    }

    fn entries(&self) -> impl Iterator<Item = (&Reader, &Entry)> {
        self.files.iter().flat_map(|file| file.tensors().iter().map(move |entry| (file, entry)))
    }

    /// Where its tensors are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path().to_path_buf()).collect()
    }

    pub fn format(&self) -> String {
        match self.files.len() {
            1 => "safetensors".into(),
            n => format!("safetensors, {n} files"),
        }
    }

    pub fn stored(&self) -> Vec<Stored> {
        // Frequencies of the rotation that old checkpoints hold: `config.json` says them.
        let kept = self.entries().filter(|(_, entry)| !entry.name.ends_with("rotary_emb.inv_freq"));
        kept.map(|(_, entry)| {
            let elements = entry.shape.iter().map(|&n| n as u64).product::<u64>();
            Stored {
                name: entry.name.clone(),
                shape: entry.shape.clone(),
                kind: format!("{:?}", entry.dtype),
                bytes: elements * entry.dtype.bitsize() as u64 / 8,
            }
        })
        .collect()
    }

    pub fn read(&self, name: &str, take: &mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let Some((file, entry)) = self.entries().find(|(_, entry)| entry.name == name) else {
            return Err(Error::file(&self.path, format!("has no tensor `{}`", shown(name))));
        };
        let cols = entry.shape.last().copied().unwrap_or(1).max(1);
        // Pieces of a file end anywhere; rows are kept together.
        let mut kept: Vec<f32> = Vec::new();
        file.read(entry, |piece| {
            kept.extend_from_slice(piece);
            let whole = kept.len() / cols * cols;
            if whole > 0 {
                take(&kept[..whole])?;
                kept.drain(..whole);
            }
            Ok(())
        })
    }

    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.path.join("tokenizer.json");
        if !path.exists() {
            return Err(Error::file(&self.path, "has no tokenizer.json"));
        }
        let text =
            bounded::text(&path, TOKENIZER).map_err(|e| Error::file(&path, format!("can't be read: {e}")))?;
        Tokenizer::of_json(path, &text)
    }
}

fn written(path: PathBuf) -> Result<Option<String>> {
    match path.exists() {
        false => Ok(None),
        true => bounded::text(&path, bounded::SMALL)
            .map(Some)
            .map_err(|e| Error::file(&path, format!("can't be read: {e}"))),
    }
}

/// An id or several.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// The files of tensors: one, or those that an index names.
fn files(path: &Path) -> Result<Vec<Reader>> {
    let index = path.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![Reader::open(&path.join("model.safetensors"))?]);
    }
    let wrong = |message: String| Error::file(&index, message);
    let map = json(&index)?;
    let Some(map) = map.get("weight_map").and_then(Value::as_object) else {
        return Err(wrong("has no `weight_map`".into()));
    };
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in map {
        let file = file.as_str().unwrap_or_default();
        // A file beside the index, and of tensors: no path, and no index that would name further ones.
        let plain = Path::new(file).components().count() == 1
            && !file.contains(['/', '\\', ':'])
            && file.ends_with(".safetensors");
        if !plain {
            let file = shown(file);
            return Err(wrong(format!(
                "says that `{}` is in `{file}`, which is no .safetensors file beside it",
                shown(name)
            )));
        }
        shards.entry(file).or_default().push(name);
    }
    let mut files = Vec::new();
    for (file, names) in shards {
        let reader = Reader::open(&path.join(file))?;
        if let Some(name) = names.iter().find(|name| reader.tensor(name).is_none()) {
            return Err(wrong(format!(
                "says that `{}` is in {}, which has no such tensor",
                shown(name),
                shown(file)
            )));
        }
        files.push(reader);
    }
    match files.is_empty() {
        true => Err(wrong("names no file".into())),
        false => Ok(files),
    }
}

/// Architecture and sizes, by `config.json`.
fn decoder(config: &Value) -> std::result::Result<(String, Decoder), String> {
    let classes: Vec<&str> =
        config["architectures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let known = KNOWN.iter().find(|(class, _)| classes.contains(class));
    let Some((_, architecture)) = known else {
        let names = KNOWN.map(|(class, _)| class).join(", ");
        return Err(format!("is of architecture `{}`; floe knows {names}", shown(&classes.join(", "))));
    };
    let whole = |name: &str| config[name].as_u64().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let asked = |name: &str| whole(name).ok_or_else(|| format!("has no whole number `{name}`"));
    let number = |name: &str| config[name].as_f64();
    let flag = |name: &str| config[name].as_bool().unwrap_or(false);
    if let Some(other) = config["hidden_act"].as_str().filter(|act| *act != "silu") {
        return Err(format!("`hidden_act` is `{}`; floe computes silu", shown(other)));
    }
    let rope = &config["rope_parameters"];
    for scaling in [&config["rope_scaling"], rope] {
        let kind = scaling.get("rope_type").or(scaling.get("type")).and_then(Value::as_str);
        if let Some(kind) = kind.filter(|kind| *kind != "default") {
            return Err(format!("scales its rotation by `{}`, which floe doesn't compute", shown(kind)));
        }
    }
    if let Some(name) = ["mlp_bias", "attention_bias"].into_iter().find(|name| flag(name)) {
        return Err(format!("`{name}` is true, which floe doesn't compute"));
    }
    if number("partial_rotary_factor").is_some_and(|part| part != 1.0) {
        return Err("`partial_rotary_factor` is not 1, which floe doesn't compute".into());
    }
    let context = asked("max_position_embeddings")?;
    let windowed = *architecture != "qwen2" || flag("use_sliding_window");
    if let Some(window) = whole("sliding_window").filter(|window| windowed && *window < context) {
        return Err(format!("`sliding_window` is {window}, which floe doesn't compute"));
    }
    let (width, heads) = (asked("hidden_size")?, asked("num_attention_heads")?);
    let decoder = Decoder {
        layers: asked("num_hidden_layers")?,
        width,
        heads,
        kv_heads: whole("num_key_value_heads").unwrap_or(heads),
        head_dim: whole("head_dim").unwrap_or(width / heads.max(1)),
        mlp: asked("intermediate_size")?,
        vocabulary: asked("vocab_size")?,
        context,
        eps: number("rms_norm_eps").ok_or("has no number `rms_norm_eps`")? as f32,
        theta: number("rope_theta").or(rope["rope_theta"].as_f64()).unwrap_or(1e4),
        tied: flag("tie_word_embeddings"),
        biases: *architecture == "qwen2",
        mixing: match *architecture == OWN {
            true => mixing(config, asked("num_hidden_layers")?)?,
            false => Mixing::softmax(),
        },
    };
    Ok((architecture.to_string(), decoder))
}

/// How tokens see each other, by `mixers`, `feature_map` and `normaliser`.
fn mixing(config: &Value, layers: usize) -> std::result::Result<Mixing, String> {
    let names: Vec<&str> = config["mixers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap_or_default())
        .collect();
    if names.len() != layers {
        return Err(format!("has {} `mixers` for {layers} layers", names.len()));
    }
    let mixer = |name: &&str| {
        let known = || Mixer::ALL.map(|(name, _)| name).join(", ");
        Mixer::named(name).ok_or_else(|| format!("names the mixer `{}`; there are {}", shown(name), known()))
    };
    fn one<T: Copy + Default>(
        config: &Value,
        key: &str,
        all: &[(&str, T)],
    ) -> std::result::Result<T, String> {
        let Some(name) = config[key].as_str() else { return Ok(T::default()) };
        let found = all.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("`{key}` is `{}`; there are {}", shown(name), names()))
    }
    Ok(Mixing {
        mixers: names.iter().map(mixer).collect::<std::result::Result<_, _>>()?,
        feature_map: one(config, "feature_map", &FeatureMap::ALL)?,
        normaliser: one(config, "normaliser", &Normaliser::ALL)?,
    })
}
