//! Language models that are trained from scratch: sizes in the words of `config.json`.

use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// Where a model's weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// They are published: `from` says where.
    #[default]
    Pretrained,
    /// They are drawn: a decoder of these sizes begins anew.
    Decoder,
}

/// `[model]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextModel {
    /// A Hugging Face directory, or a .gguf file.
    #[serde(skip_serializing_if = "nowhere")]
    pub from: PathBuf,
    /// Published, or from scratch.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: ModelKind,
    /// Of a decoder: its mixer, or one a layer.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_several")]
    pub mixer: Vec<String>,
    /// C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_size: Option<usize>,
    /// L.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_hidden_layers: Option<usize>,
    /// H.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_attention_heads: Option<usize>,
    /// G; as many as H if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<usize>,
    /// D; C / H if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// F.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate_size: Option<usize>,
    /// Most positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_position_embeddings: Option<usize>,
    /// W: tokens of the tokenizer that is trained on the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// A `tokenizer.json` instead of one that is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// The head is the embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_word_embeddings: Option<bool>,
    /// What the mixer `linear` makes of queries and keys: `identity`, `elu` or `relu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_map: Option<String>,
    /// What the outputs of `linear` are divided by: `none`, or the number of tokens so far, `mean`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normaliser: Option<String>,
}

/// Sizes of a decoder, those that are not given at their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderSizes {
    /// A mixer's name, a layer each.
    pub mixers: Vec<String>,
    /// C.
    pub width: usize,
    /// L.
    pub layers: usize,
    /// H and G.
    pub heads: [usize; 2],
    /// D.
    pub head_dim: usize,
    /// F.
    pub mlp: usize,
    /// Most positions.
    pub context: usize,
    /// Tokens that a tokenizer is trained to have.
    pub vocabulary: usize,
    /// The head is the embedding.
    pub tied: bool,
    /// Of `linear`.
    pub feature_map: String,
    /// Likewise.
    pub normaliser: String,
}

fn nowhere(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}

fn is_default(kind: &ModelKind) -> bool {
    *kind == ModelKind::default()
}

/// A name, or a list of them.
pub(super) fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(name) => vec![name],
        Given::Several(names) => names,
    })
}

impl TextModel {
    /// Sizes of a decoder whose mixers are these, or its own if there are none.
    pub fn sizes(&self, mixers: &[String]) -> DecoderSizes {
        let layers = self.num_hidden_layers.unwrap_or(4);
        let width = self.hidden_size.unwrap_or(256);
        let heads = self.num_attention_heads.unwrap_or(4);
        let named = if mixers.is_empty() { &self.mixer } else { mixers };
        let mixers = match named {
            [] => vec!["gated_delta".to_string(); layers],
            [one] => vec![one.clone(); layers],
            several => several.to_vec(),
        };
        DecoderSizes {
            mixers,
            width,
            layers,
            heads: [heads, self.num_key_value_heads.unwrap_or(heads)],
            head_dim: self.head_dim.unwrap_or(width / heads.max(1)),
            mlp: self.intermediate_size.unwrap_or((width * 8 / 3).next_multiple_of(16)),
            context: self.max_position_embeddings.unwrap_or(2048),
            vocabulary: self.vocab_size.unwrap_or(1024),
            tied: self.tie_word_embeddings.unwrap_or(true),
            feature_map: self.feature_map.clone().unwrap_or("identity".into()),
            normaliser: self.normaliser.clone().unwrap_or("mean".into()),
        }
    }

    /// The first key that is given and means a decoder's size.
    pub(super) fn size_given(&self) -> Option<&'static str> {
        let numbers = [
            ("hidden_size", self.hidden_size.is_some()),
            ("num_hidden_layers", self.num_hidden_layers.is_some()),
            ("num_attention_heads", self.num_attention_heads.is_some()),
            ("num_key_value_heads", self.num_key_value_heads.is_some()),
            ("head_dim", self.head_dim.is_some()),
            ("intermediate_size", self.intermediate_size.is_some()),
            ("max_position_embeddings", self.max_position_embeddings.is_some()),
            ("vocab_size", self.vocab_size.is_some()),
            ("mixer", !self.mixer.is_empty()),
            ("tokenizer", self.tokenizer.is_some()),
            ("tie_word_embeddings", self.tie_word_embeddings.is_some()),
            ("feature_map", self.feature_map.is_some()),
            ("normaliser", self.normaliser.is_some()),
        ];
        numbers.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Every key given.
    pub(super) fn example() -> Self {
        TextModel {
            from: "model".into(),
            kind: ModelKind::Decoder,
            mixer: vec!["m".into()],
            hidden_size: Some(1),
            num_hidden_layers: Some(1),
            num_attention_heads: Some(1),
            num_key_value_heads: Some(1),
            head_dim: Some(1),
            intermediate_size: Some(1),
            max_position_embeddings: Some(1),
            vocab_size: Some(1),
            tokenizer: Some("t".into()),
            tie_word_embeddings: Some(true),
            feature_map: Some("m".into()),
            normaliser: Some("n".into()),
        }
    }
}
