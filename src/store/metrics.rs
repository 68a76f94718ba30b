//! `metrics.jsonl`: one object a logged step.

use crate::bounded::Lines;
use crate::error::{Error, Result};
use crate::store::atomic::{Staged, sync};
use serde::{Deserialize, Serialize};
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
    pub loss: f32,
    pub zs_loss: Option<f32>,
    pub fs_loss: Option<f32>,
    /// Before clipping.
    pub grad_norm: f32,
    pub lr: f64,
}

/// Most bytes of a line; floe's have some hundreds.
const LINE: u64 = 1 << 16;

/// The file, open for appending.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: Option<File>,
}

impl MetricsLog {
    /// Opens the file and drops the lines that `keep` refuses: those a resumed run will write again. A last line
    /// that a killed process left torn is dropped too.
    pub fn open(path: &Path, keep: impl Fn(&Line) -> bool) -> Result<Self> {
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
        Ok(MetricsLog { path: path.to_path_buf(), file: Some(file) })
    }

    /// A log that keeps nothing.
    pub fn none() -> Self {
        MetricsLog { path: PathBuf::new(), file: None }
    }

    /// Appends lines.
    pub fn append(&mut self, lines: &[Line]) -> Result<()> {
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
        Line { phase, method, step, loss: 1.0, zs_loss: None, fs_loss: None, grad_norm: 1.0, lr: 0.1 }
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
}
