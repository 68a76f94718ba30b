//! Which elements are trained, from patterns over the parameters' names.
//!
//! A pattern is a name in which `*` stands for any run of characters, dots included, with an optional refinement to
//! parts of the tensor's axes: `layers.*.attn.v`, `*.v_proj.weight`, `*.v[row=-1]`, `*[h=0,row=-1,col=1..3]`. Indexes
//! count from 0, negative ones from the end; ranges are half-open, either end may be left out. A pattern that begins
//! with `!` takes away what it names. Patterns apply in order, so a later one wins over an earlier one.

use super::pattern::{Pattern, Told};
use super::{Param, ParamTable, Spans};
use crate::error::{Error, Result};
use std::ops::Range;

/// The trained elements of the arena.
///
/// # Errors
/// [`Error::Config`] with the pattern in it: it matches no parameter (the message lists those there are), its
/// refinement is malformed (with the position), out of range (with the size) or of an axis that the parameter has
/// not, or nothing is left to train.
pub fn resolve(patterns: &[String], table: &ParamTable) -> Result<Spans> {
    if u32::try_from(table.len()).is_err() {
        let message =
            format!("{} elements are more than 32 bits can index; make the model smaller", table.len());
        return Err(Error::config("train", message));
    }
    if patterns.is_empty() {
        return Err(Error::config(
            "train",
            "the list is empty; name what is trained, [\"*\"] for everything",
        ));
    }
    let mut trained = Spans::default();
    for text in patterns {
        let (exclude, named) = select(text, table).map_err(|message| {
            let text: String = text.chars().take(100).flat_map(char::escape_debug).collect();
            Error::config(format!("train pattern `{text}`"), message)
        })?;
        trained = if exclude { trained.without(&named) } else { trained.union(&named) };
    }
    if trained.is_empty() {
        return Err(Error::config(
            "train",
            "the patterns take away everything they name; nothing is left to train",
        ));
    }
    Ok(trained)
}

/// Whether a pattern takes away, and what it names.
fn select(text: &str, table: &ParamTable) -> Told<(bool, Spans)> {
    let mut keys: Vec<&str> = Vec::new();
    for axis in table.params.iter().flat_map(|param| &param.axes) {
        if !keys.contains(&axis.name) {
            keys.push(axis.name);
        }
    }
    let pattern = Pattern::parse(text, &keys)?;
    let mut named = Vec::new();
    for param in table.params.iter().filter(|param| pattern.names(param)) {
        push(&mut named, param, &pattern.ranges(param)?);
    }
    if named.is_empty() {
        return Err(format!("no parameter is called that; there are {}", names(table)));
    }
    Ok((pattern.exclude, named.into_iter().collect()))
}

/// The elements of a parameter with these entries of each dimension, in ascending order.
fn push(into: &mut Vec<Range<usize>>, param: &Param, entries: &[Range<usize>]) {
    // Dimensions behind the last one that is cut are runs of elements.
    let cut = entries.iter().zip(&param.shape).rposition(|(own, &size)| own.len() < size).unwrap_or(0);
    let run: usize = param.shape.iter().skip(cut + 1).product();
    let (outer, inner) = match entries.get(cut) {
        Some(inner) => (&entries[..cut], inner.start * run..inner.end * run),
        None => (entries, 0..1),
    };
    let row: usize = param.shape.iter().skip(cut).product();
    let mut starts = vec![0];
    for (own, &size) in outer.iter().zip(&param.shape) {
        starts = starts.iter().flat_map(|at| own.clone().map(move |i| at * size + i)).collect();
    }
    let place = |start: usize| param.offset + start * row;
    into.extend(starts.into_iter().map(|start| place(start) + inner.start..place(start) + inner.end));
}

/// The names there are, a dozen at most.
fn names(table: &ParamTable) -> String {
    const MOST: usize = 12;
    let shown: Vec<&str> = table.params.iter().take(MOST).map(|p| p.name.as_str()).collect();
    match table.params.len() {
        n if n > MOST => format!("{}, … ({n} in all)", shown.join(", ")),
        _ => shown.join(", "),
    }
}
