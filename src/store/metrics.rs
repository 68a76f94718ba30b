//! `metrics.jsonl`: one object a logged step.

use super::events::Events;
use crate::bounded::Lines;
use crate::error::{self, Error};
use crate::store::atomic::{Staged, sync};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What is logged of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `pretrain` or `finetune`.
    pub phase: String,
    /// `pretrained`, or the method.
    pub method: String,
    /// From 0; the losses are those before the step's update.
    pub step: u64,
    /// NaN where the file has none.
    #[serde(default = "nan", deserialize_with = "number")]
    pub loss: f32,
    /// What it is made of, such as `zs_loss` and `fs_loss`.
    #[serde(flatten)]
    pub parts: Parts,
    /// Before clipping; NaN where the file has none.
    #[serde(default = "nan", deserialize_with = "number")]
    pub grad_norm: f32,
    /// Of the step; 0 where the file has none.
    #[serde(default)]
    pub lr: f64,
}

fn nan() -> f32 {
    f32::NAN
}

/// What is no finite number is written as `null`.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

/// Numbers by name, in order; none where a model has no such number. A family adds names, and no field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts(pub Vec<(String, Option<f32>)>);

impl Parts {
    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.0.iter().find(|(own, _)| own == name).and_then(|(_, value)| *value)
    }
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Parts;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                /// What is no number was written by a later version, and says nothing here.
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Value {
                    Number(Option<f32>),
                    Other(IgnoredAny),
                }
                let mut parts = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    match value {
                        Value::Number(number) => parts.push((name, number)),
                        Value::Other(IgnoredAny) => {}
                    }
                }
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Most bytes of a line; floe's have some hundreds.
pub const LINE: u64 = 1 << 16;

/// The file, open for appending.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: Option<File>,
    events: Option<Events>,
}

impl MetricsLog {
    /// Opens the file and drops the lines that `keep` refuses: those a resumed run will write again. A last line
    /// that a killed process left torn is dropped too.
    pub fn open(path: &Path, keep: impl Fn(&Line) -> bool) -> error::Result<Self> {
        let fail = |e| Error::file(path, format!("can't write metrics: {e}"));
        // A line at a time: a file may be larger than the memory.
        let copy = |to: &mut dyn Write| {
            let mut lines = match Lines::open(path, LINE) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
                other => other?,
            };
            let mut to = BufWriter::new(to);
            while let Some(text) = lines.next_line()? {
                if serde_json::from_str(text).is_ok_and(|line| keep(&line)) {
                    writeln!(to, "{text}")?;
                }
            }
            to.flush()
        };
        Staged::fill(path, copy)?.appear()?;
        sync(path)?;
        let file = OpenOptions::new().append(true).open(path).map_err(fail)?;
        Ok(MetricsLog { path: path.to_path_buf(), file: Some(file), events: None })
    }

    /// A log that keeps nothing.
    pub fn none() -> Self {
        MetricsLog { path: PathBuf::new(), file: None, events: None }
    }

    /// Writes what is logged, and has been, as event files of a directory too.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn with_events(mut self, dir: &Path) -> error::Result<Self> {
        self.events = Some(Events::open(dir, &self.path)?);
        Ok(self)
    }

    /// Appends lines.
    pub fn append(&mut self, lines: &[Line]) -> error::Result<()> {
        if let Some(events) = &mut self.events {
            events.append(lines)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(line).map_err(|e| Error::file(&self.path, e))?;
            text.push('\n');
        }
        file.write_all(text.as_bytes())
            .map_err(|e| Error::file(&self.path, format!("can't write metrics: {e}; free some space")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(method: &str, step: u64) -> Line {
        let (phase, method) = ("finetune".into(), method.into());
        let parts = Parts(vec![("zs_loss".into(), Some(0.1)), ("fs_loss".into(), None)]);
        Line { phase, method, step, loss: 1.0, parts, grad_norm: 1.0, lr: 0.1 }
    }

    #[test]
    fn what_is_written_again_is_dropped_and_what_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        MetricsLog::open(&path, |_| true)
            .unwrap()
            .append(&[line("a", 0), line("b", 0), line("a", 1)])
            .unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let long = format!("{{\"{}\": 1}}\n", "x".repeat(100_000));
        std::fs::write(&path, long + &whole + "{\"phase\":\"fine").unwrap();
        MetricsLog::open(&path, |line| line.method == "a").unwrap().append(&[line("c", 0)]).unwrap();
        let found = std::fs::read_to_string(&path).unwrap();
        let kept: Vec<Line> = found.lines().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(kept, [line("a", 0), line("a", 1), line("c", 0)]);
    }

    #[test]
    fn a_line_is_flat_and_what_is_no_number_of_it_is_left_out() {
        let text = serde_json::to_string(&line("a", 3)).unwrap();
        let flat = r#"{"phase":"finetune","method":"a","step":3,"loss":1.0,"zs_loss":0.1,"fs_loss":null,"grad_norm":1.0,"lr":0.1}"#;
        assert_eq!(text, flat);
        let more = flat.replace("\"lr\"", "\"tokens\":7,\"note\":\"x\",\"deep\":{\"a\":1},\"lr\"");
        let found: Line = serde_json::from_str(&more).unwrap();
        assert_eq!((found.parts.get("tokens"), found.parts.get("zs_loss")), (Some(7.0), Some(0.1)));
        assert_eq!((found.parts.get("note"), found.parts.0.len(), found.lr), (None, 3, 0.1));
        let lost = serde_json::to_string(&Line { loss: f32::NAN, ..line("a", 3) }).unwrap();
        assert_eq!(lost, flat.replace("\"loss\":1.0", "\"loss\":null"));
        let short = r#"{"phase":"finetune","method":"a","step":3}"#;
        for text in [lost.as_str(), short] {
            assert!(serde_json::from_str::<Line>(text).unwrap().loss.is_nan(), "{text}");
        }
    }
}
