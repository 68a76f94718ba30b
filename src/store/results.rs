//! What a sweep's models came to: `results.csv`, a row a model, task and shot count, and `summary.csv`, the same over
//! seeds. The job makes the rows and writes them, the report reads them.

use crate::error::Result;
use crate::rows::{self, Cells, Columns, Record, cells, number};

/// The axis that results are averaged over.
pub const SEED: &str = "seed";

/// A row of `results.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The method and the values that it depends on.
    pub model: String,
    /// `pretrained` or a method.
    pub method: String,
    /// One an axis, as TOML; none where the model does not depend on it.
    pub values: Vec<Option<String>>,
    /// The test.
    pub task: String,
    /// Demonstrations before the query.
    pub shots: usize,
    /// Mean squared error; NaN of a model that diverged.
    pub mean: f64,
    /// Of the mean over this model's prompts; none of a single prompt, or of a model that diverged.
    pub stderr: Option<f64>,
    /// Exact risk, where there is one.
    pub exact: Option<f64>,
}

/// A row of `summary.csv`: a method at one setting of the axes, over its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// `pretrained` or a method.
    pub method: String,
    /// One an axis without the seed.
    pub values: Vec<Option<String>>,
    /// The test.
    pub task: String,
    /// Demonstrations before the query.
    pub shots: usize,
    /// All of them, diverged or not.
    pub seeds: usize,
    /// Mean over the seeds that did not diverge; NaN if all did.
    pub mean: f64,
    /// Sample standard deviation over those seeds, over the root of their number; none for fewer than two.
    pub stderr: Option<f64>,
    /// How many seeds have no finite error.
    pub diverged: usize,
}

impl Record for Outcome {
    const COLUMNS: Columns = Columns {
        first: &["model", "method"],
        axes: true,
        last: &["task", "shots", "mean", "stderr", "exact"],
    };

    fn cells(&self) -> Vec<String> {
        let numbers =
            [self.shots.to_string(), self.mean.to_string(), number(self.stderr), number(self.exact)];
        let first = [self.model.clone(), self.method.clone()].into_iter().chain(cells(&self.values));
        first.chain([self.task.clone()]).chain(numbers).collect()
    }

    fn read(cells: &Cells) -> Result<Self> {
        Ok(Outcome {
            model: cells.text("model").to_string(),
            method: cells.text("method").to_string(),
            values: cells.values(),
            task: cells.text("task").to_string(),
            shots: cells.number("shots")?,
            mean: cells.number("mean")?,
            stderr: cells.optional("stderr")?,
            exact: cells.optional("exact")?,
        })
    }
}

impl Record for Summary {
    const COLUMNS: Columns = Columns {
        first: &["method"],
        axes: true,
        last: &["task", "shots", "seeds", "mean", "stderr", "diverged"],
    };

    fn cells(&self) -> Vec<String> {
        let (shots, seeds, diverged) = (self.shots, self.seeds, self.diverged);
        let numbers = [
            shots.to_string(),
            seeds.to_string(),
            self.mean.to_string(),
            number(self.stderr),
            diverged.to_string(),
        ];
        let first = [self.method.clone()].into_iter().chain(cells(&self.values));
        first.chain([self.task.clone()]).chain(numbers).collect()
    }

    fn read(cells: &Cells) -> Result<Self> {
        Ok(Summary {
            method: cells.text("method").to_string(),
            values: cells.values(),
            task: cells.text("task").to_string(),
            shots: cells.number("shots")?,
            seeds: cells.number("seeds")?,
            mean: cells.number("mean")?,
            stderr: cells.optional("stderr")?,
            diverged: cells.number("diverged")?,
        })
    }
}

/// The text of `results.csv`, with the sweep's fingerprint in a column. `keys` are those of all axes.
pub fn results_csv(keys: &[String], rows: &[Outcome], fingerprint: &str) -> String {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    rows::write(&keys, rows.iter().map(|row| (row, fingerprint)))
}

/// The text of `summary.csv`, with the sweep's fingerprint in a column. `keys` are those of all axes.
pub fn summary_csv(keys: &[String], rows: &[Summary], fingerprint: &str) -> String {
    let others: Vec<&str> = keys.iter().map(String::as_str).filter(|key| *key != SEED).collect();
    rows::write(&others, rows.iter().map(|row| (row, fingerprint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;
    use std::path::Path;

    #[test]
    fn files_say_what_rows_hold() {
        let keys = ["finetune.optimizer.lr".to_string(), SEED.to_string()];
        let first = Outcome {
            model: "a/0".into(),
            method: "a".into(),
            values: vec![Some("{ x = [1, 2] }".into()), Some("0".into())],
            task: "target".into(),
            shots: 0,
            mean: 0.25,
            stderr: Some(0.5),
            exact: Some(0.5),
        };
        let (model, method) = ("b, \"c\"/1".to_string(), "b, \"c\"".to_string());
        let values = vec![None, Some("1".into())];
        let second = Outcome { model, method, values, mean: 2.0, stderr: None, exact: None, ..first.clone() };
        let rows = [first, second];
        let text = results_csv(&keys, &rows, "f0");
        let wanted = "model,method,finetune.optimizer.lr,seed,task,shots,mean,stderr,exact,fingerprint\n\
                      a/0,a,\"{ x = [1, 2] }\",0,target,0,0.25,0.5,0.5,f0\n\
                      \"b, \"\"c\"\"/1\",\"b, \"\"c\"\"\",,1,target,0,2,,,f0\n";
        assert_eq!(text, wanted);
        let path = Path::new("results.csv");
        let found = rows::read(path, &text).expect("read");
        assert_eq!(found, Rows { keys: keys.to_vec(), rows: rows.to_vec(), fingerprint: Some("f0".into()) });
        // Diverged: no number, and read as none.
        let lost = [Outcome { mean: f64::NAN, ..rows[1].clone() }];
        let text = results_csv(&keys, &lost, "f0");
        assert!(text.ends_with(",,1,target,0,NaN,,,f0\n"), "{text}");
        assert!(rows::read::<Outcome>(path, &text).expect("read").rows[0].mean.is_nan());

        let summary = |method: &str, value: &str, mean, stderr| {
            let (method, values, task) = (method.into(), vec![Some(value.into())], "target".into());
            Summary { method, values, task, shots: 0, seeds: 2, mean, stderr, diverged: 1 }
        };
        let rows = vec![summary("a", "{ x = [1, 2] }", 0.25, Some(0.5)), summary("b", "\"q\"", 2.0, None)];
        let text = summary_csv(&keys, &rows, "f0");
        let wanted = |fingerprint| Rows { keys: vec![keys[0].clone()], rows: rows.clone(), fingerprint };
        assert_eq!(rows::read(path, &text).expect("read"), wanted(Some("f0".into())));
        // As it was written before there were fingerprints.
        let old = text.replace(",fingerprint", "").replace(",f0", "");
        assert_eq!(rows::read(path, &old).expect("read"), wanted(None));
    }
}
