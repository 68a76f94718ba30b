//! Models and adapters as others open them: Hugging Face directories, and PEFT's. Each appears whole or not at all.

use super::experiment::projections;
use crate::config::{Lora, Written};
use crate::error::{Error, Result};
use crate::models::lm::adapter::Adapter;
use crate::pretrained::adapter::{CONFIG, PREFIX, TENSORS};
use crate::pretrained::{CLASS, OWN, Pretrained, Tokenizer};
use crate::store::atomic::{atomic_write, sync};
use crate::store::checkpoint::{Dtype, Outline, Sink, stream};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Gives a tensor's numbers, row-major, in as many pieces as it likes.
pub type Give<'a> = dyn FnMut(&str, &mut Sink) -> Result<()> + 'a;

/// What stands beside a model's tensors, and is copied.
const BESIDE: [&str; 11] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "LICENSE",
    "NOTICE",
];

/// Most bytes of one of them.
const MOST: u64 = 256 << 20;

/// A directory on its way, which is there under its name once it is whole.
struct Whole {
    path: PathBuf,
    under_way: PathBuf,
}

impl Whole {
    fn begin(path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(Error::file(path, "is there already; name another directory, or move it away"));
        }
        let name = path.file_name().ok_or_else(|| Error::file(path, "is no name of a directory"))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|e| Error::file(parent, format!("can't be created: {e}")))?;
        let under_way = parent.join(format!(".{}.floe-tmp", name.to_string_lossy()));
        // Left by a process that was killed.
        let _ = std::fs::remove_dir_all(&under_way);
        std::fs::create_dir(&under_way)
            .map_err(|e| Error::file(&under_way, format!("can't be created: {e}")))?;
        Ok(Whole { path: path.to_path_buf(), under_way })
    }

    fn appear(self) -> Result<()> {
        let done = std::fs::rename(&self.under_way, &self.path).map_err(|e| Error::file(&self.path, e));
        done.and_then(|()| sync(&self.path))
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // Nothing is there once it has appeared.
        let _ = std::fs::remove_dir_all(&self.under_way);
    }
}

/// Writes a model's tensors as `give` gives them, with what else `transformers` asks for.
///
/// # Errors
/// The directory is there; a number that is not finite, or that `dtype` has no room for; what `give` gives; a file that can't be
/// written.
pub fn model(
    path: &Path,
    base: &Pretrained,
    tokenizer: &Tokenizer,
    dtype: Written,
    give: &mut Give,
) -> Result<()> {
    let whole = Whole::begin(path)?;
    let into = &whole.under_way;
    let mut tensors = base.decoder().tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let kind = match dtype {
        Written::F32 => Dtype::F32,
        Written::F16 => Dtype::F16,
        Written::Bf16 => Dtype::BF16,
    };
    let outline = Outline {
        tensors: tensors.iter().map(|(name, shape)| (name.as_str(), shape.clone())).collect(),
        dtype: kind,
    };
    stream(&into.join("model.safetensors"), &outline, &BTreeMap::new(), |i, sink| give(&tensors[i].0, sink))?;
    write_json(&into.join("config.json"), &config(base, dtype)?)?;
    match base.path().is_dir() {
        true => copy(base.path(), into)?,
        false => describe(base, tokenizer, into)?,
    }
    whole.appear()
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::file(path, e))? + "\n";
    atomic_write(path, text.as_bytes())
}

/// The model's own `config.json` with another type of numbers, or one of its sizes.
fn config(base: &Pretrained, dtype: Written) -> Result<Value> {
    let word = match dtype {
        Written::F32 => "float32",
        Written::F16 => "float16",
        Written::Bf16 => "bfloat16",
    };
    let mut all = match base.path().is_dir() {
        true => {
            let at = base.path().join("config.json");
            let text = crate::bounded::text(&at, crate::bounded::SMALL).map_err(|e| Error::file(&at, e))?;
            serde_json::from_str::<Map<String, Value>>(&text).map_err(|e| Error::file(&at, e))?
        }
        false => made(base),
    };
    if all.contains_key("dtype") {
        all.insert("dtype".into(), word.into());
    }
    all.insert("torch_dtype".into(), word.into());
    // Weights are as they are read: no longer packed.
    all.remove("quantization_config");
    Ok(all.into())
}

fn made(base: &Pretrained) -> Map<String, Value> {
    let decoder = base.decoder();
    let class = match base.architecture() {
        "mistral" => "MistralForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        OWN => CLASS,
        _ => "LlamaForCausalLM",
    };
    let mut all = json!({
        "architectures": [class],
        "model_type": base.architecture(),
        "hidden_act": "silu",
        "hidden_size": decoder.width,
        "intermediate_size": decoder.mlp,
        "num_hidden_layers": decoder.layers,
        "num_attention_heads": decoder.heads,
        "num_key_value_heads": decoder.kv_heads,
        "head_dim": decoder.head_dim,
        "vocab_size": decoder.vocabulary,
        "max_position_embeddings": decoder.context,
        // Nine digits tell any f32.
        "rms_norm_eps": format!("{:e}", decoder.eps).parse::<f64>().unwrap_or(f64::from(decoder.eps)),
        "rope_theta": decoder.theta,
        "tie_word_embeddings": decoder.tied,
        "use_cache": true,
    });
    let all = all.as_object_mut().expect("made as one");
    // What attention has is the class's to say, of Qwen 2.
    if base.architecture() == "llama" {
        all.insert("attention_bias".into(), false.into());
        all.insert("mlp_bias".into(), false.into());
    }
    if base.architecture() == OWN {
        let mixing = &decoder.mixing;
        all.insert("mixers".into(), mixing.mixers.iter().map(|mixer| mixer.name()).collect());
        all.insert("feature_map".into(), mixing.feature_map.name().into());
        all.insert("normaliser".into(), mixing.normaliser.name().into());
    }
    if base.architecture() == "mistral" {
        all.insert("sliding_window".into(), Value::Null);
    }
    all.insert("eos_token_id".into(), ids(base.ends()));
    all.insert("bos_token_id".into(), base.start().map_or(Value::Null, Value::from));
    std::mem::take(all)
}

fn ids(all: Vec<u32>) -> Value {
    match all[..] {
        [] => Value::Null,
        [one] => one.into(),
        _ => all.into(),
    }
}

/// What a GGUF file says of its tokenizer, as Hugging Face's files say it.
fn describe(base: &Pretrained, tokenizer: &Tokenizer, into: &Path) -> Result<()> {
    atomic_write(&into.join("tokenizer.json"), tokenizer.to_json()?.as_bytes())?;
    let token = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).map_or(Value::Null, Value::from);
    let start = token(base.start());
    let mut about = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": base.decoder().context,
        "clean_up_tokenization_spaces": false,
        "add_bos_token": base.start().is_some(),
        "eos_token": token(base.ends().first().copied()),
    });
    if !start.is_null() {
        about["bos_token"] = start;
    }
    if let Some(template) = base.template() {
        about["chat_template"] = template.into();
    }
    write_json(&into.join("tokenizer_config.json"), &about)?;
    let generation = json!({
        "eos_token_id": ids(base.ends()),
        "bos_token_id": base.start().map_or(Value::Null, Value::from),
    });
    write_json(&into.join("generation_config.json"), &generation)
}

fn copy(from: &Path, into: &Path) -> Result<()> {
    for name in BESIDE {
        let path = from.join(name);
        if path.is_file() {
            let bytes = crate::bounded::bytes(&path, MOST).map_err(|e| Error::file(&path, e))?;
            atomic_write(&into.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Writes an adapter as PEFT reads it. `give` is asked for PEFT's names without what it puts before them.
///
/// # Errors
/// As [`model`].
pub fn adapter(
    path: &Path,
    base: &Pretrained,
    (lora, adapter): (&Lora, &Adapter),
    give: &mut Give,
) -> Result<()> {
    let whole = Whole::begin(path)?;
    let into = &whole.under_way;
    let shapes: BTreeMap<String, Vec<usize>> = base.decoder().tensors().into_iter().collect();
    let mut tensors: Vec<(String, String, Vec<usize>)> = Vec::new();
    for weight in &adapter.weights {
        let (module, shape) = (weight.trim_end_matches(".weight"), &shapes[weight]);
        for (letter, shape) in [("A", vec![adapter.rank, shape[1]]), ("B", vec![shape[0], adapter.rank])] {
            let name = format!("{module}.lora_{letter}.weight");
            tensors.push((format!("{PREFIX}{name}"), name, shape));
        }
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let outline = Outline {
        tensors: tensors.iter().map(|(name, _, shape)| (name.as_str(), shape.clone())).collect(),
        dtype: Dtype::F32,
    };
    stream(&into.join(TENSORS), &outline, &BTreeMap::new(), |i, sink| give(&tensors[i].1, sink))?;
    let modules =
        || adapter.weights.iter().map(|name| name.trim_end_matches(".weight").to_string()).collect();
    let targets: Vec<String> = projections(adapter, base.decoder().layers).unwrap_or_else(modules);
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.path(),
        "r": adapter.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.rslora,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
    });
    write_json(&into.join(CONFIG), &config)?;
    whole.appear()
}
