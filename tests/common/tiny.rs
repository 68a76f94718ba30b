//! Tiny random language models, made on the fly: as a Hugging Face directory, as a GGUF file, and in f64.
#![allow(dead_code)] // Every suite uses a part of it.

#[path = "mixed.rs"]
mod mixed;

use floe::pretrained::{Decoder, FeatureMap, Mixer, Mixing, Normaliser};
use floe::reference::attention::{Sizes, attention};
use floe::reference::layers::{cross_entropy, rms_norm, rope, swiglu};
use floe::reference::matmul::{Form, matmul};
use half::{bf16, f16};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a published model is, with weights of so many bits that every kind of file holds them exactly.
#[derive(Clone)]
pub struct Tiny {
    pub architecture: &'static str,
    pub decoder: Decoder,
    pub weights: BTreeMap<String, Vec<f32>>,
}

/// Special tokens behind the bytes.
pub const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// What merges of two, and of what that gives, make.
const MERGES: [&str; 5] = ["t h", "Ġ t", "Ġt h", "e r", "th e"];
pub const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// GPT-2's character of a byte.
fn letter(byte: u8) -> char {
    let own = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match own(byte) {
        true => byte as char,
        false => {
            let before = (0..byte).filter(|b| !own(*b)).count();
            char::from_u32(256 + before as u32).expect("a character")
        }
    }
}

/// Every byte, what merges make, special ones.
pub fn tokens() -> Vec<String> {
    let bytes = (0..=255).map(|b| letter(b).to_string());
    let merged = MERGES.iter().map(|merge| merge.replace(' ', ""));
    bytes.chain(merged).chain(SPECIAL.map(String::from)).collect()
}

pub fn id_of(token: &str) -> u32 {
    tokens().iter().position(|t| t == token).expect("a token") as u32
}

impl Tiny {
    /// Llama with a head of its own and heads that are not width / H wide; or Qwen 2 with biases, tied.
    pub fn new(architecture: &'static str) -> Self {
        let qwen = architecture == "qwen2";
        let decoder = Decoder {
            layers: 2,
            width: 20,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            mlp: 36,
            vocabulary: tokens().len(),
            context: 96,
            eps: 1e-5,
            theta: 1e4,
            tied: qwen,
            biases: qwen,
            mixing: Mixing::softmax(),
        };
        Tiny::of(architecture, decoder)
    }

    /// With linear attention: two layers, heads that share keys and values.
    pub fn mixing(mixers: &[Mixer]) -> Self {
        let mixing = Mixing { mixers: mixers.to_vec(), ..Mixing::softmax() };
        let base = Tiny::new("llama").decoder;
        let decoder = Decoder { layers: mixers.len(), head_dim: 16, heads: 2, kv_heads: 1, mixing, ..base };
        Tiny::of("floe", decoder)
    }

    pub fn of(architecture: &'static str, decoder: Decoder) -> Self {
        let mut state = 7u64;
        let mut next = |scale: f32, around: f32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Seven bits and a sign: exact in bfloat16.
            let bits = (state >> 40) as i32 % 255 - 127;
            around + bits as f32 / 128.0 * scale
        };
        let tensors = decoder.tensors().into_iter().map(|(name, shape)| {
            let (scale, around) = if name.contains("norm") { (0.5, 1.0) } else { (0.5, 0.0) };
            let count = shape.iter().product();
            let data = (0..count).map(|_| bf16::from_f32(next(scale, around)).to_f32()).collect();
            (name, data)
        });
        Tiny { architecture, weights: tensors.collect(), decoder }
    }

    pub fn wide(&self, name: &str) -> Vec<f64> {
        self.weights[name].iter().map(|x| f64::from(*x)).collect()
    }

    /// Logits of a text in f64, `[T, W]`, from the definition.
    pub fn logits(&self, ids: &[u32]) -> Vec<f64> {
        let (d, t) = (&self.decoder, ids.len());
        let (queries, shared) = (d.heads * d.head_dim, d.kv_heads * d.head_dim);
        let linear = |x: &[f64], name: &str, rows: usize| {
            let cols = x.len() / t;
            let mut y = matmul(Form::Nt, x, &self.wide(&format!("{name}.weight")), [t, rows, cols]);
            if self.weights.contains_key(&format!("{name}.bias")) {
                let bias = self.wide(&format!("{name}.bias"));
                y.iter_mut().enumerate().for_each(|(i, y)| *y += bias[i % rows]);
            }
            y
        };
        let norm =
            |x: &[f64], name: &str| rms_norm(x, &self.wide(&format!("{name}.weight")), f64::from(d.eps));
        let add = |x: &mut Vec<f64>, y: Vec<f64>| x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        let table = self.wide("model.embed_tokens.weight");
        let mut x: Vec<f64> =
            ids.iter().flat_map(|&id| table[id as usize * d.width..][..d.width].to_vec()).collect();
        let positions: Vec<usize> = (0..t).collect();
        let sizes = Sizes { heads: d.heads, groups: d.kv_heads, dim: d.head_dim };
        for layer in 0..d.layers {
            let name = format!("model.layers.{layer}");
            let h = norm(&x, &format!("{name}.input_layernorm"));
            let of = |letter: &str, rows: usize| linear(&h, &format!("{name}.self_attn.{letter}_proj"), rows);
            let (q, k, v) = (of("q", queries), of("k", shared), of("v", shared));
            let turned = |x: &[f64]| rope(x, &positions, d.head_dim, d.theta);
            let o = match d.mixing.mixer(layer) {
                Mixer::Softmax => attention(&turned(&q), &turned(&k), &v, 0, &vec![0; t], sizes),
                mixer => self.mixed(mixer, &name, &h, [&q, &k, &v]),
            };
            add(&mut x, linear(&o, &format!("{name}.self_attn.o_proj"), d.width));
            let h = norm(&x, &format!("{name}.post_attention_layernorm"));
            let [gate, up] = ["gate", "up"].map(|part| linear(&h, &format!("{name}.mlp.{part}_proj"), d.mlp));
            add(&mut x, linear(&swiglu(&gate, &up), &format!("{name}.mlp.down_proj"), d.width));
        }
        let head = if d.tied { "model.embed_tokens" } else { "lm_head" };
        linear(&norm(&x, "model.norm"), head, d.vocabulary)
    }

    /// Nats of each token but the first.
    pub fn losses(&self, ids: &[u32]) -> Vec<f64> {
        let mut targets: Vec<Option<usize>> = ids[1..].iter().map(|&id| Some(id as usize)).collect();
        targets.push(None);
        let mut all = cross_entropy(&self.logits(ids), &targets);
        all.pop();
        all
    }

    pub fn config(&self) -> Value {
        let d = &self.decoder;
        let class = match self.architecture {
            "qwen2" => "Qwen2ForCausalLM",
            "mistral" => "MistralForCausalLM",
            "floe" => "FloeForCausalLM",
            _ => "LlamaForCausalLM",
        };
        let mut config = json!({
            "architectures": [class], "model_type": self.architecture, "hidden_size": d.width,
            "num_hidden_layers": d.layers, "num_attention_heads": d.heads, "num_key_value_heads": d.kv_heads,
            "head_dim": d.head_dim, "intermediate_size": d.mlp, "vocab_size": d.vocabulary,
            "max_position_embeddings": d.context, "rms_norm_eps": d.eps, "rope_theta": d.theta,
            "tie_word_embeddings": d.tied, "hidden_act": "silu", "eos_token_id": id_of("<|im_end|>"),
        });
        if self.architecture == "floe" {
            let name = |all: &[(&str, FeatureMap)]| {
                all.iter().find(|(_, own)| *own == d.mixing.feature_map).map(|(name, _)| name.to_string())
            };
            config["mixers"] = d.mixing.mixers.iter().map(|mixer| mixer.name()).collect();
            config["feature_map"] = name(&FeatureMap::ALL).into();
            config["normaliser"] =
                if d.mixing.normaliser == Normaliser::Mean { "mean" } else { "none" }.into();
        }
        config
    }

    /// A directory with everything in it, tensors in so many files.
    pub fn hub(&self, dir: &Path, shards: usize, dtype: &str) -> PathBuf {
        std::fs::create_dir_all(dir).unwrap();
        let write = |name: &str, value: &Value| std::fs::write(dir.join(name), value.to_string()).unwrap();
        write("config.json", &self.config());
        write("tokenizer.json", &tokenizer());
        write("tokenizer_config.json", &json!({ "chat_template": TEMPLATE }));
        let tensors = self.decoder.tensors();
        let mut map = serde_json::Map::new();
        for shard in 0..shards {
            let name = match shards {
                1 => "model.safetensors".to_string(),
                n => format!("model-{:05}-of-{n:05}.safetensors", shard + 1),
            };
            let own: Vec<_> = tensors.iter().skip(shard).step_by(shards).collect();
            own.iter().for_each(|(tensor, _)| drop(map.insert(tensor.clone(), name.clone().into())));
            std::fs::write(dir.join(&name), self.safetensors(&own, dtype)).unwrap();
        }
        if shards > 1 {
            write("model.safetensors.index.json", &json!({ "weight_map": map }));
        }
        dir.to_path_buf()
    }

    fn safetensors(&self, tensors: &[&(String, Vec<usize>)], dtype: &str) -> Vec<u8> {
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, shape) in tensors {
            let start = data.len();
            for x in &self.weights[name] {
                match dtype {
                    "F32" => data.extend(x.to_le_bytes()),
                    "F16" => data.extend(f16::from_f32(*x).to_le_bytes()),
                    _ => data.extend(bf16::from_f32(*x).to_le_bytes()),
                }
            }
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] });
            header.insert(name.clone(), entry);
        }
        let header = Value::Object(header).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }

    /// A GGUF file of f32, q and k in the order of its architecture.
    pub fn gguf(&self) -> Gguf {
        let d = &self.decoder;
        let mut file = Gguf { version: 3, keys: Vec::new(), tensors: Vec::new() };
        file.text("general.architecture", self.architecture);
        let key = |name: &str| format!("{}.{name}", self.architecture);
        for (name, value) in [
            ("block_count", d.layers),
            ("embedding_length", d.width),
            ("feed_forward_length", d.mlp),
            ("attention.head_count", d.heads),
            ("attention.head_count_kv", d.kv_heads),
            ("attention.key_length", d.head_dim),
            ("attention.value_length", d.head_dim),
            ("context_length", d.context),
        ] {
            file.u32(&key(name), value as u32);
        }
        file.f32(&key("attention.layer_norm_rms_epsilon"), d.eps);
        file.f32(&key("rope.freq_base"), d.theta as f32);
        file.text("tokenizer.ggml.model", "gpt2");
        file.text("tokenizer.ggml.pre", "smollm");
        file.texts("tokenizer.ggml.tokens", &tokens());
        file.texts("tokenizer.ggml.merges", &MERGES.map(String::from));
        let plain = tokens().len() - SPECIAL.len();
        let kinds: Vec<i32> = (0..tokens().len()).map(|i| if i < plain { 1 } else { 3 }).collect();
        file.i32s("tokenizer.ggml.token_type", &kinds);
        file.u32("tokenizer.ggml.eos_token_id", id_of("<|im_end|>"));
        file.text("tokenizer.chat_template", TEMPLATE);
        for (name, shape) in d.tensors() {
            let data = self.ordered(&name, &shape);
            let bytes = data.iter().flat_map(|x| x.to_le_bytes()).collect();
            file.tensors.push(GgufTensor { name: gguf_name(&name), shape, kind: 0, bytes });
        }
        file
    }

    /// Rows as a converter orders them: those of q and k of `llama` for interleaved rotation.
    fn ordered(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        let data = &self.weights[name];
        let turned = self.architecture == "llama" && (name.contains(".q_proj.") || name.contains(".k_proj."));
        if !turned {
            return data.clone();
        }
        let (dim, row) = (self.decoder.head_dim, data.len() / shape[0]);
        let mut out = Vec::new();
        for head in data.chunks(dim * row) {
            for i in 0..dim / 2 {
                out.extend_from_slice(&head[i * row..(i + 1) * row]);
                out.extend_from_slice(&head[(i + dim / 2) * row..(i + dim / 2 + 1) * row]);
            }
        }
        out
    }
}

pub fn tokenizer() -> Value {
    let tokens = tokens();
    let plain = tokens.len() - SPECIAL.len();
    let vocab: serde_json::Map<String, Value> =
        tokens[..plain].iter().zip(0..).map(|(token, id)| (token.clone(), json!(id))).collect();
    let added: Vec<Value> = tokens[plain..]
        .iter()
        .zip(plain..)
        .map(|(content, id)| {
            json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false })
        })
        .collect();
    let digits = json!({ "type": "Digits", "individual_digits": true });
    let bytes =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [digits, bytes] },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": MERGES },
    })
}

fn gguf_name(name: &str) -> String {
    let names = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("model.layers", "blk"),
    ];
    names.iter().fold(name.to_string(), |name, (ours, theirs)| name.replace(ours, theirs))
}

/// A GGUF file that is being written.
#[derive(Clone)]
pub struct Gguf {
    pub version: u32,
    /// Keys with the kind and bytes of their values.
    pub keys: Vec<(String, u32, Vec<u8>)>,
    pub tensors: Vec<GgufTensor>,
}

#[derive(Clone)]
pub struct GgufTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: u32,
    pub bytes: Vec<u8>,
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

impl Gguf {
    pub fn set(&mut self, key: &str, kind: u32, bytes: Vec<u8>) {
        self.keys.retain(|(name, ..)| name != key);
        self.keys.push((key.into(), kind, bytes));
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.set(key, 8, string(text));
    }

    pub fn u32(&mut self, key: &str, value: u32) {
        self.set(key, 4, value.to_le_bytes().into());
    }

    pub fn f32(&mut self, key: &str, value: f32) {
        self.set(key, 6, value.to_le_bytes().into());
    }

    pub fn texts(&mut self, key: &str, all: &[String]) {
        let head = [&8u32.to_le_bytes()[..], &(all.len() as u64).to_le_bytes()].concat();
        let bytes = all.iter().fold(head, |bytes, text| [bytes, string(text)].concat());
        self.set(key, 9, bytes);
    }

    pub fn i32s(&mut self, key: &str, all: &[i32]) {
        let head = [&5u32.to_le_bytes()[..], &(all.len() as u64).to_le_bytes()].concat();
        self.set(key, 9, all.iter().fold(head, |bytes, n| [bytes, n.to_le_bytes().into()].concat()));
    }

    /// The header, and the data behind it.
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let counts = [self.tensors.len() as u64, self.keys.len() as u64];
        let mut head = [&b"GGUF"[..], &self.version.to_le_bytes()].concat();
        counts.iter().for_each(|n| head.extend(n.to_le_bytes()));
        for (key, kind, bytes) in &self.keys {
            head.extend([string(key), kind.to_le_bytes().into(), bytes.clone()].concat());
        }
        let mut data: Vec<u8> = Vec::new();
        for tensor in &self.tensors {
            head.extend(string(&tensor.name));
            head.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().rev().for_each(|n| head.extend((*n as u64).to_le_bytes()));
            head.extend(tensor.kind.to_le_bytes());
            head.extend((data.len() as u64).to_le_bytes());
            data.extend(&tensor.bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        head.resize(head.len().next_multiple_of(32), 0);
        (head, data)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (head, data) = self.parts();
        [head, data].concat()
    }
}
