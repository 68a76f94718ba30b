//! Where the model is, and what PyTorch made of it.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The file: `FLOE_SMOLLM2`, or where `.ci/model` puts it.
pub fn path() -> PathBuf {
    let name = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let path = set("FLOE_SMOLLM2").or_else(|| Some(cache()?.join("floe").join(name)));
    let path = path.expect("FLOE_SMOLLM2, XDG_CACHE_HOME or HOME is set");
    assert!(path.is_file(), "{} is not there: run `sh .ci/model`, which fetches it (98 MB)", path.display());
    path
}

/// tests/data/smollm2_logits.json.
#[derive(Deserialize)]
pub struct Reference {
    pub weights: BTreeMap<String, Tensor>,
    pub prompts: Vec<Prompt>,
    pub tokenizer: Vec<Text>,
}

#[derive(Deserialize)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub sum: f64,
    pub abs_sum: f64,
    pub first8: Vec<f32>,
    pub last4: Vec<f32>,
}

#[derive(Deserialize)]
pub struct Prompt {
    pub prompt: String,
    pub ids: Vec<u32>,
    last_logits_first32: Vec<f32>,
    last_logits_every1024: Vec<f32>,
    last_logits_sum: f64,
    last_logsumexp: f64,
    argmax_each_position: Vec<usize>,
    pub nll_next: Vec<f32>,
}

#[derive(Deserialize)]
pub struct Text {
    pub text: String,
    pub ids: Vec<u32>,
}

impl Reference {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("../data/smollm2_logits.json")).expect("the reference is read")
    }
}

/// How far a logit may be off.
const FAR: f32 = 1e-3;

impl Prompt {
    /// Holds logits of every token against PyTorch's.
    pub fn hold(&self, all: &[Vec<f32>]) {
        let last = &all[all.len() - 1];
        let (mut far, mut at) = (0.0, 0);
        let first = (0..32).map(|i| (i, self.last_logits_first32[i]));
        let every = self.last_logits_every1024.iter().enumerate().map(|(i, x)| (1024 * i, *x));
        for (i, expected) in first.chain(every) {
            let off = (last[i] - expected).abs();
            assert!(off < FAR, "{}: logit {i} is {} instead of {expected}", self.prompt, last[i]);
            if off > far {
                (far, at) = (off, i);
            }
        }
        println!("{}: logits are off by {far:.1e} at most, at {at}", self.prompt);
        let largest = |row: &Vec<f32>| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        assert_eq!(all.iter().map(largest).collect::<Vec<_>>(), self.argmax_each_position, "{}", self.prompt);
        let sum: f64 = last.iter().map(|x| f64::from(*x)).sum();
        assert!((sum - self.last_logits_sum).abs() < 1e-3 * last.len() as f64, "{sum}");
        let most = f64::from(last.iter().copied().fold(f32::MIN, f32::max));
        let exps: f64 = last.iter().map(|x| (f64::from(*x) - most).exp()).sum();
        assert!((most + exps.ln() - self.last_logsumexp).abs() < 1e-3, "{}", self.prompt);
    }
}
