//! Reading, overriding and checking a [`Config`].

use super::schema;
use super::sweep;
use super::tree::{At, Complaint, Node};
use super::words;
use super::{Config, Covariance, Task};
use crate::bounded;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use toml::Value;

/// A named experiment that floe ships.
pub struct Preset {
    pub name: &'static str,
    pub about: &'static str,
    pub toml: &'static str,
}

/// The presets, in the order `floe presets` prints them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "paper",
        about: "linear regression, one layer, query and key merged: six ways of fine-tuning (Lee, Sohn and Lee 2026)",
        toml: include_str!("../presets/paper.toml"),
    },
    Preset {
        name: "paper-qkv",
        about: "the same with query and key apart: eight ways, each of q, k and v alone",
        toml: include_str!("../presets/paper-qkv.toml"),
    },
    Preset {
        name: "tables",
        about: "real data: 185 small tables of diamond prices, each its own regression task",
        toml: include_str!("../presets/tables.toml"),
    },
    Preset {
        name: "paper-sweep",
        about: "`paper` with five seeds at three learning rates, for `floe sweep`: 95 models",
        toml: include_str!("../presets/paper-sweep.toml"),
    },
];

/// The preset of that name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.name == name)
}

/// The validated experiment of a preset, a `.toml` file or a run directory (its `config.toml`), with `key=value`
/// overrides applied in order; a later one wins.
///
/// Relative paths in a file are taken from the file's directory, those in an override from the current one; in
/// the result they are absolute. Every error is an [`Error::Config`] that names the file and line or the override.
pub fn load(source: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text::open(source, "config.toml")?, sets)
}

/// [`load`] of a text that is at hand; `origin` names it in errors. Relative paths are taken from the current
/// directory.
pub fn resolve_text(origin: &str, text: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text::at_hand(origin, text), sets)
}

/// [`resolve_text`] of the configuration in a checkpoint, which names of methods that are refused today do not make
/// unreadable.
pub fn resolve_made(origin: &str, text: &str, sets: &[String]) -> Result<Config> {
    resolve(&Text { made: true, ..Text::at_hand(origin, text) }, sets)
}

impl Config {
    /// The TOML that [`load`] reads back as the same configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for a path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| {
            Error::config(
                "configuration",
                format!("cannot be written as TOML: {}", one_line(&e.to_string(), 200)),
            )
        })
    }
}

fn no_source(source: &str, error: &std::io::Error) -> Error {
    let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
    let preset =
        words::closest(source.trim_end_matches(".toml"), &names).map(|n| format!("did you mean `{n}`? "));
    let file = || words::missing_file(Path::new(source), error).map(|why| format!("{why}; "));
    let message = format!(
        "no such preset or file; {}the presets are {}; anything else is the path of a .toml file",
        preset.or_else(file).unwrap_or_default(),
        names.join(", ")
    );
    Error::config(one_line(source, 200), message)
}

/// The text of a file's bytes.
fn decode(bytes: Vec<u8>, origin: &str) -> Result<String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.get(1) == Some(&0) {
        return Err(Error::config(
            format!("{origin}:1"),
            "not UTF-8 text but UTF-16; save the file as UTF-8",
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..valid].iter().filter(|&&b| b == b'\n').count() + 1;
        let what = format!("not UTF-8 text (byte 0x{:02x}; Latin-1?)", e.as_bytes()[valid]);
        Error::config(format!("{origin}:{line}"), format!("{what}; save the file as UTF-8"))
    })
}

/// A file's text with what errors call it.
pub(super) struct Text {
    origin: String,
    /// Where relative paths are taken from; the current directory if there is none.
    directory: Option<PathBuf>,
    text: String,
    /// Whether something was made by it: its methods are called what they are called.
    made: bool,
}

impl Text {
    /// The text of a preset, a file, or a directory's `inside` (or whichever of the two files it has).
    pub fn open(source: &str, inside: &str) -> Result<Text> {
        if let Some(preset) = preset(source) {
            return Ok(Text::at_hand(&format!("preset {source}"), preset.toml));
        }
        let mut path = PathBuf::from(source);
        if path.is_dir() {
            let held =
                [inside, "config.toml", "sweep.toml"].into_iter().find(|name| path.join(name).exists());
            path.push(held.unwrap_or(inside));
        }
        let inside_of = path.parent().filter(|_| path != Path::new(source));
        let bytes = bounded::bytes(&path, bounded::SMALL).map_err(|e| match (e.kind(), inside_of) {
            (std::io::ErrorKind::NotFound, Some(directory)) => {
                let mend = "give a run's or a sweep's directory, or the .toml file itself";
                Error::config(
                    directory.display().to_string(),
                    format!("is a directory without {inside}; {mend}"),
                )
            }
            (std::io::ErrorKind::NotFound, None) => no_source(source, &e),
            _ => Error::config(path.display().to_string(), format!("cannot be read: {e}")),
        })?;
        let origin = path.display().to_string();
        let text = decode(bytes, &origin)?;
        Ok(Text { origin, directory: path.parent().map(Path::to_path_buf), text, made: false })
    }

    pub fn at_hand(origin: &str, text: &str) -> Text {
        Text { origin: origin.to_string(), directory: None, text: text.to_string(), made: false }
    }

    /// A complaint as an error that names its place.
    pub fn error(&self, complaint: Complaint, sets: &[String]) -> Error {
        let place = match complaint.at {
            At::Whole => self.origin.clone(),
            At::Line(line) => format!("{}:{line}", self.origin),
            At::Set(i) => format!("--set {}", one_line(&sets[i], 80)),
        };
        Error::config(place, one_line(&complaint.message, 600))
    }
}

fn resolve(text: &Text, sets: &[String]) -> Result<Config> {
    let resolve = || {
        let mut draft = Draft::read(text, sets)?;
        if let Some((key, at)) = draft.axes.first().map(|axis| (&axis.key, axis.node.at)) {
            let message = format!(
                "`sweep.{key}` makes this a sweep: use `floe sweep`, or --set sweep={{}} for the experiment without it"
            );
            return Err(Complaint { at, message });
        }
        draft.check()?;
        draft.config()
    };
    resolve().map_err(|complaint| text.error(complaint, sets))
}

/// An experiment being made: the tree with overrides applied, and its `[sweep]` apart.
#[derive(Clone)]
pub(super) struct Draft {
    pub tree: Node,
    pub axes: Vec<RawAxis>,
    file_kind: String,
    directory: Option<PathBuf>,
    made: bool,
}

/// A leaf of `[sweep]` as it was given.
#[derive(Clone, Debug)]
pub(super) struct RawAxis {
    pub key: String,
    pub node: Node,
}

impl Draft {
    pub fn read(text: &Text, sets: &[String]) -> std::result::Result<Draft, Complaint> {
        let mut tree = Node::parse(&text.text)?;
        let sweep = tree.as_table_mut().and_then(|root| root.remove("sweep"));
        let axes = sweep.map(sweep::leaves).transpose()?.unwrap_or_default();
        let file_kind = tree.get("task.kind").and_then(Node::as_str).unwrap_or(schema::KINDS[0]).to_string();
        let mut draft = Draft { tree, axes, file_kind, directory: text.directory.clone(), made: text.made };
        for (i, set) in sets.iter().enumerate() {
            draft.apply(set, At::Set(i))?;
        }
        Ok(draft)
    }

    /// Every key is known and every value has its type.
    pub fn check(&mut self) -> std::result::Result<(), Complaint> {
        let kind = settle_kind(&mut self.tree, &self.file_kind)?;
        schema::check(&mut self.tree, &kind)
    }

    /// The configuration, of values that an experiment can have.
    pub fn config(&self) -> std::result::Result<Config, Complaint> {
        let config = self.unchecked()?;
        match if self.made { config.old_fault() } else { config.fault() } {
            Some(fault) => Err(Complaint { at: self.tree.nearest(&fault.path), message: fault.to_string() }),
            None => Ok(config),
        }
    }

    /// The configuration, whose values may be off.
    pub fn unchecked(&self) -> std::result::Result<Config, Complaint> {
        let config = self.tree.to_value().try_into::<Config>().map_err(|e| Complaint::whole(e.message()))?;
        absolute_paths(config, &self.tree, self.directory.as_deref())
    }

    /// Puts a value at a key.
    pub fn put(&mut self, key: &str, node: Node) -> std::result::Result<(), Complaint> {
        // The covariance is one choice with its payload: another replaces it and is never mixed into it.
        if key.starts_with("task.covariance.")
            && let Some(task) = self.tree.get_mut("task").and_then(Node::as_table_mut)
        {
            task.remove("covariance");
        }
        self.tree.set(key, node)
    }

    /// Applies one `key=value`.
    fn apply(&mut self, set: &str, at: At) -> std::result::Result<(), Complaint> {
        let complain = |message: String| Complaint { at, message };
        let Some((key, raw)) = set.split_once('=') else {
            let hint = if set.contains(':') { " (with =, not :)" } else { "" };
            return Err(complain(format!("write it as key=value{hint}, for instance model.heads=2")));
        };
        let key = key.trim();
        check_key(key).map_err(complain)?;
        let node = Node::parse_set(raw, at)?;
        match key.strip_prefix("sweep").map(|rest| rest.strip_prefix('.').ok_or(rest)) {
            Some(Err("")) => self.axes = sweep::leaves(node)?,
            Some(Ok(axis)) => sweep::override_axis(&mut self.axes, axis, node),
            _ => self.put(key, node)?,
        }
        Ok(())
    }
}

/// A key is names with dots between.
pub(super) fn check_key(key: &str) -> std::result::Result<(), String> {
    let parts = || key.split('.');
    if parts().any(|part| part.is_empty() || part.chars().any(|c| c.is_control() || c.is_whitespace())) {
        return Err(format!("`{key}` is no key; a key is names with dots between, like model.heads"));
    }
    if key.contains(['[', ']', '/', '"', '\'']) {
        let like = key.replace(['[', '/'], ".").replace([']', '"', '\''], "").replace("..", ".");
        let hint = match key.starts_with("methods") {
            true => "and a method goes by its name: methods.zs-v.lr".to_string(),
            false => format!("like {}", like.trim_matches('.')),
        };
        return Err(format!("`{key}` is no key; a key is names with dots between, {hint}"));
    }
    if parts().count() > 64 {
        return Err("the key has more than 64 parts; no setting lies so deep".into());
    }
    Ok(())
}

/// The kind of task, with `regression` where none is given. Where a `--set` has changed the file's kind, the
/// file's settings of the other kind are dropped.
fn settle_kind(tree: &mut Node, file_kind: &str) -> std::result::Result<String, Complaint> {
    let Some(root) = tree.as_table_mut() else { return Ok(file_kind.to_string()) };
    let task = root.entry("task".into()).or_insert_with(|| Node::table(At::Whole));
    let at = task.at;
    // `task = 3`: the check of types says what is wrong.
    let Some(task) = task.as_table_mut() else { return Ok(file_kind.to_string()) };
    let kind = task.entry("kind".into()).or_insert_with(|| Node::string(at, schema::KINDS[0]));
    let from_set = matches!(kind.at, At::Set(_));
    let kind = schema::check_kind(kind)?.to_string();
    if from_set && kind != file_kind {
        let example = schema::example(&kind);
        let known = |key: &str| example.get("task").and_then(|t| t.get(key)).is_some();
        task.retain(|key, node| matches!(node.at, At::Set(_)) || known(key));
    }
    Ok(kind)
}

/// Makes the task's paths absolute, so that the configuration means the same read back from a run directory.
fn absolute_paths(
    mut config: Config,
    tree: &Node,
    directory: Option<&Path>,
) -> std::result::Result<Config, Complaint> {
    let (key, path) = match &mut config.task {
        Task::Regression(task) => match &mut task.covariance {
            Covariance::File(path) => ("task.covariance.file", path),
            _ => return Ok(config),
        },
        Task::Tables(task) => ("task.path", &mut task.path),
    };
    if path.as_os_str().is_empty() {
        return Ok(config);
    }
    let at = tree.nearest(key);
    let base = if matches!(at, At::Set(_)) { None } else { directory };
    let joined = base.map_or_else(|| path.clone(), |base| base.join(&*path));
    *path = std::path::absolute(&joined).map_err(|e| Complaint {
        at,
        message: format!("`{key}`: {} has no absolute path: {e}", joined.display()),
    })?;
    // TOML is UTF-8, so a path below a directory that is not cannot be written back.
    if Value::try_from(&*path).is_err() {
        let message =
            format!("`{key}`: {} is not UTF-8; move the file to a directory that is", path.display());
        return Err(Complaint { at, message });
    }
    Ok(config)
}

/// `text` on one line, cut after `most` characters.
fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == most {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
