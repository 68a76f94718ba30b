//! A configuration as its leaves, to be compared key by key and hashed.

use super::draft::Draft;
use super::source::Text;
use super::{Config, Task, TextConfig};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The value of every key of an experiment's text (or, with its `[sweep]`, a sweep's), as TOML, by the key that `--set`
/// takes. What the text leaves out has its default, so that texts of different ages compare; keys that are at their
/// defaults are left out unless `all` are asked for. A text that this floe can't read is taken as it stands.
pub fn settings(text: &str, all: bool) -> BTreeMap<String, String> {
    let raw = text.parse::<Table>().unwrap_or_default();
    let mut found = BTreeMap::new();
    match config(text) {
        Some(Either::Text(config)) => {
            visit(&table(&config), "", &mut found);
            if !all {
                let mut defaults = BTreeMap::new();
                visit(&table(&TextConfig::default()), "", &mut defaults);
                found.retain(|key, value| key == "task.kind" || defaults.get(key) != Some(value));
            }
        }
        Some(Either::Prompts(config)) => {
            visit(&table(&config), "", &mut found);
            if !all {
                let task = match config.task {
                    Task::Regression(_) => Task::Regression(Default::default()),
                    Task::Tables(_) => Task::Tables(Default::default()),
                    Task::Own(_) => Task::Own(Default::default()),
                };
                let mut defaults = BTreeMap::new();
                visit(&table(&Config { task, ..Config::default() }), "", &mut defaults);
                found.retain(|key, value| key == "task.kind" || defaults.get(key) != Some(value));
            }
        }
        None => visit(&Value::Table(raw.clone()), "", &mut found),
    }
    found.retain(|key, _| !key.starts_with("sweep."));
    if let Some(sweep) = raw.get("sweep") {
        visit(sweep, "sweep", &mut found);
    }
    found
}

enum Either {
    Prompts(Box<Config>),
    Text(Box<TextConfig>),
}

fn config(text: &str) -> Option<Either> {
    let mut draft = Draft::read(&Text::at_hand("", text), &[]).ok()?;
    draft.check().ok()?;
    match draft.is_text() {
        true => draft.unchecked_text().ok().map(|config| Either::Text(Box::new(config))),
        false => draft.unchecked().ok().map(|config| Either::Prompts(Box::new(config))),
    }
}

fn table(config: &impl serde::Serialize) -> Value {
    Value::try_from(config).unwrap_or_else(|_| Value::Table(Table::new()))
}

fn visit(value: &Value, path: &str, out: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| visit(value, &below(key), out)),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_table) => {
            for (i, one) in list.iter().enumerate() {
                let name = one.get("name").and_then(Value::as_str).map(String::from);
                visit(one, &below(&name.unwrap_or_else(|| format!("#{}", i + 1))), out);
            }
        }
        // The shortest text that reads back as the number, 1e-9 and not 0.000000001.
        Value::Float(number) if number.is_finite() => drop(out.insert(path.into(), format!("{number:?}"))),
        other => drop(out.insert(path.into(), other.to_string())),
    }
}
