//! A GGUF file's tokenizer: byte-level BPE by its vocabulary, merges and the name of its pre-split.

use super::super::gguf::{Gguf, Value};
use super::Tokenizer;
use crate::error::{Error, Result, shown};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

/// Llama 3's split of a text into words (its `tokenizer.json`).
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's (its `tokenizer.json`).
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Pre-splits by the names that llama.cpp gives them.
const KNOWN: [&str; 5] = ["smollm", "gpt-2", "default", "llama-bpe", "qwen2"];

/// How a text is split before merges; none for a name that isn't known.
fn split(name: &str) -> Option<std::result::Result<Vec<PreTokenizerWrapper>, tokenizers::Error>> {
    let bytes = |pattern: bool| ByteLevel::new(false, true, pattern).into();
    let by = |pattern: &str| {
        let pattern = SplitPattern::Regex(pattern.into());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
        Ok(vec![split.into(), bytes(false)])
    };
    Some(match name {
        // Every number's digit alone, then GPT-2's words.
        "smollm" => Ok(vec![Digits::new(true).into(), bytes(true)]),
        "gpt-2" | "default" => Ok(vec![bytes(true)]),
        "llama-bpe" => by(LLAMA3),
        "qwen2" => by(QWEN2),
        _ => return None,
    })
}

/// Kinds of tokens in a file: what controls a model, and what a user added.
const CONTROL: i32 = 3;
const ADDED: i32 = 4;

pub fn of_gguf(gguf: &Gguf) -> Result<Tokenizer> {
    let wrong = |message: String| Error::file(&gguf.path, message);
    let texts = |key: &str| match gguf.metadata.get(key) {
        Some(Value::Texts(texts)) => Ok(texts),
        _ => Err(wrong(format!("has no list of strings `{key}`"))),
    };
    match gguf.text("tokenizer.ggml.model") {
        Some("gpt2") => {}
        Some(other) => {
            let message =
                format!("its tokenizer is of kind `{}`; floe knows `gpt2` (byte-level BPE)", shown(other));
            return Err(wrong(message));
        }
        None => return Err(wrong("has no tokenizer (`tokenizer.ggml.model`)".into())),
    }
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
    let Some(parts) = split(pre) else {
        let message =
            format!("its tokenizer splits texts by `{}`; floe knows {}", shown(pre), KNOWN.join(", "));
        return Err(wrong(message));
    };
    let parts = parts.map_err(|e| wrong(format!("its tokenizer: {e}")))?;
    let tokens = texts("tokenizer.ggml.tokens")?;
    let mut vocabulary = tokenizers::models::bpe::Vocab::default();
    for (token, id) in tokens.iter().zip(0..) {
        if vocabulary.insert(token.clone(), id).is_some() {
            return Err(wrong(format!("its tokenizer has token `{}` twice", shown(token))));
        }
    }
    let mut merges = Vec::new();
    for merge in texts("tokenizer.ggml.merges")? {
        // A space parts the two; one of them may hold no other.
        let pair = merge.split_once(' ').filter(|(a, b)| !a.is_empty() && !b.contains(' '));
        let known = |part: &str| vocabulary.contains_key(part);
        let Some((a, b)) = pair.filter(|(a, b)| known(a) && known(b) && known(&format!("{a}{b}"))) else {
            return Err(wrong(format!("its tokenizer merges `{}`, which are no tokens", shown(merge))));
        };
        merges.push((a.to_string(), b.to_string()));
    }
    let built = BPE::builder().vocab_and_merges(vocabulary, merges).build();
    let model = built.map_err(|e| wrong(format!("its tokenizer: {}", shown(&e.to_string()))))?;
    let mut inner = tokenizers::Tokenizer::new(model);
    inner.with_pre_tokenizer(Some(Sequence::new(parts)));
    inner.with_decoder(Some(ByteLevel::default()));
    add(&mut inner, gguf, tokens).map_err(wrong)?;
    Ok(Tokenizer { path: gguf.path.clone(), inner })
}

/// Tokens that are recognised before a text is split.
fn add(inner: &mut tokenizers::Tokenizer, gguf: &Gguf, tokens: &[String]) -> std::result::Result<(), String> {
    let kinds = match gguf.metadata.get("tokenizer.ggml.token_type") {
        None => return Ok(()),
        Some(Value::Wholes(kinds)) if kinds.len() == tokens.len() => kinds,
        Some(_) => return Err(format!("`tokenizer.ggml.token_type` is no list of {} numbers", tokens.len())),
    };
    let of = |kind: i32| tokens.iter().zip(kinds).filter(move |(t, k)| **k == kind && !t.is_empty());
    let special: Vec<AddedToken> = of(CONTROL).map(|(t, _)| AddedToken::from(t.clone(), true)).collect();
    let added: Vec<AddedToken> =
        of(ADDED).map(|(t, _)| AddedToken::from(t.clone(), false).normalized(false)).collect();
    inner
        .add_special_tokens(special)
        .and_then(|_| inner.add_tokens(added))
        .map(drop)
        .map_err(|e| e.to_string())
}
