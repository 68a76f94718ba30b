//! The experiment file as a tree in which every value remembers the line or `--set` it came from.

use super::slips::slip;
use super::words::closest;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// No one place: the text as a whole.
    Whole,
    /// A line of the text, from 1.
    Line(usize),
    /// An index into the list of `--set`s.
    Set(usize),
}

/// A complaint about one place.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub at: At,
    pub message: String,
}

impl Complaint {
    /// A complaint about no one place.
    pub fn whole(message: impl Into<String>) -> Self {
        Complaint { at: At::Whole, message: message.into() }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub at: At,
    pub is: Is,
    /// Byte offset of the key in its text, which tells the order in which keys were written.
    pub start: usize,
    /// A scalar as it was typed, which is the value where a string is wanted: `task.target=2013`.
    pub bare: Option<String>,
}

/// What a [`Node`] holds. `Value` is never an array or a table.
#[derive(Clone, Debug)]
pub(crate) enum Is {
    Value(Value),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    pub fn new(at: At, is: Is) -> Self {
        Node { at, is, start: 0, bare: None }
    }

    pub fn table(at: At) -> Self {
        Node::new(at, Is::Table(BTreeMap::new()))
    }

    pub fn string(at: At, text: impl Into<String>) -> Self {
        Node::new(at, Is::Value(Value::String(text.into())))
    }

    /// The tree of a TOML document.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let root = DeTable::parse(text).map_err(|e| {
            let start = e.span().map_or(text.len(), |s| s.start);
            let at = line(text, start);
            let typed = text.lines().nth(at - 1).unwrap_or_default();
            Complaint { at: At::Line(at), message: syntax(&e, typed) }
        })?;
        from_table(root.get_ref(), At::Line(1), &Source { text, place: &|start| At::Line(line(text, start)) })
    }

    /// The value of a `--set`: TOML, or else the bare words as a string.
    pub fn parse_set(raw: &str, at: At) -> Result<Self, Complaint> {
        let raw = raw.trim();
        match DeValue::parse(raw) {
            Ok(value) => {
                let mut node = from_value(&value, at, &Source { text: raw, place: &|_| at })?;
                node.bare = matches!(node.is, Is::Value(_)).then(|| raw.to_string());
                Ok(node)
            }
            Err(e) if raw.starts_with(['[', '{', '"', '\'']) => {
                let mend = "quote the whole for the shell: 'KEY=VALUE'";
                Err(Complaint { at, message: format!("{}; {mend}", syntax(&e, raw)) })
            }
            Err(_) => Ok(Node::string(at, raw)),
        }
    }

    /// What the value is, for a message.
    pub fn kind(&self) -> &'static str {
        match &self.is {
            Is::Value(v) => v.type_str(),
            Is::Array(_) => "array",
            Is::Table(_) => "table",
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.is {
            Is::Value(Value::String(s)) => Some(s),
            _ => None,
        }
    }

    pub fn as_table_mut(&mut self) -> Option<&mut BTreeMap<String, Node>> {
        match &mut self.is {
            Is::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn to_value(&self) -> Value {
        match &self.is {
            Is::Value(v) => v.clone(),
            Is::Array(list) => Value::Array(list.iter().map(Node::to_value).collect()),
            Is::Table(table) => Value::Table(table.iter().map(|(k, n)| (k.clone(), n.to_value())).collect()),
        }
    }

    /// The node at a path like `model.layers` or `methods.zs-all.train`, if there is one.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let (child, rest) = self.child(path)?;
        if rest.is_empty() { Some(child) } else { child.get(rest) }
    }

    /// [`Node::get`], to change.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        let (child, rest) = self.child_mut(path)?;
        if rest.is_empty() { Some(child) } else { child.get_mut(rest) }
    }

    /// Where the deepest node on the way to `path` came from.
    pub fn nearest(&self, path: &str) -> At {
        match self.child(path) {
            Some((child, "")) => child.at,
            Some((child, rest)) => match child.nearest(rest) {
                At::Whole => child.at,
                at => at,
            },
            None => At::Whole,
        }
    }

    /// Puts `new` at `path`, making tables on the way. A list's elements are named by their `name` or `#1`, `#2`, …
    pub fn set(&mut self, path: &str, new: Node) -> Result<(), Complaint> {
        let at = new.at;
        match &mut self.is {
            Is::Table(table) => {
                let (key, rest) = path.split_once('.').unwrap_or((path, ""));
                if rest.is_empty() {
                    table.insert(key.to_string(), new);
                    return Ok(());
                }
                let child = table.entry(key.to_string()).or_insert_with(|| {
                    let is =
                        if key == "methods" { Is::Array(Vec::new()) } else { Is::Table(BTreeMap::new()) };
                    Node::new(at, is)
                });
                if matches!(child.is, Is::Value(_)) {
                    *child = Node::table(at);
                }
                child.set(rest, new)
            }
            Is::Array(list) => {
                let names: Vec<String> = list.iter().enumerate().map(|(i, n)| label(i, n)).collect();
                match self.child_mut(path) {
                    Some((child, "")) => {
                        *child = new;
                        Ok(())
                    }
                    Some((child, rest)) => child.set(rest, new),
                    None => {
                        let known = if names.is_empty() {
                            "it is empty".into()
                        } else {
                            format!("it has {}", names.join(", "))
                        };
                        let word = path.split('.').next().unwrap_or(path);
                        let all: Vec<&str> = names.iter().map(String::as_str).collect();
                        let hint =
                            closest(word, &all).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
                        let message =
                            format!("`{path}` begins with no name that the list has; {hint}{known}");
                        Err(Complaint { at, message })
                    }
                }
            }
            Is::Value(_) => {
                *self = Node::table(at);
                self.set(path, new)
            }
        }
    }

    /// The child that the beginning of `path` names, and what is left of `path`.
    pub fn child<'n, 'p>(&'n self, path: &'p str) -> Option<(&'n Node, &'p str)> {
        match &self.is {
            Is::Table(table) => {
                let (key, rest) = path.split_once('.').unwrap_or((path, ""));
                Some((table.get(key)?, rest))
            }
            Is::Array(list) => {
                let (i, rest) = element(list, path)?;
                Some((&list[i], rest))
            }
            Is::Value(_) => None,
        }
    }

    fn child_mut<'n, 'p>(&'n mut self, path: &'p str) -> Option<(&'n mut Node, &'p str)> {
        match &mut self.is {
            Is::Table(table) => {
                let (key, rest) = path.split_once('.').unwrap_or((path, ""));
                Some((table.get_mut(key)?, rest))
            }
            Is::Array(list) => {
                let (i, rest) = element(list, path)?;
                Some((&mut list[i], rest))
            }
            Is::Value(_) => None,
        }
    }
}

/// What a list's element is called in paths and messages: its `name`, or `#1`, `#2`, …
pub(crate) fn label(index: usize, node: &Node) -> String {
    match node.get("name").and_then(Node::as_str) {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("#{}", index + 1),
    }
}

/// The element that the beginning of `path` names. Names may have dots, so the longest match counts.
fn element<'p>(list: &[Node], path: &'p str) -> Option<(usize, &'p str)> {
    let mut best: Option<(usize, usize, &str)> = None;
    for (i, node) in list.iter().enumerate() {
        for name in [format!("#{}", i + 1), label(i, node)] {
            let Some(rest) = path.strip_prefix(name.as_str()) else { continue };
            let rest = match rest.strip_prefix('.') {
                Some(rest) => rest,
                None if rest.is_empty() => rest,
                None => continue,
            };
            if best.is_none_or(|(length, ..)| name.len() > length) {
                best = Some((name.len(), i, rest));
            }
        }
    }
    best.map(|(_, i, rest)| (i, rest))
}

/// The line of a byte offset, from 1.
fn line(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1
}

/// A parser's complaint about the line `typed`, with what probably happened.
fn syntax(e: &toml::de::Error, typed: &str) -> String {
    format!("not valid TOML: {}{}", e.message().trim().replace('\n', " "), slip(e.message(), typed))
}

/// A text and where its bytes are.
struct Source<'a> {
    text: &'a str,
    place: &'a dyn Fn(usize) -> At,
}

fn from_table(table: &DeTable, at: At, source: &Source) -> Result<Node, Complaint> {
    let mut map = BTreeMap::new();
    for (key, value) in table.iter() {
        let start = key.span().start;
        let node = from_value(value, (source.place)(start), source)?;
        map.insert(key.get_ref().to_string(), Node { start, ..node });
    }
    Ok(Node::new(at, Is::Table(map)))
}

fn from_value(value: &Spanned<DeValue>, at: At, source: &Source) -> Result<Node, Complaint> {
    let span = value.span();
    let scalar = match value.get_ref() {
        DeValue::String(s) => return Ok(Node::string(at, s.to_string())),
        DeValue::Boolean(b) => Value::Boolean(*b),
        DeValue::Datetime(d) => Value::Datetime(*d),
        DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
            Ok(i) => Value::Integer(i),
            Err(_) => {
                let message = format!("the integer {i} is beyond 64 bits (at most {})", i64::MAX);
                return Err(Complaint { at, message });
            }
        },
        DeValue::Float(f) => match f.as_str().parse() {
            Ok(f) => Value::Float(f),
            Err(_) => return Err(Complaint { at, message: format!("{} is no number", f.as_str()) }),
        },
        DeValue::Array(list) => {
            let list: Result<Vec<Node>, Complaint> =
                list.iter().map(|v| from_value(v, (source.place)(v.span().start), source)).collect();
            return Ok(Node::new(at, Is::Array(list?)));
        }
        DeValue::Table(table) => return from_table(table, at, source),
    };
    let bare = source.text.get(span).map(str::to_string);
    Ok(Node { bare, ..Node::new(at, Is::Value(scalar)) })
}
