//! GGUF's names and keys as Hugging Face's, and the order of rows that goes with them.

use super::gguf::{Gguf, Tensor};
use super::{Decoder, Mixing, Stored};
use crate::error::{Error, Result, shown};

/// Architectures that are known in GGUF files.
const KNOWN: [&str; 2] = ["llama", "qwen2"];

/// GGUF's names of a layer's tensors beside Hugging Face's.
const LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];
const WHOLE: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

/// Hugging Face's name of a GGUF tensor; itself of one that has none.
fn known(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    if let Some((_, ours)) = WHOLE.iter().find(|(theirs, _)| *theirs == stem) {
        return Some(format!("{ours}.{kind}"));
    }
    let (layer, stem) = stem.strip_prefix("blk.")?.split_once('.')?;
    let (_, ours) = LAYER.iter().find(|(theirs, _)| *theirs == stem)?;
    layer.parse::<usize>().ok().map(|layer| format!("model.layers.{layer}.{ours}.{kind}"))
}

/// Frequencies that some converters write beside the weights: of the rotation without scaling they say nothing new.
fn is_ignored(name: &str) -> bool {
    name.ends_with("attn_rot_embd")
}

/// The tensors under Hugging Face's names.
pub fn stored(gguf: &Gguf) -> Vec<Stored> {
    let tensors = gguf.tensors.iter().filter(|tensor| !is_ignored(&tensor.name));
    tensors
        .map(|tensor| Stored {
            name: known(&tensor.name).unwrap_or_else(|| tensor.name.clone()),
            shape: tensor.shape.clone(),
            kind: tensor.kind.name().into(),
            bytes: tensor.bytes,
        })
        .collect()
}

fn find<'a>(gguf: &'a Gguf, name: &str) -> Option<&'a Tensor> {
    gguf.tensors.iter().find(|tensor| known(&tensor.name).as_deref() == Some(name))
}

/// Architecture and sizes, by the metadata.
pub fn decoder(gguf: &Gguf) -> Result<(String, Decoder)> {
    let wrong = |message: String| Error::file(&gguf.path, message);
    let Some(architecture) = gguf.text("general.architecture") else {
        return Err(wrong("doesn't say its architecture (`general.architecture`)".into()));
    };
    if !KNOWN.contains(&architecture) {
        let known = KNOWN.join(" and ");
        return Err(wrong(format!("is of architecture `{}`; floe knows {known}", shown(architecture))));
    }
    let key = |name: &str| format!("{architecture}.{name}");
    let optional = |name: &str| gguf.number(&key(name));
    let asked = |name: &str| optional(name).ok_or_else(|| wrong(format!("has no number `{}`", key(name))));
    let size = |value: f64| if value >= 1.0 && value <= (1u64 << 32) as f64 { value as usize } else { 0 };
    for (name, harmless) in
        [("rope.scaling.factor", 1.0), ("expert_count", 0.0), ("attention.sliding_window", 0.0)]
    {
        if let Some(value) = optional(name).filter(|value| *value != harmless) {
            return Err(wrong(format!("`{}` is {value}, which floe doesn't compute", key(name))));
        }
    }
    if let Some(kind) = gguf.text(&key("rope.scaling.type")).filter(|kind| *kind != "none") {
        return Err(wrong(format!(
            "`{}` is `{}`, which floe doesn't compute",
            key("rope.scaling.type"),
            shown(kind)
        )));
    }
    if gguf.tensors.iter().any(|tensor| tensor.name == "rope_freqs.weight") {
        return Err(wrong("scales its rotation by `rope_freqs.weight`, which floe doesn't compute".into()));
    }
    let width = size(asked("embedding_length")?);
    let heads = size(asked("attention.head_count")?);
    let kv_heads = optional("attention.head_count_kv").map_or(heads, size);
    let head_dim = optional("attention.key_length").map_or(width / heads.max(1), size);
    for (name, meant) in [("rope.dimension_count", head_dim), ("attention.value_length", head_dim)] {
        if let Some(other) = optional(name).map(size).filter(|n| *n != meant) {
            return Err(wrong(format!("`{}` is {other}, where floe computes with {meant}", key(name))));
        }
    }
    let Some(embedding) = find(gguf, "model.embed_tokens.weight") else {
        return Err(wrong("has no tensor `token_embd.weight`".into()));
    };
    let decoder = Decoder {
        layers: size(asked("block_count")?),
        width,
        heads,
        kv_heads,
        head_dim,
        mlp: size(asked("feed_forward_length")?),
        vocabulary: embedding.shape[0],
        context: size(asked("context_length")?),
        eps: asked("attention.layer_norm_rms_epsilon")? as f32,
        theta: optional("rope.freq_base").unwrap_or(1e4),
        tied: find(gguf, "lm_head.weight").is_none(),
        biases: find(gguf, "model.layers.0.self_attn.q_proj.bias").is_some(),
        mixing: Mixing::softmax(),
    };
    Ok((architecture.to_string(), decoder))
}

/// Heads of a tensor whose rows a converter has put into the order of interleaved rotation: 0 for none.
fn permuted(architecture: &str, decoder: &Decoder, name: &str) -> usize {
    let of = |letter: &str| name.contains(&format!(".self_attn.{letter}_proj."));
    match architecture {
        "llama" if of("q") => decoder.heads,
        "llama" if of("k") => decoder.kv_heads,
        _ => 0,
    }
}

/// [`Pretrained::read`](super::Pretrained::read).
pub fn read(
    gguf: &Gguf,
    architecture: &str,
    decoder: &Decoder,
    name: &str,
    take: &mut dyn FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let Some(tensor) = find(gguf, name) else {
        return Err(Error::file(&gguf.path, format!("has no tensor `{}`", shown(name))));
    };
    let heads = permuted(architecture, decoder, name);
    let (rows, cols) = match tensor.shape.as_slice() {
        [cols] => (1, *cols),
        shape => (shape[..shape.len() - 1].iter().product(), shape[shape.len() - 1]),
    };
    let mut piece = Vec::new();
    if heads > 0 {
        return unpermuted(gguf, tensor, heads, take);
    }
    let step = Gguf::rows_at_a_time(tensor);
    for from in (0..rows).step_by(step) {
        piece.clear();
        gguf.rows(tensor, from, step.min(rows - from), &mut piece)?;
        debug_assert!(piece.len().is_multiple_of(cols));
        take(&piece)?;
    }
    Ok(())
}

/// Head by head, rows 0, 2, 4 … first and then 1, 3, 5 …: (x_2i, x_2i+1) become (x_i, x_i+D/2).
fn unpermuted(
    gguf: &Gguf,
    tensor: &Tensor,
    heads: usize,
    take: &mut dyn FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    // A bias is a column.
    let (rows, cols) = match tensor.shape.as_slice() {
        [rows, cols] => (*rows, *cols),
        shape => (shape[0], 1),
    };
    let dim = rows / heads;
    let (mut whole, mut ordered) = (Vec::new(), Vec::new());
    for head in 0..heads {
        whole.clear();
        ordered.clear();
        match tensor.shape.len() {
            1 if head == 0 => {
                gguf.rows(tensor, 0, 1, &mut whole)?;
                for part in whole.chunks(dim) {
                    ordered.extend(part.iter().step_by(2).chain(part.iter().skip(1).step_by(2)));
                }
                return take(&ordered);
            }
            _ => gguf.rows(tensor, head * dim, dim, &mut whole)?,
        }
        let row = |r: usize| &whole[r * cols..(r + 1) * cols];
        (0..dim).step_by(2).chain((1..dim).step_by(2)).for_each(|r| ordered.extend_from_slice(row(r)));
        take(&ordered)?;
    }
    Ok(())
}
