//! How a layer's tokens see each other: softmax attention, or one of the linear ones.

/// A layer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mixer {
    /// Softmax attention, turned by positions.
    Softmax,
    /// Linear attention without decay (Katharopoulos et al. 2020, arXiv 2006.16236).
    Linear,
    /// With a decay of each head's own, for good, turned by positions (Sun et al. 2023, arXiv 2307.08621).
    Retention,
    /// With decays that tokens choose, a number a head (Yang et al. 2023, arXiv 2312.06635; Dao and Gu 2024, arXiv 2405.21060).
    Gated,
    /// With the delta rule (Yang et al. 2024, arXiv 2406.06484).
    Delta,
    /// With both (Yang et al. 2024, arXiv 2412.06464).
    GatedDelta,
}

impl Mixer {
    /// All that there are, by name.
    pub const ALL: [(&'static str, Mixer); 6] = [
        ("softmax", Mixer::Softmax),
        ("linear", Mixer::Linear),
        ("retention", Mixer::Retention),
        ("gated", Mixer::Gated),
        ("delta", Mixer::Delta),
        ("gated_delta", Mixer::GatedDelta),
    ];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Mixer::ALL.iter().find(|(own, _)| *own == name).map(|(_, mixer)| *mixer)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Mixer::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }

    /// Whether it has a state instead of keys and values of all tokens.
    pub fn is_linear(self) -> bool {
        self != Mixer::Softmax
    }

    /// Whether states decay.
    pub fn decays(self) -> bool {
        matches!(self, Mixer::Retention | Mixer::Gated | Mixer::GatedDelta)
    }

    /// Whether it has the delta rule.
    pub fn replaces(self) -> bool {
        matches!(self, Mixer::Delta | Mixer::GatedDelta)
    }

    /// Whether queries and keys are turned by positions.
    pub fn turns(self) -> bool {
        matches!(self, Mixer::Softmax | Mixer::Retention)
    }

    /// What it has beside the projections of queries, keys, values and outputs, of so many heads and inputs.
    pub fn tensors(self, heads: usize, width: usize) -> Vec<(&'static str, Vec<usize>)> {
        let matrix = vec![heads, width];
        match self {
            Mixer::Softmax | Mixer::Linear | Mixer::Retention => Vec::new(),
            Mixer::Gated => vec![("g_proj.weight", matrix), ("g_proj.bias", vec![heads])],
            Mixer::Delta => vec![("b_proj.weight", matrix)],
            Mixer::GatedDelta => vec![
                ("a_proj.weight", matrix.clone()),
                ("b_proj.weight", matrix),
                ("A_log", vec![heads]),
                ("dt_bias", vec![heads]),
            ],
        }
    }
}

/// What the mixer `linear` makes of queries and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureMap {
    /// They are as they are.
    #[default]
    Identity,
    /// elu + 1.
    Elu,
    /// max(x, 0).
    Relu,
}

impl FeatureMap {
    /// All that there are, by name.
    pub const ALL: [(&'static str, FeatureMap); 3] =
        [("identity", FeatureMap::Identity), ("elu", FeatureMap::Elu), ("relu", FeatureMap::Relu)];
}

impl FeatureMap {
    /// Its name.
    pub fn name(self) -> &'static str {
        FeatureMap::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}

/// What the outputs of the mixer `linear` are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normaliser {
    /// Nothing.
    None,
    /// The number of tokens so far.
    #[default]
    Mean,
}

impl Normaliser {
    /// All that there are, by name.
    pub const ALL: [(&'static str, Normaliser); 2] = [("none", Normaliser::None), ("mean", Normaliser::Mean)];

    /// Its name.
    pub fn name(self) -> &'static str {
        Normaliser::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}

/// How tokens see each other, layer by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixing {
    /// A layer's each; none for softmax attention throughout.
    pub mixers: Vec<Mixer>,
    /// Of those that are `linear`.
    pub feature_map: FeatureMap,
    /// Likewise.
    pub normaliser: Normaliser,
}

impl Mixing {
    /// Softmax attention throughout.
    pub fn softmax() -> Self {
        Mixing { mixers: Vec::new(), feature_map: FeatureMap::default(), normaliser: Normaliser::default() }
    }

    /// A layer's.
    pub fn mixer(&self, layer: usize) -> Mixer {
        self.mixers.get(layer).copied().unwrap_or(Mixer::Softmax)
    }

    /// Whether tokens have positions in any of so many layers: a model without has no most of them.
    pub fn turns(&self, layers: usize) -> bool {
        (0..layers).any(|layer| self.mixer(layer).turns())
    }

    /// Whether any layer has a state instead of keys and values of all tokens.
    pub fn any_linear(&self) -> bool {
        self.mixers.iter().any(|mixer| mixer.is_linear())
    }
}
