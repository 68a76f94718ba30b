//! Holds a tree against the keys and types of [`Config`], derived from the types themselves: a key is known if a
//! complete example serialises it, and a value fits if the example still deserialises with it in place.

use super::tree::{Complaint, Is, Node, label};
use super::{Config, Method, Optimizer, Regression, Tables, Task};
use toml::{Table, Value};

/// The kinds of task, as `task.kind` names them.
pub(super) const KINDS: [&str; 2] = ["regression", "tables"];

/// A serialised configuration of that kind of task with every key that there is; `methods` has one element.
pub(super) fn example(kind: &str) -> Table {
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
            (_, Value::Table(_)) => {
                let message = format!("`{path}` is a table of settings, not {}", article(found));
                Err(Complaint { at: node.at, message })
            }
            (Is::Array(list), _) if list_of_tables.is_some() => {
                for (i, child) in list.iter_mut().enumerate() {
                    let full = join(path, &label(i, child));
                    steps.push("0".into());
                    self.node(child, list_of_tables.unwrap_or(like), &full, steps)?;
                    steps.pop();
                    complete(child, &full)?;
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
        if let Some(bare) = node.bare.take().filter(|_| like.is_str()) {
            // A quoted string keeps its meaning; a bare 2013 or true is a name here.
            if node.as_str().is_none() {
                node.is = Is::Value(Value::String(bare));
            }
        }
        let mut root = Value::Table(self.example.clone());
        *place(&mut root, steps) = node.to_value();
        match root.try_into::<Config>() {
            Ok(_) => Ok(()),
            Err(e) => {
                let mut message = format!("`{path}`: {}", plain(e.message()));
                if path == "task.covariance" {
                    message += r#"; give "identity", { diagonal = [1.0, 2.0, …] } or { file = "sigma.csv" }"#;
                }
                Err(Complaint { at: node.at, message })
            }
        }
    }

    fn unknown(&self, path: &str, key: &str, full: &str, known: &Table) -> String {
        let keys: Vec<&str> = known.keys().map(String::as_str).collect();
        let mut message = format!("there is no key `{full}`");
        let other = KINDS.iter().find(|k| **k != self.kind);
        let other =
            other.filter(|k| path == "task" && example(k).get("task").is_some_and(|t| t.get(key).is_some()));
        let mut elsewhere = paths(self.example);
        elsewhere.retain(|p| p.rsplit('.').next() == Some(key));
        let below = |p: &String| p.starts_with(&format!("{path}."));
        if elsewhere.iter().any(below) {
            elsewhere.retain(below);
        }
        let elsewhere: Vec<String> =
            elsewhere.iter().map(|p| p.replace("methods.0", "methods.<name>")).collect();
        if let Some(other) = other {
            message += &format!(" where task.kind is \"{}\", only where it is \"{other}\"", self.kind);
        } else if let Some(close) = closest(key, &keys) {
            message += &format!("; did you mean `{}`", join(path, close));
        } else if !elsewhere.is_empty() {
            message += &format!("; did you mean `{}`", elsewhere.join("` or `"));
        }
        let place = if path.is_empty() { "at the top".to_string() } else { format!("under `{path}`") };
        message + &format!("; the keys {place} are {}", keys.join(", "))
    }
}

/// The element has every key that has no default.
fn complete(node: &Node, path: &str) -> Result<(), Complaint> {
    let Err(e) = node.to_value().try_into::<Method>() else { return Ok(()) };
    Err(Complaint { at: node.at, message: format!("`{path}`: {}", plain(e.message())) })
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

/// Every leaf's path, with `0` for a list's only element.
pub(super) fn paths(table: &Table) -> Vec<String> {
    fn visit(value: &Value, path: &str, out: &mut Vec<String>) {
        match value {
            Value::Table(table) => table.iter().for_each(|(k, v)| visit(v, &join(path, k), out)),
            Value::Array(list) if list.first().is_some_and(Value::is_table) => {
                visit(&list[0], &join(path, "0"), out);
            }
            _ => out.push(path.to_string()),
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
            let message = format!("`task.kind` is \"{}\", not {given}", KINDS.join("\" or \""));
            Err(Complaint { at: kind.at, message })
        }
    }
}

/// The candidate that a word was probably meant to be.
pub(super) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let near = candidates.iter().map(|c| (distance(word, c), *c)).min()?;
    (near.0 <= (length / 3).max(1)).then_some(near.1)
}

/// Letters to insert, leave out, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above = &rows[i - 1];
            let mut least =
                (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

fn article(kind: &str) -> String {
    match kind {
        "integer" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// serde's message in a user's words.
fn plain(message: &str) -> String {
    let mut out = message.trim().replace('\n', " ");
    for (rust, words) in [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("invalid length", "wrong length"),
        ("expected fewer elements in array", "expected fewer elements"),
        ("expected a sequence", "expected a list in [ ]"),
        ("unknown variant", "no such choice:"),
        ("missing field", "a method needs"),
        ("invalid type: ", ""),
        ("invalid value: ", ""),
    ] {
        out = out.replace(rust, words);
    }
    out
}
