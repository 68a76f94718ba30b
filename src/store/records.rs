//! `run.json` and `sweep.json`: what was run, on what, and how long it took. One record a file writes it and reads it; what
//! a file from before a field lacks is at the field's default.

use crate::error::{Error, Result};
use crate::fingerprint;
use crate::params::Coverage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Values by name, free-form.
pub type Facts = BTreeMap<String, serde_json::Value>;

/// `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// Its version.
    pub floe: String,
    /// What it was computed on.
    pub device: Device,
    /// How kernels split their work; part of what fixes the last bits.
    pub variant: Facts,
    /// Of the experiment.
    pub seed: u64,
    /// What all of it was made from.
    #[serde(flatten)]
    pub identity: fingerprint::Record,
    /// Seconds, resumed parts included.
    pub wall_s: f64,
    /// Finished ones, in order.
    pub phases: Vec<PhaseInfo>,
    /// About the data: `description`, `target`, …
    pub task: Facts,
}

/// The adapter that something was computed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// As the driver gives it.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `DiscreteGpu`, `Cpu`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub driver: String,
    /// Its version.
    pub driver_info: String,
}

/// Time and size of one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseInfo {
    /// `pretrain`, `finetune` or `eval`.
    pub phase: String,
    /// `pretrained`, or the method; empty of an evaluation.
    pub method: String,
    /// Of the optimizer.
    pub steps: u64,
    /// Seconds, resumed parts included.
    pub wall_s: f64,
    /// Milliseconds; 0 of a phase too short to tell.
    pub ms_per_step: f64,
    /// Elements trained.
    pub trained: usize,
    /// Elements in all; 0 where a file does not say.
    pub parameters: usize,
    /// What was trained of which groups; none of an evaluation, and in files from before it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
}

/// `sweep.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepInfo {
    /// Its version.
    pub floe: String,
    /// What it was computed on.
    pub device: Device,
    /// As in [`RunInfo`].
    pub variant: Facts,
    /// What all of it was made from.
    #[serde(flatten)]
    pub identity: fingerprint::Record,
    /// Seconds, resumed parts included.
    pub wall_s: f64,
    /// What is swept over, the slowest first.
    pub axes: Vec<AxisRecord>,
    /// A finished model each.
    pub members: Vec<MemberRecord>,
    /// Those that are finished.
    pub batches: Vec<BatchRecord>,
    /// As in [`RunInfo`].
    pub task: Facts,
}

/// An axis of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisRecord {
    /// A key of the configuration.
    pub key: String,
    /// As TOML.
    pub values: Vec<String>,
}

/// One model of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberRecord {
    /// Its file, from the sweep's directory; none if it diverged.
    pub checkpoint: Option<String>,
    /// The step whose loss was not finite, if one was.
    pub diverged_at: Option<u64>,
    /// Of its experiment.
    pub fingerprint: String,
    /// `pretrained` or the method.
    pub method: String,
    /// The method and the values that it depends on.
    pub model: String,
    /// Elements in all; none where a file does not say.
    pub parameters: Option<u64>,
    /// Of the optimizer.
    pub steps: u64,
    /// Elements trained.
    pub trained: usize,
    /// One an axis, as TOML; none where every value gives this model.
    pub values: Vec<Option<String>>,
}

/// Models of a sweep that were trained together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchRecord {
    /// What they descended, in a word.
    pub loss: String,
    /// How many they were.
    pub models: u64,
    /// From 1, among the sweep's; none where a file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// Of the optimizer, each.
    pub steps: u64,
    /// Seconds.
    pub wall_s: f64,
}

/// Reads the text of such a file.
///
/// # Errors
/// It is no JSON, or a field is of another type; the message names the file and the line.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::file(path, e))
}

/// The text of such a file.
pub(super) fn text<T: Serialize>(path: &Path, record: &T) -> Result<String> {
    Ok(serde_json::to_string_pretty(record).map_err(|e| Error::file(path, e))? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_missing_is_at_its_default() {
        let path = Path::new("run.json");
        let group =
            crate::params::Group { name: "layers.0".into(), matched: 1, tensors: 2, trained: 3, total: 4 };
        let coverage = Coverage { matched: 1, tensors: 2, trained: 3, total: 4, groups: vec![group] };
        let (phase, method) = ("finetune".to_string(), "zs-v".to_string());
        let tuned =
            PhaseInfo { phase, method, steps: 5, trained: 3, coverage: Some(coverage), ..Default::default() };
        let identity = fingerprint::Identity::new("seed = 1\n".into(), vec![Default::default()]).record();
        let phases = vec![tuned, PhaseInfo { phase: "eval".into(), ..Default::default() }];
        let info = RunInfo { seed: 1, identity, wall_s: 0.5, phases, ..Default::default() };
        let written = text(path, &info).unwrap();
        assert_eq!(parse::<RunInfo>(path, &written).unwrap(), info);
        assert_eq!(written.matches("coverage").count(), 1, "an evaluation trains nothing");
        let old: RunInfo = parse(path, r#"{"phases": [{"phase": "pretrain"}], "later": {}}"#).unwrap();
        assert_eq!((old.phases[0].parameters, &old.phases[0].coverage), (0, &None));
        assert_eq!(old.identity, fingerprint::Record::default());
        let error = parse::<RunInfo>(path, "{\n\"wall_s\": \"x\"}").unwrap_err().to_string();
        assert!(error.starts_with("run.json: ") && error.contains("line 2"), "{error}");

        let members = vec![MemberRecord { values: vec![Some("1".into()), None], ..Default::default() }];
        let batches = vec![BatchRecord { number: Some(1), models: 2, ..Default::default() }];
        let sweep = SweepInfo { members, batches, ..Default::default() };
        assert_eq!(parse::<SweepInfo>(path, &text(path, &sweep).unwrap()).unwrap(), sweep);
        let old: SweepInfo =
            parse(path, r#"{"batches": [{"models": 4}], "members": [{"model": "b"}]}"#).unwrap();
        assert_eq!((old.batches[0].number, old.members[0].parameters), (None, None));
    }
}
