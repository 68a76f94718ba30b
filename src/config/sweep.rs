//! The `[sweep]` of an experiment file: values to try of each of some keys, and the experiments that they cross to.

use super::Config;
use super::axes::RawAxis;
use super::draft::{Draft, check_key};
use super::source::Text;
use crate::document::tree::{At, Complaint, Is, Node};
use crate::document::words;
use crate::error::Result;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// An experiment file with its axes, resolved and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The whole resolved file with its `[sweep]`, which [`load_sweep`] reads back as the same sweep.
    pub toml: String,
    /// In the order of the file, then of the overrides.
    pub axes: Vec<Axis>,
    /// The cross product of the axes, the first axis slowest.
    pub cells: Vec<Cell>,
}

/// A key and the values to try of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// As `--set` takes it, a method by its name.
    pub key: String,
    /// As TOML, `0.003` or `{ diagonal = [1.0, 2.0] }`.
    pub values: Vec<String>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// One value an axis.
    pub values: Vec<String>,
    /// Validated; without a `[sweep]`.
    pub config: Config,
}

/// Most cells of a sweep.
const CELLS: usize = 4096;

/// What `[sweep]` has beside axes: the methods to keep.
const ONLY: &str = "only";

type Outcome<T> = std::result::Result<T, Complaint>;

/// The sweep of a preset, a `.toml` file or the directory of a sweep (its `sweep.toml`), with overrides as
/// [`super::load`] takes them; `--set sweep.seed=[0,1]` gives or replaces an axis.
///
/// # Errors
/// An [`Error::Config`](crate::Error::Config) that names the file and line or the override, the axis and its value,
/// as far as there is one.
pub fn load_sweep(source: &str, sets: &[String]) -> Result<Sweep> {
    let text = Text::open(source, "sweep.toml")?;
    resolve(&text, sets).map_err(|complaint| text.error(complaint, sets))
}

/// [`load_sweep`] of a text that is at hand; `origin` names it in errors.
pub fn sweep_text(origin: &str, text: &str, sets: &[String]) -> Result<Sweep> {
    let text = Text::at_hand(origin, text);
    resolve(&text, sets).map_err(|complaint| text.error(complaint, sets))
}

/// An axis that may be one: its key in one spelling, at least one value.
struct Given {
    key: String,
    at: At,
    values: Vec<Node>,
}

impl Given {
    fn text(&self, value: usize) -> String {
        match self.values[value].to_value() {
            // The shortest text that reads back as the number, 1e-9 and not 0.000000001.
            Value::Float(number) if number.is_finite() => format!("{number:?}"),
            other => other.to_string(),
        }
    }

    fn texts(&self) -> Vec<String> {
        (0..self.values.len()).map(|value| self.text(value)).collect()
    }

    /// The complaint, with the value that it is about.
    fn blame(&self, value: usize, complaint: Complaint) -> Complaint {
        let message = format!("`sweep.{}`, value {}: {}", self.key, self.text(value), complaint.message);
        Complaint { at: complaint.at, message }
    }

    /// Whether a value of this axis decides what is at `path`.
    fn covers(&self, path: &str) -> bool {
        below(path, &self.key) || below(&self.key, path)
    }
}

/// Whether `path` is `above` or lies below it.
fn below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn resolve(text: &Text, sets: &[String]) -> Outcome<Sweep> {
    let mut draft = Draft::read(text, sets)?;
    let mut raw = std::mem::take(&mut draft.axes);
    draft.check()?;
    if let Some(at) = raw.iter().position(|axis| axis.key == ONLY) {
        keep_methods(&mut draft, &raw.remove(at).node)?;
    }
    let mut axes = raw.into_iter().map(|axis| given(&draft, axis)).collect::<Outcome<Vec<Given>>>()?;
    check_axes(&axes)?;
    axes.iter_mut().try_for_each(|axis| check_values(&draft, axis))?;

    let count = axes.iter().map(|axis| axis.values.len()).product();
    let cells = (0..count).map(|number| cell(&draft, &axes, number)).collect::<Outcome<Vec<Cell>>>()?;
    let axes: Vec<Axis> = axes.into_iter().map(|axis| Axis { values: axis.texts(), key: axis.key }).collect();
    let base = draft.unchecked()?.to_toml().map_err(|e| Complaint::whole(e.to_string()))?;
    Ok(Sweep { toml: base + &written(&axes), axes, cells })
}

/// The section as TOML.
fn written(axes: &[Axis]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let line = |axis: &Axis| {
        let plain = axis.key.chars().all(bare);
        let key = if plain { axis.key.clone() } else { Value::String(axis.key.clone()).to_string() };
        format!("{key} = [{}]\n", axis.values.join(", "))
    };
    format!("\n[sweep]\n{}", axes.iter().map(line).collect::<String>())
}

/// Drops the methods that `only` does not name.
fn keep_methods(draft: &mut Draft, only: &Node) -> Outcome<()> {
    let complain = |at, message: String| Complaint { at, message: format!("`sweep.{ONLY}` {message}") };
    let listed = match &only.is {
        Is::Array(list) if !list.is_empty() => list,
        _ => {
            return Err(complain(
                only.at,
                "is a list of methods to sweep, like [\"zs-all\", \"zs-v\"]".into(),
            ));
        }
    };
    let Some(Is::Array(methods)) = draft.tree.get_mut("methods").map(|node| &mut node.is) else {
        return Err(complain(
            only.at,
            "names methods, but there are none; add some under [[methods]]".into(),
        ));
    };
    let name = |node: &Node| node.get("name").and_then(Node::as_str).unwrap_or_default().to_string();
    let known: Vec<String> = methods.iter().map(name).collect();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut kept = BTreeSet::new();
    for node in listed {
        let Some(wanted) = node.as_str() else {
            return Err(complain(node.at, format!("holds names of methods, not {}", node.to_value())));
        };
        if !names.contains(&wanted) {
            let hint =
                words::closest(wanted, &names).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            let message =
                format!("names `{wanted}`, which is no method; {hint}there are {}", names.join(", "));
            return Err(complain(node.at, message));
        }
        kept.insert(wanted);
    }
    methods.retain(|node| kept.contains(name(node).as_str()));
    Ok(())
}

/// The axis with its key in one spelling, if it may be swept.
fn given(draft: &Draft, axis: RawAxis) -> Outcome<Given> {
    let RawAxis { key, node } = axis;
    let at = node.at;
    let complain = |message: String| Complaint { at, message: format!("`sweep.{key}`{message}") };
    check_key(&key).map_err(|message| Complaint { at, message: format!("`sweep`: {message}") })?;
    if let Some(why) = unfit(&key) {
        return Err(complain(format!(" is no axis: {why}")));
    }
    let Is::Array(values) = node.is else {
        let value = node.to_value();
        return Err(complain(format!(" is {value}; an axis is a list of values to try, like [{value}]")));
    };
    if values.is_empty() {
        return Err(complain(" is empty; list the values to try, or leave it out".into()));
    }
    let Some(path) = key.strip_prefix("methods.") else { return Ok(Given { key, at, values }) };
    let spelled = match draft.tree.get("methods").and_then(|methods| methods.child(path)) {
        Some((_, "" | "name")) => {
            let why = " is no axis: a method is swept key by key, like methods.zs-v.lr, and keeps its name";
            return Err(complain(why.into()));
        }
        // `#1` and the name are the same method.
        Some((method, rest)) => {
            method.get("name").and_then(Node::as_str).map(|name| format!("methods.{name}.{rest}"))
        }
        // Told with the names that there are, when a value is put there.
        None => None,
    };
    Ok(Given { key: spelled.unwrap_or(key), at, values })
}

/// Why a key may not differ between the models of a sweep.
fn unfit(key: &str) -> Option<&'static str> {
    match key.split('.').next() {
        Some("eval") => Some(
            "all models of a sweep are evaluated alike, or their errors could not be compared; set it once, under [eval]",
        ),
        Some("record") => Some("it changes no result; set it once, under [record]"),
        Some("methods") if key == "methods" => Some(
            "every method of the file is swept; `only = [\"zs-v\"]` under [sweep] picks some, methods.zs-v.lr varies one",
        ),
        Some("task") if matches!(key, "task" | "task.kind") => {
            Some("a sweep is about one kind of task; run a sweep for each, or vary the task's other keys")
        }
        Some("sweep") => Some("leave `sweep.` out; the keys under [sweep] are those of the experiment"),
        _ => None,
    }
}

/// Some axes, each its own key, and not too many cells.
fn check_axes(axes: &[Given]) -> Outcome<()> {
    if axes.is_empty() {
        let message = "has no axis to sweep; list values of a key, like `seed = [0, 1, 2]` under [sweep], or override \
                       sweep.seed=[0,1,2]";
        return Err(Complaint::whole(message));
    }
    for (i, axis) in axes.iter().enumerate() {
        if let Some(other) = axes[..i].iter().find(|other| other.covers(&axis.key)) {
            let message = format!(
                "`sweep.{}` and `sweep.{}` set the same key; take one of them out",
                other.key, axis.key
            );
            return Err(Complaint { at: axis.at, message });
        }
    }
    let sizes: Vec<usize> = axes.iter().map(|axis| axis.values.len()).collect();
    let count = sizes.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
    if count.is_some_and(|count| count <= CELLS) {
        return Ok(());
    }
    let sizes = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    let message =
        format!("the axes cross to {sizes} cells; at most {CELLS}: list fewer values, or split the sweep");
    Err(Complaint {
        at: axes.iter().max_by_key(|axis| axis.values.len()).map_or(At::Whole, |a| a.at),
        message,
    })
}

/// Every value is of its key's type, and no two are the same. Paths become absolute.
fn check_values(draft: &Draft, axis: &mut Given) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    for i in 0..axis.values.len() {
        let tried = || {
            let mut draft = draft.clone();
            draft.put(&axis.key, axis.values[i].clone())?;
            draft.check()?;
            let config = draft.unchecked()?;
            let text = config.to_toml().map_err(|e| Complaint::whole(e.to_string()))?;
            Ok((config, text))
        };
        let (config, text) = tried().map_err(|complaint| axis.blame(i, complaint))?;
        if !seen.insert(text) {
            let message = format!("`sweep.{}` has the value {} twice; take one out", axis.key, axis.text(i));
            return Err(Complaint { at: axis.values[i].at, message });
        }
        if matches!(axis.key.as_str(), "task.path" | "task.covariance" | "task.covariance.file")
            && let Some(value) = resolved(&config, &axis.key)
        {
            axis.values[i] = Node::parse_set(&value.to_string(), axis.values[i].at)?;
        }
    }
    Ok(())
}

/// What a configuration has at a key.
fn resolved(config: &Config, key: &str) -> Option<Value> {
    let root = Value::Table(Table::try_from(config).ok()?);
    key.split('.').try_fold(&root, |value, part| value.get(part)).cloned()
}

/// The cell of that number, counted with the last axis fastest.
fn cell(draft: &Draft, axes: &[Given], mut number: usize) -> Outcome<Cell> {
    let mut chosen: Vec<(&Given, usize)> = Vec::new();
    for axis in axes.iter().rev() {
        chosen.insert(0, (axis, number % axis.values.len()));
        number /= axis.values.len();
    }
    let mut draft = draft.clone();
    for (axis, value) in &chosen {
        draft.put(&axis.key, axis.values[*value].clone())?;
    }
    let values = chosen.iter().map(|(axis, value)| axis.text(*value)).collect();
    let config = draft.unchecked()?;
    let Some(fault) = config.fault() else { return Ok(Cell { values, config }) };
    let complaint = Complaint { at: draft.tree.nearest(&fault.path), message: fault.to_string() };
    if let Some((axis, value)) = chosen.iter().find(|(axis, _)| axis.covers(&fault.path)) {
        return Err(axis.blame(*value, complaint));
    }
    let place = |(axis, value): &(&Given, usize)| format!("{} = {}", axis.key, axis.text(*value));
    let place = chosen.iter().map(place).collect::<Vec<_>>().join(", ");
    Err(Complaint { at: complaint.at, message: format!("with {place}: {}", complaint.message) })
}
