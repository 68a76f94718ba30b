//! What a prompt model is, and what it descends.

use serde::{Deserialize, Serialize};

/// Whether query and key are one matrix `Q = W_Qᵀ W_K` or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryKey {
    /// One matrix, Q.
    #[default]
    Merged,
    /// Two, W_Q and W_K.
    Separate,
}

/// The linear transformer of `docs/MATH.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Attention layers, L.
    pub layers: usize,
    /// Heads a layer, H.
    pub heads: usize,
    /// Query and key as one matrix or two.
    pub qk: QueryKey,
    /// Standard deviation of the normal initialisation of every entry.
    pub init_std: f64,
}

impl Default for Model {
    fn default() -> Self {
        Model { layers: 1, heads: 1, qk: QueryKey::Merged, init_std: 0.05 }
    }
}

/// Which losses a method descends: zero-shot, few-shot, or `zs + w_t fs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// The query's error without demonstrations.
    #[serde(rename = "zs")]
    Zs,
    /// The query's error behind its demonstrations.
    #[serde(rename = "fs")]
    Fs,
    /// The sum of both, the few-shot one weighted.
    #[serde(rename = "zs+fs")]
    ZsFs,
}

impl Loss {
    /// As a configuration file has it.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Zs => "zs",
            Loss::Fs => "fs",
            Loss::ZsFs => "zs+fs",
        }
    }
}
