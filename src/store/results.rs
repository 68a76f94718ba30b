//! What a sweep's models came to: `results.csv`, a row a model, task and shot count, and `summary.csv`, the same over
//! seeds. Plain rows and their text; the job makes them and the report reads them.

use crate::error::{Error, Result, shown};
use std::collections::BTreeMap;
use std::path::Path;

/// The axis that results are averaged over.
pub const SEED: &str = "seed";

/// A row of `results.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub model: String,
    /// `pretrained` or a method.
    pub method: String,
    /// One an axis, as TOML; none where the model does not depend on it.
    pub values: Vec<Option<String>>,
    pub task: String,
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
    pub method: String,
    /// One an axis without the seed.
    pub values: Vec<Option<String>>,
    pub task: String,
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

/// Rows over seeds, in the order in which each method and setting is first met. `keys` are the axes' keys.
pub fn summarise(keys: &[String], rows: &[Outcome]) -> Vec<Summary> {
    let others = |values: &[Option<String>]| -> Vec<Option<String>> {
        keys.iter().zip(values).filter(|(key, _)| *key != SEED).map(|(_, v)| v.clone()).collect()
    };
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    let mut groups: Vec<(Summary, Vec<f64>)> = Vec::new();
    for row in rows {
        let values = others(&row.values);
        let place = *places
            .entry((&row.method, values.clone(), &row.task, row.shots))
            .or_insert_with(|| groups.len());
        if place == groups.len() {
            let (method, task) = (row.method.clone(), row.task.clone());
            let (seeds, mean, stderr, diverged) = (0, f64::NAN, None, 0);
            let shots = row.shots;
            groups.push((Summary { method, values, task, shots, seeds, mean, stderr, diverged }, Vec::new()));
        }
        groups[place].1.push(row.mean);
    }
    groups.into_iter().map(|(group, means)| over_seeds(group, &means)).collect()
}

fn over_seeds(group: Summary, means: &[f64]) -> Summary {
    let finite: Vec<f64> = means.iter().copied().filter(|mean| mean.is_finite()).collect();
    let count = finite.len() as f64;
    // 0 / 0 is the NaN that says that none is left.
    let mean = finite.iter().sum::<f64>() / count;
    let squares: f64 = finite.iter().map(|x| (x - mean).powi(2)).sum();
    let stderr = (finite.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
    Summary { seeds: means.len(), mean, stderr, diverged: means.len() - finite.len(), ..group }
}

/// The text of `results.csv`, with the sweep's fingerprint in a column.
pub fn results_csv(keys: &[String], rows: &[Outcome], fingerprint: &str) -> String {
    let last = ["task", "shots", "mean", "stderr", "exact", FINGERPRINT];
    let keys = keys.iter().map(String::as_str);
    let mut table = CsvText::new(["model", "method"].into_iter().chain(keys).chain(last));
    for row in rows {
        let numbers = [row.shots.to_string(), row.mean.to_string(), number(row.stderr), number(row.exact)];
        let first = [row.model.as_str(), &row.method].into_iter().chain(cells(&row.values));
        let last = [row.task.as_str()].into_iter().chain(numbers.iter().map(String::as_str));
        table.row(first.chain(last).chain([fingerprint]));
    }
    table.text()
}

/// The text of `summary.csv`, with the sweep's fingerprint in a column. `keys` are those of all axes.
pub fn summary_csv(keys: &[String], rows: &[Summary], fingerprint: &str) -> String {
    let others = keys.iter().map(String::as_str).filter(|key| *key != SEED);
    let mut table = CsvText::new(["method"].into_iter().chain(others).chain(SUMMARY).chain([FINGERPRINT]));
    for row in rows {
        let (shots, seeds, diverged) = (row.shots, row.seeds, row.diverged);
        let numbers = [
            shots.to_string(),
            seeds.to_string(),
            row.mean.to_string(),
            number(row.stderr),
            diverged.to_string(),
        ];
        let first = [row.method.as_str()].into_iter().chain(cells(&row.values));
        let last = [row.task.as_str()].into_iter().chain(numbers.iter().map(String::as_str));
        table.row(first.chain(last).chain([fingerprint]));
    }
    table.text()
}

/// Values of axes as cells.
fn cells(values: &[Option<String>]) -> impl Iterator<Item = &str> {
    values.iter().map(|value| value.as_deref().unwrap_or_default())
}

/// A number as a cell, which is empty where there is none.
pub fn number(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The column of the experiment's fingerprint.
const FINGERPRINT: &str = "fingerprint";

/// The columns of `summary.csv` after those of the axes.
const SUMMARY: [&str; 6] = ["task", "shots", "seeds", "mean", "stderr", "diverged"];

/// What a `summary.csv` holds.
#[derive(Debug, PartialEq)]
pub struct Summaries {
    /// The axes' keys, without the seed.
    pub keys: Vec<String>,
    pub rows: Vec<Summary>,
    /// The sweep's; none in files from before it was written.
    pub fingerprint: Option<String>,
}

/// Reads a `summary.csv`.
///
/// # Errors
/// A file that cannot be read, another header, or a cell that is no number; the message names the line and column.
pub fn read_summary(path: &Path) -> Result<Summaries> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(|e| Error::file(path, e))?;
    let header = reader.headers().map_err(|e| Error::file(path, e))?.clone();
    let signed = header.iter().next_back() == Some(FINGERPRINT);
    let width = header.len() - usize::from(signed);
    let axes = width.saturating_sub(1 + SUMMARY.len());
    if header.get(0) != Some("method") || header.iter().take(width).skip(1 + axes).ne(SUMMARY) {
        let found = header.iter().map(shown).collect::<Vec<_>>().join(",");
        let need = format!("method, the axes, then {},{FINGERPRINT}", SUMMARY.join(","));
        return Err(Error::file(path, format!("line 1: the header is `{found}`, it must be {need}")));
    }
    let (mut rows, mut fingerprint) = (Vec::new(), None);
    for record in reader.records() {
        let record = record.map_err(|e| Error::file(path, e))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let message = format!("line {line}: {} fields, the header has {}", record.len(), header.len());
            return Err(Error::file(path, message));
        }
        if signed {
            one_sign(path, line, &mut fingerprint, &record[width])?;
        }
        rows.push(summary(&Cells { path, line, header: &header, record: &record }, axes)?);
    }
    let keys = header.iter().skip(1).take(axes).map(String::from).collect();
    Ok(Summaries { keys, rows, fingerprint })
}

/// Holds that all rows of a file carry the same fingerprint.
///
/// # Errors
/// A row has another than those before it.
pub fn one_sign(path: &Path, line: u64, known: &mut Option<String>, found: &str) -> Result<()> {
    match known {
        Some(known) if known != found => {
            let (known, found) = (shown(known), shown(found));
            let message = format!(
                "line {line}: the fingerprint is `{found}`, before it was `{known}`: rows of two experiments"
            );
            Err(Error::file(path, message))
        }
        Some(_) => Ok(()),
        None => {
            *known = Some(found.to_string());
            Ok(())
        }
    }
}

fn summary(cells: &Cells, axes: usize) -> Result<Summary> {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_string());
    let at = |column: usize| 1 + axes + column;
    Ok(Summary {
        method: cells.record[0].to_string(),
        values: (1..=axes).map(|i| filled(&cells.record[i])).collect(),
        task: cells.record[at(0)].to_string(),
        shots: cells.number(at(1))?,
        seeds: cells.number(at(2))?,
        mean: cells.number(at(3))?,
        stderr: if cells.record[at(4)].is_empty() { None } else { Some(cells.number(at(4))?) },
        diverged: cells.number(at(5))?,
    })
}

/// One line of a file under way.
struct Cells<'a> {
    path: &'a Path,
    line: u64,
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Cells<'_> {
    fn number<T: std::str::FromStr>(&self, column: usize) -> Result<T> {
        let text = &self.record[column];
        text.parse().map_err(|_| Error::Cell {
            path: self.path.to_path_buf(),
            line: self.line,
            column: self.header[column].to_string(),
            message: format!("`{}` is not a number", shown(text)),
        })
    }
}

/// CSV under way.
pub struct CsvText {
    writer: csv::Writer<Vec<u8>>,
}

impl CsvText {
    /// With a header.
    pub fn new<'c>(header: impl IntoIterator<Item = &'c str>) -> CsvText {
        let mut table = CsvText { writer: csv::Writer::from_writer(Vec::new()) };
        table.row(header);
        table
    }

    /// Adds a row of as many cells as the header has.
    pub fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) {
        self.writer.write_record(cells).expect("memory takes rows, which are as wide as the header");
    }

    pub fn text(self) -> String {
        let bytes = self.writer.into_inner().expect("memory takes all");
        String::from_utf8(bytes).expect("cells are text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, seed: u32, lr: Option<&str>, mean: f64) -> Outcome {
        let values = vec![lr.map(String::from), Some(seed.to_string())];
        let (model, method, task) = (format!("{method}/{seed}"), method.to_string(), "target".to_string());
        Outcome { model, method, values, task, shots: 0, mean, stderr: Some(0.5), exact: None }
    }

    fn keys() -> Vec<String> {
        vec!["finetune.optimizer.lr".into(), SEED.into()]
    }

    #[test]
    fn a_summary_is_the_mean_and_its_error_over_seeds() {
        let mut rows = vec![row("pretrained", 0, None, 1.0), row("pretrained", 1, None, 2.0)];
        rows.extend((0..4).map(|seed| row("a", seed, Some("0.1"), [1.0, 2.0, 3.0, 6.0][seed as usize])));
        rows.extend([
            row("a", 0, Some("1"), f64::NAN),
            row("a", 1, Some("1"), 5.0),
            row("b", 0, None, f64::NAN),
        ]);
        rows.push(row("pretrained", 2, None, f64::INFINITY));
        let found = summarise(&keys(), &rows);
        let brief: Vec<_> =
            found.iter().map(|s| (s.method.as_str(), s.values[0].as_deref(), s.seeds)).collect();
        let wanted = [("pretrained", None, 3), ("a", Some("0.1"), 4), ("a", Some("1"), 2), ("b", None, 1)];
        assert_eq!(brief, wanted);
        assert_eq!((found[0].mean, found[0].stderr, found[0].diverged), (1.5, Some(0.5), 1));
        // Deviations −2, −1, 0, 3: variance 14/3, over 4 seeds.
        assert_eq!((found[1].mean, found[1].diverged), (3.0, 0));
        assert!((found[1].stderr.unwrap() - (14.0f64 / 12.0).sqrt()).abs() < 1e-15);
        assert_eq!((found[2].mean, found[2].stderr, found[2].diverged), (5.0, None, 1));
        assert!(found[3].mean.is_nan() && found[3].stderr.is_none() && found[3].diverged == 1);
    }

    #[test]
    fn files_say_what_rows_hold() {
        let mut odd = row("a", 0, Some("{ x = [1, 2] }"), 0.25);
        odd.exact = Some(0.5);
        let lost = Outcome { stderr: None, ..row("b, \"c\"", 1, None, f64::NAN) };
        let text = results_csv(&keys(), &[odd.clone(), lost], "f0");
        let wanted = "model,method,finetune.optimizer.lr,seed,task,shots,mean,stderr,exact,fingerprint\n\
                      a/0,a,\"{ x = [1, 2] }\",0,target,0,0.25,0.5,0.5,f0\n\
                      \"b, \"\"c\"\"/1\",\"b, \"\"c\"\"\",,1,target,0,NaN,,,f0\n";
        assert_eq!(text, wanted);

        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("summary.csv");
        let rows = summarise(&keys(), &[odd.clone(), row("b", 1, Some("\"q\""), 2.0)]);
        let text = summary_csv(&keys(), &rows, "f0");
        std::fs::write(&path, &text).expect("written");
        let wanted =
            |fingerprint| Summaries { keys: vec![keys()[0].clone()], rows: rows.clone(), fingerprint };
        assert_eq!(read_summary(&path).expect("read"), wanted(Some("f0".into())));
        // As it was written before there were fingerprints.
        std::fs::write(&path, text.replace(",fingerprint", "").replace(",f0", "")).expect("written");
        assert_eq!(read_summary(&path).expect("read"), wanted(None));
        std::fs::write(&path, text.replacen(",f0", ",f1", 1)).expect("written");
        let error = read_summary(&path).expect_err("two sweeps").to_string();
        assert!(error.contains("line 3: the fingerprint is `f0`, before it was `f1`"), "{error}");
    }
}
