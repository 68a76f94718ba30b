//! The directory of a sweep in memory.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::report::load::{agrees, ordered, signed_by, text, unseen};
use crate::report::palette::{self, Style};
use crate::rows::{self, Rows};
use crate::store::records::{self, SweepInfo};
use crate::store::results::{SEED, Summary};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything the page of a sweep shows.
#[derive(Debug)]
pub(super) struct SweepData {
    pub dir: PathBuf,
    /// The experiment without its axes.
    pub config: Config,
    pub info: SweepInfo,
    /// The axes without the seed.
    pub keys: Vec<String>,
    /// `pretrained`, the methods in the order of the experiment file, then whatever else has results.
    pub methods: Vec<String>,
    pub styles: Vec<Style>,
    /// In the order of the methods, then of the file.
    pub settings: Vec<Setting>,
    /// The task that stands for those not seen in fine-tuning.
    pub unseen: Option<String>,
    /// The largest shot count evaluated.
    pub shots: usize,
}

/// A method at one setting of the axes, over its seeds.
#[derive(Debug)]
pub(super) struct Setting {
    pub method: String,
    /// One for each of `keys`; none where the method does not depend on it.
    pub values: Vec<Option<String>>,
    rows: Vec<Summary>,
}

impl Setting {
    pub fn at(&self, task: &str, shots: usize) -> Option<&Summary> {
        self.rows.iter().find(|r| r.task == task && r.shots == shots)
    }

    pub fn seeds(&self) -> usize {
        self.rows.iter().map(|r| r.seeds).max().unwrap_or(0)
    }

    pub fn diverged(&self) -> usize {
        self.rows.iter().map(|r| r.diverged).max().unwrap_or(0)
    }

    /// The method and its values, `zs-v 0.01`.
    pub fn name(&self) -> String {
        let values: Vec<String> = self.values.iter().flatten().map(|v| shown(v)).collect();
        format!("{} {}", self.method, values.join(", ")).trim().to_string()
    }
}

impl SweepData {
    pub fn style(&self, method: &str) -> &Style {
        self.styles.iter().find(|s| s.model == method).expect("every method with results has a style")
    }

    /// Most seeds of a setting.
    pub fn seeds(&self) -> usize {
        self.settings.iter().map(Setting::seeds).max().unwrap_or(0)
    }

    /// Indices of the axes that have two or more values, all of them numbers, and those numbers.
    pub fn numeric(&self) -> Vec<usize> {
        let number = |key: &str| {
            let axis = self.info.axes.iter().find(|a| a.key == key)?;
            let all = axis.values.iter().all(|v| v.parse::<f64>().is_ok_and(f64::is_finite));
            Some(axis.values.len() > 1 && all)
        };
        (0..self.keys.len()).filter(|i| number(&self.keys[*i]) == Some(true)).collect()
    }

    /// A setting in a sentence, `zs-v at learning rate 0.01`.
    pub fn phrase(&self, s: &Setting) -> String {
        let value = |(axis, v): (usize, &Option<String>)| {
            v.as_ref().map(|v| format!("{} {}", self.axis_name(axis), shown(v)))
        };
        match s.values.iter().enumerate().filter_map(value).collect::<Vec<_>>() {
            values if values.is_empty() => s.method.clone(),
            values => format!("{} at {}", s.method, values.join(", ")),
        }
    }

    /// What an axis is called where there is little room.
    pub fn axis_name(&self, axis: usize) -> String {
        let short = |key: &str| match key.rsplit('.').next().unwrap_or(key) {
            "lr" => "learning rate".to_string(),
            last => last.replace('_', " "),
        };
        let name = short(&self.keys[axis]);
        let same = self.keys.iter().filter(|key| short(key) == name).count();
        if same == 1 { name } else { self.keys[axis].clone() }
    }
}

/// A value as people write it: a string without its quotes, and not too long.
pub(super) fn shown(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    match inner.char_indices().nth(28) {
        Some((cut, _)) => format!("{}…", &inner[..cut]),
        None => inner.to_string(),
    }
}

/// Reads the directory of a sweep.
///
/// # Errors
/// A missing or malformed `sweep.toml`, `sweep.json` or `summary.csv`; the message names the file and the line.
pub(super) fn read(dir: &Path) -> Result<SweepData> {
    let config = experiment(&dir.join("sweep.toml"))?;
    let info_path = dir.join("sweep.json");
    let info: SweepInfo = records::parse(&info_path, &text(&info_path)?)?;
    let sweep_path = dir.join("sweep.toml");
    let identity = Identity::new(text(&sweep_path)?, Vec::new());
    agrees(&sweep_path, &identity, &info.identity.noted(), "sweep.json")?;
    let summary = dir.join("summary.csv");
    let Rows { keys, rows, fingerprint } = rows::read::<Summary>(&summary, &text(&summary)?)?;
    signed_by(&summary, fingerprint.as_deref(), &info.identity.fingerprint, "sweep.json")?;
    let noted: Vec<&String> = info.axes.iter().map(|a| &a.key).filter(|k| *k != SEED).collect();
    if keys.iter().ne(noted.iter().copied()) {
        let message = format!(
            "line 1: the axes are `{}`, but sweep.json has `{}`; both must be of the same sweep",
            keys.join(","),
            noted.into_iter().cloned().collect::<Vec<_>>().join(",")
        );
        return Err(Error::file(&summary, message));
    }
    let first = std::iter::once("pretrained").chain(config.methods.iter().map(|m| m.name.as_str()));
    let mut methods: Vec<String> =
        first.filter(|m| rows.iter().any(|r| r.method == *m)).map(String::from).collect();
    for row in &rows {
        if !methods.contains(&row.method) {
            methods.push(row.method.clone());
        }
    }
    Ok(SweepData {
        dir: dir.to_path_buf(),
        styles: palette::styles(&methods, &config.methods),
        unseen: unseen(ordered(rows.iter().map(|r| &r.task))),
        shots: rows.iter().map(|r| r.shots).max().unwrap_or(0),
        settings: settings(&methods, rows),
        config,
        info,
        keys,
        methods,
    })
}

/// The experiment of a `sweep.toml`, without the axes.
fn experiment(path: &Path) -> Result<Config> {
    let broken = |e: toml::de::Error| Error::file(path, e.to_string().trim_end().replace('\n', " "));
    let mut table: toml::Table = text(path)?.parse().map_err(broken)?;
    table.remove("sweep");
    table.try_into().map_err(broken)
}

fn settings(methods: &[String], rows: Vec<Summary>) -> Vec<Setting> {
    let mut places: BTreeMap<(usize, Vec<Option<String>>), usize> = BTreeMap::new();
    let mut settings: Vec<Setting> = Vec::new();
    for row in rows {
        let method = methods.iter().position(|m| *m == row.method).unwrap_or(methods.len());
        let place = *places.entry((method, row.values.clone())).or_insert(settings.len());
        if place == settings.len() {
            let (method, values) = (row.method.clone(), row.values.clone());
            settings.push(Setting { method, values, rows: Vec::new() });
        }
        settings[place].rows.push(row);
    }
    settings.sort_by_key(|s| methods.iter().position(|m| *m == s.method));
    settings
}
