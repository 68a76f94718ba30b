//! An experiment being made: a tree of settings, overridden, checked, and turned into a [`Config`].

use super::axes::{self, RawAxis};
use super::schema;
use super::source::Text;
use super::{Config, Covariance, Task, TextConfig};
use crate::document::tree::{At, Complaint, Node};
use std::path::{Path, PathBuf};
use toml::Value;

/// An experiment being made: the tree with overrides applied, and its `[sweep]` apart.
#[derive(Clone)]
pub(super) struct Draft {
    pub tree: Node,
    pub axes: Vec<RawAxis>,
    file_kind: String,
    /// Of the task, once it is [checked](Draft::check).
    kind: String,
    directory: Option<PathBuf>,
    made: bool,
}

impl Draft {
    pub fn read(text: &Text, sets: &[String]) -> std::result::Result<Draft, Complaint> {
        let mut tree = Node::parse(&text.text)?;
        let sweep = tree.as_table_mut().and_then(|root| root.remove("sweep"));
        let axes = sweep.map(axes::leaves).transpose()?.unwrap_or_default();
        let file_kind = tree.get("task.kind").and_then(Node::as_str).unwrap_or(schema::KINDS[0]).to_string();
        let (kind, directory) = (file_kind.clone(), text.directory.clone());
        let mut draft = Draft { tree, axes, file_kind, kind, directory, made: text.made };
        for (i, set) in sets.iter().enumerate() {
            draft.apply(set, At::Set(i))?;
        }
        Ok(draft)
    }

    /// Every key is known and every value has its type.
    pub fn check(&mut self) -> std::result::Result<(), Complaint> {
        self.kind = settle_kind(&mut self.tree, &self.file_kind)?;
        schema::check(&mut self.tree, &self.kind)
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

    /// Whether it is an experiment on a language model.
    pub fn is_text(&self) -> bool {
        self.kind == schema::TEXT
    }

    /// The same of such an experiment.
    pub fn text(&self) -> std::result::Result<TextConfig, Complaint> {
        let config = self.unchecked_text()?;
        match config.fault() {
            Some(fault) => Err(Complaint { at: self.tree.nearest(&fault.path), message: fault.to_string() }),
            None => Ok(config),
        }
    }

    /// Such an experiment, whose values may be off.
    pub fn unchecked_text(&self) -> std::result::Result<TextConfig, Complaint> {
        let config = self.tree.to_value().try_into::<TextConfig>();
        let mut config = config.map_err(|e| Complaint::whole(e.message()))?;
        let base = self.directory.as_deref();
        absolute("model.from", &mut config.model.from, &self.tree, base)?;
        if let Some(path) = &mut config.model.tokenizer {
            absolute("model.tokenizer", path, &self.tree, base)?;
        }
        for (key, files) in
            [("task.train", &mut config.task.train), ("task.validation", &mut config.task.validation)]
        {
            files.iter_mut().try_for_each(|path| absolute(key, path, &self.tree, base))?;
        }
        Ok(config)
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
            Some(Err("")) => self.axes = axes::leaves(node)?,
            Some(Ok(axis)) => axes::override_axis(&mut self.axes, axis, node),
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
        Task::Own(_) => return Ok(config),
    };
    absolute(key, path, tree, directory)?;
    Ok(config)
}

/// Makes a path of a key absolute.
fn absolute(
    key: &str,
    path: &mut PathBuf,
    tree: &Node,
    directory: Option<&Path>,
) -> std::result::Result<(), Complaint> {
    if path.as_os_str().is_empty() {
        return Ok(());
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
    Ok(())
}
