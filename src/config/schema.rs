//! Holds a tree against the keys and types of [`Config`], derived from the types themselves: a key is known if a
//! complete example serialises it, and a value fits if the example still deserialises with it in place.

use super::{Config, Method, Optimizer, OwnTask, Regression, Tables, Task, TextConfig, language};
use crate::document::tree::{At, Complaint, Is, Node, label};
use crate::document::values::{article, plain, wrong};
use crate::document::words::{closest, meant};
use toml::{Table, Value};

/// The kinds of task, as `task.kind` names them.
pub(super) const KINDS: [&str; 4] = ["regression", "tables", TEXT, OWN];
/// That of experiments on language models.
pub(super) const TEXT: &str = "text";
/// That of a program's own task: it stands in what was run, and nobody writes it.
const OWN: &str = "own";

/// A serialised configuration of that kind of task with every key that there is; `methods` has one element.
pub(super) fn example(kind: &str) -> Table {
    if kind == TEXT {
        return Table::try_from(language::example()).expect("the defaults are representable in TOML");
    }
    let method = Method {
        name: "m".into(),
        loss: super::Loss::ZsFs,
        train: vec!["*".into()],
        schedule: super::Schedule::Linear,
        weight: 1.0,
        steps: Some(1),
        lr: Some(1.0),
        optimizer: Some(Optimizer::default()),
    };
    let task = match kind {
        "tables" => Task::Tables(Tables::default()),
        OWN => Task::Own(OwnTask::default()),
        _ => Task::Regression(Regression::default()),
    };
    let config = Config { task, methods: vec![method], ..Config::default() };
    Table::try_from(config).expect("the defaults are representable in TOML")
}

/// Every key of the tree is known and every value has its type, or the first complaint.
pub(super) fn check(tree: &mut Node, kind: &str) -> Result<(), Complaint> {
    let example = example(kind);
    let walk = Walk { example: &example, kind };
    walk.node(tree, &Value::Table(example.clone()), "", &mut Vec::new())
}

struct Walk<'a> {
    example: &'a Table,
    kind: &'a str,
}

impl Walk<'_> {
    /// `path` is for messages, `steps` leads to the same place in the example.
    fn node(
        &self,
        node: &mut Node,
        like: &Value,
        path: &str,
        steps: &mut Vec<String>,
    ) -> Result<(), Complaint> {
        let list_of_tables = like.as_array().and_then(|a| a.first()).filter(|v| v.is_table());
        let found = node.kind();
        match (&mut node.is, like) {
            (Is::Table(table), Value::Table(known)) => {
                for (key, child) in table.iter_mut() {
                    let full = join(path, key);
                    let Some(like) = known.get(key) else {
                        let message = self.unknown(path, key, &full, known);
                        return Err(Complaint { at: child.at, message });
                    };
                    steps.push(key.clone());
                    self.node(child, like, &full, steps)?;
                    steps.pop();
                }
                Ok(())
            }
            (_, Value::Table(known)) => {
                let mut message = format!("`{path}` is a table of settings, not {}", article(found));
                if known.contains_key("rule") && found != "array" {
                    message += &format!("; set `{path}.rule`, `{path}.lr` and the like");
                } else if found == "array" {
                    message += &format!("; write [{path}] once, in single brackets");
                }
                Err(Complaint { at: node.at, message })
            }
            (Is::Array(list), _) if list_of_tables.is_some() => {
                for (i, child) in list.iter_mut().enumerate() {
                    let full = join(path, &label(i, child));
                    steps.push("0".into());
                    self.node(child, list_of_tables.unwrap_or(like), &full, steps)?;
                    // It has every key that has no default.
                    if let Err(message) = self.fits(child, steps) {
                        let message = format!("`{full}`: {}", plain(&message));
                        return Err(Complaint { at: child.at, message });
                    }
                    steps.pop();
                }
                Ok(())
            }
            (_, _) if list_of_tables.is_some() => {
                let message =
                    format!("`{path}` is a list, each element under [[{path}]], not {}", article(found));
                Err(Complaint { at: node.at, message })
            }
            _ => self.leaf(node, like, path, steps),
        }
    }

    fn leaf(&self, node: &mut Node, like: &Value, path: &str, steps: &[String]) -> Result<(), Complaint> {
        if like.is_str() {
            as_typed(node);
        }
        let mut tried = self.fits(node, steps);
        if let (Err(_), Is::Array(list)) = (&tried, &node.is) {
            // Names in a list may be numbers too.
            let mut named = Node { is: Is::Array(list.clone()), ..node.clone() };
            if let Is::Array(list) = &mut named.is {
                list.iter_mut().for_each(as_typed);
            }
            if self.fits(&named, steps).is_ok() {
                *node = named;
                tried = Ok(());
            }
        }
        let Err(message) = tried else { return Ok(()) };
        let choices = if like.is_str() { self.choices(steps) } else { Vec::new() };
        let message = wrong(node, like, path, &plain(&message), &choices);
        Err(Complaint { at: node.at, message: format!("`{path}`: {message}") })
    }

    /// Whether the example is still a configuration with the value in it, or serde's complaint.
    fn fits(&self, node: &Node, steps: &[String]) -> Result<(), String> {
        let mut root = Value::Table(self.example.clone());
        *place(&mut root, steps) = node.to_value();
        let read = match self.kind {
            TEXT => root.try_into::<TextConfig>().map(drop),
            _ => root.try_into::<Config>().map(drop),
        };
        read.map_err(|e| e.message().to_string())
    }

    /// The words that a key takes, if it takes only some: what serde says to one that is none.
    fn choices(&self, steps: &[String]) -> Vec<String> {
        let none = self.fits(&Node::string(At::Whole, "\u{1}"), steps).err().unwrap_or_default();
        let Some((_, listed)) = none.split_once("expected") else { return Vec::new() };
        listed.split('`').skip(1).step_by(2).map(str::to_string).collect()
    }

    fn unknown(&self, path: &str, key: &str, full: &str, known: &Table) -> String {
        let keys: Vec<&str> = known.keys().map(String::as_str).collect();
        let mut message = format!("there is no key `{full}`");
        let other = KINDS.iter().find(|k| **k != self.kind);
        let other =
            other.filter(|k| path == "task" && example(k).get("task").is_some_and(|t| t.get(key).is_some()));
        if let Some(other) = other {
            message += &format!(
                " where task.kind is \"{}\", only where it is \"{other}\": set task.kind, or leave it out",
                self.kind
            );
        } else {
            let here = |key: &str| vec![join(path, key)];
            let other_word = meant(key).find(|key| known.contains_key(*key));
            let guess = other_word.map(here).or_else(|| closest(key, &keys).map(here));
            let guess = guess.unwrap_or_else(|| self.elsewhere(path, key));
            if !guess.is_empty() {
                message += &format!("; did you mean `{}`", guess.join("` or `"));
            }
        }
        let place = if path.is_empty() { "at the top".to_string() } else { format!("under `{path}`") };
        message + &format!("; the keys {place} are {}", keys.join(", "))
    }

    /// Where a key belongs that is none at `path`: the same key, or else what its word means, or one spelt alike.
    fn elsewhere(&self, path: &str, key: &str) -> Vec<String> {
        let all = paths(self.example);
        let last = |p: &String| p.rsplit('.').next().unwrap_or_default().to_string();
        let called = |name: &str| all.iter().filter(|p| last(p) == name).cloned().collect::<Vec<String>>();
        let names: Vec<String> = all.iter().map(last).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let alike = || closest(key, &names).filter(|_| key.len() > 3).map(called).unwrap_or_default();
        let mut found = called(key);
        if found.is_empty() {
            found = meant(key).map(called).find(|found| !found.is_empty()).unwrap_or_else(alike);
        }
        let top = path.split('.').next().unwrap_or_default();
        for near in [format!("{path}."), format!("{top}.")] {
            if !path.is_empty() && found.iter().any(|p| p.starts_with(&near) || *p == top) {
                found.retain(|p| p.starts_with(&near) || *p == top);
            }
        }
        found.iter().map(|p| p.replace("methods.0", "methods.<name>")).collect()
    }
}

/// Takes a number, date or truth value for the text that was typed.
fn as_typed(node: &mut Node) {
    // A quoted string keeps its meaning; a bare 2013 or true is a name here.
    if let Some(bare) = node.bare.take().filter(|_| node.as_str().is_none()) {
        node.is = Is::Value(Value::String(bare));
    }
}

/// The place in the example that `steps` lead to; they were followed there before.
fn place<'v>(mut value: &'v mut Value, steps: &[String]) -> &'v mut Value {
    for step in steps {
        value = match value {
            Value::Array(list) => &mut list[0],
            other => &mut other[step.as_str()],
        };
    }
    value
}

/// Every key's path, tables before what is in them, with `0` for a list's only element.
pub(super) fn paths(table: &Table) -> Vec<String> {
    fn visit(value: &Value, path: &str, out: &mut Vec<String>) {
        out.push(path.to_string());
        match value {
            Value::Table(table) => table.iter().for_each(|(k, v)| visit(v, &join(path, k), out)),
            Value::Array(list) if list.first().is_some_and(Value::is_table) => {
                list[0]
                    .as_table()
                    .into_iter()
                    .flatten()
                    .for_each(|(k, v)| visit(v, &format!("{path}.0.{k}"), out));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    table.iter().for_each(|(k, v)| visit(v, k, &mut out));
    out
}

/// The complaint of an unknown `task.kind`, before anything else is held against a kind.
pub(super) fn check_kind(kind: &Node) -> Result<&str, Complaint> {
    match kind.as_str().and_then(|k| KINDS.iter().find(|known| **known == k)) {
        Some(known) => Ok(known),
        None => {
            let given = kind.as_str().map_or_else(|| article(kind.kind()), |k| format!("\"{k}\""));
            let written: Vec<&str> = KINDS.into_iter().filter(|kind| *kind != OWN).collect();
            let near = kind.as_str().and_then(|k| closest(k, &written));
            let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            let (last, first) = written.split_last().expect("some kinds");
            let first = first.join("\", \"");
            let message = format!("`task.kind` is \"{first}\" or \"{last}\", not {given}{hint}");
            Err(Complaint { at: kind.at, message })
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}
