//! Published models: what a Hugging Face directory or a GGUF file holds (configuration, tensors, tokenizer, chat template),
//! under one set of names, Hugging Face's.

pub mod adapter;
mod fresh;
mod gguf;
mod hub;
pub mod mixer;
mod names;
pub mod template;
pub mod tokenizer;

pub use adapter::PeftAdapter;
pub use fresh::Fresh;
pub use hub::{CLASS, OWN};
pub use mixer::{FeatureMap, Mixer, Mixing, Normaliser};
pub use template::Message;
pub use tokenizer::Tokenizer;

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Blocks of a file that its fingerprint is made of, and bytes of one.
const BLOCKS: u64 = 64;
/// See [`BLOCKS`].
const BLOCK: u64 = 1 << 16;

/// A decoder's sizes, as `config.json` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder {
    /// L: `num_hidden_layers`.
    pub layers: usize,
    /// C: `hidden_size`.
    pub width: usize,
    /// H: `num_attention_heads`.
    pub heads: usize,
    /// G: `num_key_value_heads`.
    pub kv_heads: usize,
    /// D: `head_dim`.
    pub head_dim: usize,
    /// F: `intermediate_size`.
    pub mlp: usize,
    /// W: `vocab_size`, rows of the embedding.
    pub vocabulary: usize,
    /// Most positions: `max_position_embeddings`.
    pub context: usize,
    /// `rms_norm_eps`.
    pub eps: f32,
    /// `rope_theta`.
    pub theta: f64,
    /// The head is the embedding: `tie_word_embeddings`.
    pub tied: bool,
    /// Queries, keys and values have biases.
    pub biases: bool,
    /// How tokens see each other.
    pub mixing: Mixing,
}

impl Decoder {
    /// Names and shapes of its tensors, `[out, in]`, in the order in which they are used.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (queries, shared) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut all = vec![("model.embed_tokens.weight".to_string(), vec![self.vocabulary, self.width])];
        for layer in 0..self.layers {
            let mut put =
                |name: &str, shape: Vec<usize>| all.push((format!("model.layers.{layer}.{name}"), shape));
            put("input_layernorm.weight", vec![self.width]);
            for (letter, rows) in [("q", queries), ("k", shared), ("v", shared)] {
                put(&format!("self_attn.{letter}_proj.weight"), vec![rows, self.width]);
                if self.biases {
                    put(&format!("self_attn.{letter}_proj.bias"), vec![rows]);
                }
            }
            put("self_attn.o_proj.weight", vec![self.width, queries]);
            let mixer = self.mixing.mixer(layer);
            for (name, shape) in mixer.tensors(self.heads, self.width) {
                put(&format!("self_attn.{name}"), shape);
            }
            put("post_attention_layernorm.weight", vec![self.width]);
            put("mlp.gate_proj.weight", vec![self.mlp, self.width]);
            put("mlp.up_proj.weight", vec![self.mlp, self.width]);
            put("mlp.down_proj.weight", vec![self.width, self.mlp]);
        }
        all.push(("model.norm.weight".into(), vec![self.width]));
        if !self.tied {
            all.push(("lm_head.weight".into(), vec![self.vocabulary, self.width]));
        }
        all
    }

    /// Parameters in all.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Why its sizes are none that can be computed with.
    pub fn complaint(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.width),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.mlp),
            ("vocab_size", self.vocabulary),
            ("max_position_embeddings", self.context),
        ];
        // So that no product of two of them overflows.
        let most = 1 << 24;
        if let Some((name, value)) = sizes.into_iter().find(|(_, value)| *value == 0 || *value > most) {
            return Some(format!("`{name}` is {value}; it can be 1 to {most}"));
        }
        let even = [
            ("hidden_size", self.width, 4),
            ("intermediate_size", self.mlp, 4),
            ("head_dim", self.head_dim, 8),
        ];
        if let Some((name, value, of)) = even.into_iter().find(|(_, value, of)| !value.is_multiple_of(*of)) {
            return Some(format!("`{name}` is {value}; floe computes with multiples of {of}"));
        }
        if !self.mixing.mixers.is_empty() && self.mixing.mixers.len() != self.layers {
            return Some(format!("{} mixers of {} layers", self.mixing.mixers.len(), self.layers));
        }
        let linear = self.mixing.mixers.iter().find(|mixer| mixer.is_linear());
        if let Some(mixer) = linear.filter(|_| !self.head_dim.is_multiple_of(16)) {
            let (name, width) = (mixer.name(), self.head_dim);
            return Some(format!("`head_dim` is {width}; floe computes `{name}` with multiples of 16"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Some(format!(
                "{} query heads can't share {} key/value heads evenly",
                self.heads, self.kv_heads
            ));
        }
        let number = |name: &str, ok: bool| (!ok).then(|| format!("`{name}` is no number that can be used"));
        number("rms_norm_eps", self.eps.is_finite() && self.eps > 0.0)
            .or(number("rope_theta", self.theta.is_finite() && self.theta > 0.0))
    }
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Hugging Face's name.
    pub name: String,
    /// Row-major: `[out, in]` of a weight.
    pub shape: Vec<usize>,
    /// What its numbers are in the file: `F32`, `BF16`, `Q4_1` …
    pub kind: String,
    /// Of the file.
    pub bytes: u64,
}

/// An opened model: headers are read and checked, tensors are given as they are asked for.
pub struct Pretrained {
    path: PathBuf,
    decoder: Decoder,
    architecture: String,
    source: Source,
}

enum Source {
    Gguf(gguf::Gguf),
    Hub(hub::Hub),
    Fresh(Fresh),
}

impl Pretrained {
    /// Opens a `.gguf` file, or a directory with a `config.json`.
    ///
    /// # Errors
    /// [`Error::File`], one line: what can't be read, is torn, or is of a kind that floe doesn't know, with those it does.
    pub fn open(path: &Path) -> Result<Pretrained> {
        let about = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                Error::file(path, "is not there; give a .gguf file, or a directory with a config.json")
            }
            _ => Error::file(path, format!("can't be read: {e}")),
        })?;
        let (decoder, architecture, source) = if about.is_dir() {
            let (hub, decoder) = hub::Hub::open(path)?;
            (decoder, hub.architecture.clone(), Source::Hub(hub))
        } else {
            let gguf = gguf::Gguf::open(path)?;
            let (architecture, decoder) = names::decoder(&gguf)?;
            (decoder, architecture, Source::Gguf(gguf))
        };
        let model = Pretrained { path: path.to_path_buf(), decoder, architecture, source };
        model.complete()?;
        Ok(model)
    }

    /// A model that is nowhere yet.
    ///
    /// # Errors
    /// Sizes that can't be computed with.
    pub fn fresh(fresh: Fresh, decoder: Decoder) -> Result<Pretrained> {
        // With softmax attention throughout it is Llama's, which others open.
        let own = if decoder.mixing.any_linear() { OWN } else { "llama" };
        let (path, architecture) = (fresh.path(), own.to_string());
        let model = Pretrained { path, decoder, architecture, source: Source::Fresh(fresh) };
        model.complete()?;
        Ok(model)
    }

    /// Holds that every tensor of the decoder is there, in its shape, and no other.
    fn complete(&self) -> Result<()> {
        if let Some(why) = self.decoder.complaint() {
            return Err(Error::file(&self.path, why));
        }
        let have = self.tensors();
        let wanted = self.decoder.tensors();
        for (name, shape) in &wanted {
            match have.iter().find(|stored| stored.name == *name) {
                None => return Err(Error::file(&self.path, format!("has no tensor `{name}`, {shape:?}"))),
                Some(stored) if stored.shape != *shape => {
                    let message =
                        format!("tensor `{name}` is {:?} where {shape:?} is computed with", stored.shape);
                    return Err(Error::file(&self.path, message));
                }
                Some(_) => {}
            }
        }
        let extra = have.iter().find(|stored| !wanted.iter().any(|(name, _)| *name == stored.name));
        match extra {
            None => Ok(()),
            Some(stored) => {
                let name = crate::error::shown(&stored.name);
                let message = format!(
                    "tensor `{name}` is none of a {} decoder's: what it does is not known, and would be left out",
                    self.architecture
                );
                Err(Error::file(&self.path, message))
            }
        }
    }

    /// A hash of what it is: names, shapes and kinds of its tensors, and blocks of its files here and there.
    ///
    /// # Errors
    /// A failure to read.
    pub fn fingerprint(&self) -> Result<String> {
        let paths: Vec<PathBuf> = match &self.source {
            Source::Gguf(_) => vec![self.path.clone()],
            Source::Hub(hub) => hub.paths(),
            Source::Fresh(_) => Vec::new(),
        };
        let mut hash = Sha256::new();
        if let Source::Fresh(fresh) = &self.source {
            fresh.tensors.values().for_each(|tensor| {
                tensor.iter().for_each(|x| hash.update(x.to_le_bytes()));
            });
        }
        for stored in self.tensors() {
            hash.update(format!("{} {:?} {}\n", stored.name, stored.shape, stored.kind));
        }
        for path in paths {
            let mut file = File::open(&path).map_err(|e| Error::file(&path, e))?;
            let bytes = file.metadata().map_err(|e| Error::file(&path, e))?.len();
            hash.update(bytes.to_le_bytes());
            for i in 0..=BLOCKS {
                let mut block = Vec::new();
                let at = SeekFrom::Start(bytes.saturating_sub(BLOCK) / BLOCKS * i);
                let read = file.seek(at).and_then(|_| (&file).take(BLOCK).read_to_end(&mut block));
                read.map_err(|e| Error::file(&path, e))?;
                hash.update(&block);
            }
        }
        Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its sizes.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// `llama`, `mistral`, `qwen2` or `floe`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// What it calls itself, as the file has it.
    pub fn name(&self) -> Option<&str> {
        match &self.source {
            Source::Gguf(gguf) => gguf.text("general.name"),
            Source::Hub(hub) => hub.name.as_deref(),
            Source::Fresh(fresh) => Some(&fresh.name),
        }
    }

    /// `GGUF v3`, or `safetensors, 2 files`.
    pub fn format(&self) -> String {
        match &self.source {
            Source::Gguf(gguf) => format!("GGUF v{}", gguf.version),
            Source::Hub(hub) => hub.format(),
            Source::Fresh(_) => "from scratch".into(),
        }
    }

    /// In the order of the files.
    pub fn tensors(&self) -> Vec<Stored> {
        match &self.source {
            Source::Gguf(gguf) => names::stored(gguf),
            Source::Hub(hub) => hub.stored(),
            Source::Fresh(fresh) => fresh.stored(&self.decoder),
        }
    }

    /// The elements of a tensor in order, row-major, as f32, some whole rows at a time.
    ///
    /// # Errors
    /// There is none of that name; a failure to read; a number that is not finite; what `take` gives.
    pub fn read(&self, name: &str, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        match &self.source {
            Source::Gguf(gguf) => names::read(gguf, &self.architecture, &self.decoder, name, &mut take),
            Source::Hub(hub) => hub.read(name, &mut take),
            Source::Fresh(fresh) => fresh.read(name, &mut take),
        }
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// There is none, it is of a kind that floe doesn't know, or it has more tokens than the embedding rows.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = match &self.source {
            Source::Gguf(gguf) => tokenizer::of_gguf(gguf)?,
            Source::Hub(hub) => hub.tokenizer()?,
            Source::Fresh(fresh) => fresh.tokenizer()?,
        };
        let (tokens, rows) = (tokenizer.len(), self.decoder.vocabulary);
        if tokens > rows {
            let message = format!("its tokenizer has {tokens} tokens, and its embedding {rows} rows");
            return Err(Error::file(&self.path, message));
        }
        Ok(tokenizer)
    }

    /// The chat template's text.
    pub fn template(&self) -> Option<&str> {
        match &self.source {
            Source::Gguf(gguf) => gguf.text("tokenizer.chat_template"),
            Source::Hub(hub) => hub.template.as_deref(),
            Source::Fresh(_) => None,
        }
    }

    /// Ids that end a text.
    pub fn ends(&self) -> Vec<u32> {
        let mut all = match &self.source {
            Source::Gguf(gguf) => gguf.ends(),
            Source::Hub(hub) => hub.ends.clone(),
            Source::Fresh(fresh) => fresh.ends(),
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The id that is put before every text, where there is one.
    pub fn start(&self) -> Option<u32> {
        match &self.source {
            Source::Gguf(gguf) => gguf.start(),
            Source::Hub(hub) => hub.start,
            Source::Fresh(_) => None,
        }
    }
}
