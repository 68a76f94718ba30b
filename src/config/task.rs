//! `[task]`: where prompts come from.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where prompts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Task {
    /// Linear regression with a hidden task vector.
    Regression(Regression),
    /// Rows of real tables.
    Tables(Tables),
    /// A program's own.
    Own(OwnTask),
}

/// A task that a program brings (`Problem::new`): what a file says of it is for the record, not to draw prompts by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnTask {
    /// Covariates an example, d.
    pub dim: usize,
    /// The program's words.
    pub about: String,
}

/// Linear regression with a hidden task vector: `y = θ·x + ε`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Regression {
    /// Covariates an example, d.
    pub dim: usize,
    /// Variance σ² of ε.
    pub noise: f64,
    /// Covariance Σ of x.
    pub covariance: Covariance,
    /// Law of a fresh θ.
    pub theta: Theta,
    /// Pairs in the fixed fine-tuning set.
    pub pool: usize,
}

/// Covariance of the covariates: `"identity"`, a diagonal, or a d×d matrix in a CSV file without header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covariance {
    /// Σ = I.
    #[default]
    Identity,
    /// The diagonal of Σ, `[d]`.
    Diagonal(Vec<f64>),
    /// A file of Σ, `[d, d]`.
    File(PathBuf),
}

/// Law of a fresh task vector: uniform on the unit sphere, or N(0, I).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theta {
    /// Uniform on the unit sphere.
    #[default]
    Sphere,
    /// N(0, I).
    Gaussian,
}

/// Many small regression tables in one CSV file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// The CSV file; empty for the `diamonds` table that floe ships.
    pub path: PathBuf,
    /// Column that names the task of a row.
    pub task_column: String,
    /// Column to predict; empty for the last one.
    pub target_column: String,
    /// Columns to predict from; empty for all but those of the task and the target.
    pub features: Vec<String>,
    /// Columns replaced by log(1 + value).
    pub log1p: Vec<String>,
    /// What stands between two cells.
    pub delimiter: Delimiter,
    /// What stands before the fraction of a number.
    pub decimal: Decimal,
    /// What a missing value is taken for.
    pub missing: Missing,
    /// Share of the tasks kept from pre-training and fine-tuning.
    pub heldout: f64,
    /// Task to fine-tune on; empty for one drawn by the seed.
    pub target: String,
    /// Share of the target task's rows kept for its evaluation.
    pub target_test: f64,
    /// Draw a prompt's rows with replacement.
    pub replacement: bool,
}

/// What stands between two cells of a table. Spaces count as one, however many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delimiter {
    /// `,`
    #[default]
    #[serde(rename = ",", alias = "comma")]
    Comma,
    /// `;`
    #[serde(rename = ";", alias = "semicolon")]
    Semicolon,
    // A shell hands on `\t` as it is typed.
    /// A tab.
    #[serde(rename = "\t", alias = "tab", alias = "\\t")]
    Tab,
    /// `|`
    #[serde(rename = "|", alias = "pipe")]
    Pipe,
    /// Spaces, however many.
    #[serde(rename = " ", alias = "space")]
    Space,
}

impl Delimiter {
    /// Every one.
    pub const ALL: [Delimiter; 5] =
        [Delimiter::Comma, Delimiter::Semicolon, Delimiter::Tab, Delimiter::Pipe, Delimiter::Space];

    /// The byte that it is in a file.
    pub fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Pipe => b'|',
            Delimiter::Space => b' ',
        }
    }

    /// As a configuration file has it, without quotes.
    pub fn shown(self) -> &'static str {
        match self {
            Delimiter::Comma => ",",
            Delimiter::Semicolon => ";",
            Delimiter::Tab => "\\t",
            Delimiter::Pipe => "|",
            Delimiter::Space => " ",
        }
    }
}

/// What stands before the fraction of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    /// `.`
    #[default]
    #[serde(rename = ".", alias = "point")]
    Point,
    /// `,`
    #[serde(rename = ",", alias = "comma")]
    Comma,
}

/// What a missing value is taken for: a mistake, or a reason to leave its row out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A mistake.
    #[default]
    Error,
    /// A reason to leave the row out.
    Drop,
}

impl Default for Task {
    fn default() -> Self {
        Task::Regression(Regression::default())
    }
}

impl Default for Regression {
    fn default() -> Self {
        Regression {
            dim: 5,
            noise: 0.1,
            covariance: Covariance::Identity,
            theta: Theta::Sphere,
            pool: 100_000,
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Tables {
            path: PathBuf::new(),
            task_column: "task".into(),
            target_column: String::new(),
            features: Vec::new(),
            log1p: Vec::new(),
            delimiter: Delimiter::Comma,
            decimal: Decimal::Point,
            missing: Missing::Error,
            heldout: 0.3,
            target: String::new(),
            target_test: 0.5,
            replacement: false,
        }
    }
}
