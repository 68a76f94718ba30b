//! The leaves of `[sweep]`, as they are given.

use crate::document::tree::{Complaint, Is, Node};

type Outcome<T> = std::result::Result<T, Complaint>;

/// A leaf of `[sweep]` as it was given.
#[derive(Clone, Debug)]
pub(super) struct RawAxis {
    pub key: String,
    pub node: Node,
}

/// The leaves of a `[sweep]`, in the order in which they were written.
pub(super) fn leaves(node: Node) -> Outcome<Vec<RawAxis>> {
    if !matches!(node.is, Is::Table(_)) {
        let message =
            format!("`sweep` holds axes, like `seed = [0, 1, 2]` under [sweep]; it is no {}", node.kind());
        return Err(Complaint { at: node.at, message });
    }
    let mut out = Vec::new();
    visit(String::new(), node, &mut out);
    out.sort_by_key(|axis| axis.node.start);
    Ok(out)
}

fn visit(path: String, node: Node, out: &mut Vec<RawAxis>) {
    match node.is {
        Is::Table(table) => {
            for (key, child) in table {
                visit(if path.is_empty() { key } else { format!("{path}.{key}") }, child, out);
            }
        }
        _ => out.push(RawAxis { key: path, node }),
    }
}

/// Gives or replaces the axis (or, with a table, the axes) of `--set sweep.<key>=…`.
pub(super) fn override_axis(axes: &mut Vec<RawAxis>, key: &str, node: Node) {
    let mut new = Vec::new();
    visit(key.to_string(), node, &mut new);
    new.sort_by_key(|axis| axis.node.start);
    for axis in new {
        match axes.iter_mut().find(|old| old.key == axis.key) {
            // It keeps its place, and with it the order of the cells.
            Some(old) => *old = axis,
            None => axes.push(axis),
        }
    }
}
