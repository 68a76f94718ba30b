//! `eval.csv` and `baselines.csv`: a row a model or reference, test and number of demonstrations.

use crate::error::{Result, shown};
use crate::rows::{self, Cells, Columns, Record, Rows, number};
use std::path::Path;

/// A row of `eval.csv` or `baselines.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `pretrained`, a method, or a reference.
    pub model: String,
    /// The test.
    pub task: String,
    /// Demonstrations before the query.
    pub shots: usize,
    /// Mean squared error over prompts and seeds, against the noisy y; NaN where the exact risk alone is known.
    pub mean: f64,
    /// Standard deviation of a prompt's squared error over the root of the number of prompts of all seeds; none of a
    /// single prompt.
    pub stderr: Option<f64>,
    /// Exact risk, where there is one.
    pub exact: Option<f64>,
}

impl Record for Row {
    const COLUMNS: Columns =
        Columns { first: &[], axes: false, last: &["model", "task", "shots", "mean", "stderr", "exact"] };

    fn cells(&self) -> Vec<String> {
        let numbers =
            [self.shots.to_string(), self.mean.to_string(), number(self.stderr), number(self.exact)];
        [self.model.clone(), self.task.clone()].into_iter().chain(numbers).collect()
    }

    fn read(cells: &Cells) -> Result<Row> {
        let shots = cells.text("shots").parse::<u32>();
        let count = |_| format!("`{}` is not a count of demonstrations", shown(cells.text("shots")));
        let shots = shots.map_err(|e| cells.wrong("shots", count(e)))? as usize;
        let (mean, exact) = (cells.optional("mean")?, cells.optional("exact")?.filter(|v| !v.is_nan()));
        if mean.is_none() && exact.is_none() {
            let message = "empty, and so is `exact`; one of them must be a number";
            return Err(cells.wrong("mean", message.into()));
        }
        let (model, task) = (cells.text("model").to_string(), cells.text("task").to_string());
        let mean = mean.unwrap_or(f64::NAN);
        Ok(Row { model, task, shots, mean, stderr: cells.optional("stderr")?, exact })
    }
}

/// Rows as text, each with the fingerprint of its experiment.
pub fn to_csv<'r>(rows: impl IntoIterator<Item = (&'r Row, &'r str)>) -> String {
    rows::write(&[], rows)
}

/// Reads the text of such a file.
///
/// # Errors
/// Another header, a row of another length or of another experiment, or a cell that is no number; the message names the
/// line and column.
pub fn read(path: &Path, text: &str) -> Result<Rows<Row>> {
    rows::read(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let row = |model: &str, shots, mean, stderr, exact| Row {
            model: model.into(),
            task: "target".into(),
            shots,
            mean,
            stderr,
            exact,
        };
        let rows = vec![row("a", 0, 1.0, Some(0.5), None), row("b, \"c\"", 1, 1e-12, None, Some(0.25))];
        let text = to_csv(rows.iter().map(|row| (row, "f0")));
        let wanted = "model,task,shots,mean,stderr,exact,fingerprint\na,target,0,1,0.5,,f0\n\
                      \"b, \"\"c\"\"\",target,1,0.000000000001,,0.25,f0\n";
        assert_eq!(text, wanted);
        let path = Path::new("eval.csv");
        let found = |fingerprint| Rows { keys: Vec::new(), rows: rows.clone(), fingerprint };
        assert_eq!(read(path, &text).unwrap(), found(Some("f0".into())));
        // As it was written before there were fingerprints.
        let old = text.replace(",fingerprint", "").replace(",f0", "");
        assert_eq!(read(path, &old).unwrap(), found(None));
        let error = read(path, &text.replacen(",f0", ",f1", 1)).unwrap_err().to_string();
        assert!(error.contains("line 3: the fingerprint is `f0`, before it was `f1`"), "{error}");
        let empty = read(path, &text.replace("0.000000000001,,0.25", ",,")).unwrap_err().to_string();
        assert!(empty.contains("line 3, column `mean`: empty, and so is `exact`"), "{empty}");
        assert!(read(path, &text.replace("shots,", "seed,shots,")).is_err(), "no table of axes");
    }
}
