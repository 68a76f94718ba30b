//! The experiments that floe ships.

/// A named experiment that floe ships.
pub struct Preset {
    /// As `floe run` takes it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// The file.
    pub toml: &'static str,
}

/// The presets, in the order `floe presets` prints them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "paper",
        about: "linear regression, one layer, query and key merged: six ways of fine-tuning (Lee, Sohn and Lee 2026)",
        toml: include_str!("../presets/paper.toml"),
    },
    Preset {
        name: "paper-qkv",
        about: "the same with query and key apart: eight ways, each of q, k and v alone",
        toml: include_str!("../presets/paper-qkv.toml"),
    },
    Preset {
        name: "tables",
        about: "real data: 185 small tables of diamond prices, each its own regression task",
        toml: include_str!("../presets/tables.toml"),
    },
    Preset {
        name: "paper-sweep",
        about: "`paper` with five seeds at three learning rates, for `floe sweep`: 95 models",
        toml: include_str!("../presets/paper-sweep.toml"),
    },
    Preset {
        name: "finetune",
        about: "a pre-trained language model on your text: set model.from and task.train",
        toml: include_str!("../presets/finetune.toml"),
    },
    Preset {
        name: "text",
        about: "a language model with linear attention from scratch, on the novel that floe ships: minutes on two cores",
        toml: include_str!("../presets/text.toml"),
    },
    Preset {
        name: "mixers",
        about: "the same with each of the six mixers: their losses side by side",
        toml: include_str!("../presets/mixers.toml"),
    },
    Preset {
        name: "text-large",
        about: "100 million parameters with linear attention from scratch, on your text, for a GPU: set task.train",
        toml: include_str!("../presets/text-large.toml"),
    },
];

/// The preset of that name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.name == name)
}
