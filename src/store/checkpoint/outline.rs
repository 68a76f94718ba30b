//! Names and shapes: what a file has beside what a model asks for.

use super::MOMENTS;
use crate::error::{Error, Result, shown};
use std::collections::BTreeMap;
use std::path::Path;

/// Shapes by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// Holds that a file's tensors are exactly those expected.
///
/// # Errors
/// One line: which are missing, unexpected or of another shape.
pub fn expect(path: &Path, have: &Shapes, expected: &[(String, Vec<usize>)]) -> Result<()> {
    let missing: Vec<&str> =
        expected.iter().map(|(name, _)| name.as_str()).filter(|n| !have.contains_key(*n)).collect();
    let asked = |name: &&str| expected.iter().any(|(own, _)| own == name);
    let extra: Vec<&str> = have.keys().map(String::as_str).filter(|n| !asked(n)).collect();
    let other: Vec<String> = expected
        .iter()
        .filter_map(|(name, shape)| {
            let have = have.get(name)?;
            (have != shape).then(|| format!("`{name}` is {have:?} instead of {shape:?}"))
        })
        .collect();
    let mut differences = Vec::new();
    if !missing.is_empty() {
        differences.push(format!("{} missing", listed(&missing)));
    }
    if !extra.is_empty() {
        differences.push(format!("{} unexpected", listed(&extra)));
    }
    if let Some(first) = other.first() {
        let more = match other.len() {
            1 => String::new(),
            n => format!(" (and {} more shapes)", n - 1),
        };
        differences.push(format!("{first}{more}"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let mend = "set `model` and `task` to those of the run that wrote it (its config.toml has them)";
    Err(Error::file(path, format!("does not fit this model: {}; {mend}", differences.join(", "))))
}

/// Holds that what a program saved is what a model asks for, but for a prefix that all names share, such as `model.` or
/// `_orig_mod.`, which is returned, and for the axis of a matrix's one head. An optimizer's moments count for nothing.
///
/// # Errors
/// As [`expect`].
pub fn fit(path: &Path, mut have: Shapes, expected: &[(String, Vec<usize>)]) -> Result<String> {
    have.remove(MOMENTS);
    let prefix = prefix(path, &have, expected)?.unwrap_or_default();
    if !prefix.is_empty() {
        log::info!("{}: the prefix `{}` is taken off the names", path.display(), shown(&prefix));
        let bare = |name: String| name.strip_prefix(&prefix).map(String::from).unwrap_or(name);
        have = have.into_iter().map(|(name, shape)| (bare(name), shape)).collect();
    }
    for (name, shape) in expected {
        if let Some(own) = have.get_mut(name)
            && shape.first() == Some(&1)
            && own[..] == shape[1..]
        {
            own.clone_from(shape);
        }
    }
    expect(path, &have, expected)?;
    Ok(prefix)
}

/// What stands before every expected name, if something does.
fn prefix(path: &Path, have: &Shapes, expected: &[(String, Vec<usize>)]) -> Result<Option<String>> {
    let Some((first, _)) = expected.first() else { return Ok(None) };
    if expected.iter().all(|(name, _)| have.contains_key(name)) {
        return Ok(None);
    }
    let fits = |prefix: &&str| expected.iter().all(|(name, _)| have.contains_key(&format!("{prefix}{name}")));
    let before = have.keys().filter_map(|name| name.strip_suffix(first.as_str()));
    let found: Vec<&str> = before.filter(fits).collect();
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.to_string())),
        [a, b, ..] => {
            let message = format!(
                "holds the weights more than once, under `{}` and `{}`; save one of them",
                shown(a),
                shown(b)
            );
            Err(Error::file(path, message))
        }
    }
}

/// `` `a`, `b` and 3 more ``.
fn listed(names: &[&str]) -> String {
    let some: Vec<String> = names.iter().take(3).map(|n| format!("`{}`", shown(n))).collect();
    let more = names.len() - some.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", some.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_all_names_is_taken_off_and_no_other() {
        let expected = [("layers.0.attn.v".to_string(), vec![1, 2, 2])];
        let holding = |names: &[(&str, &[usize])]| -> Shapes {
            names.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
        };
        let path = Path::new("w.safetensors");
        for prefix in ["", "model.", "module._orig_mod.", "x/y."] {
            for shape in [&[1, 2, 2][..], &[2, 2]] {
                let have = holding(&[(&format!("{prefix}layers.0.attn.v"), shape), (MOMENTS, &[1, 4])]);
                assert_eq!(fit(path, have, &expected).unwrap_or_else(|e| panic!("{prefix}: {e}")), prefix);
            }
        }
        let refused =
            |names: &[(&str, &[usize])]| fit(path, holding(names), &expected).unwrap_err().to_string();
        let more = refused(&[("m.layers.0.attn.v", &[1, 2, 2]), ("m.layers.1.attn.v", &[1, 2, 2])]);
        assert!(more.contains("`layers.1.attn.v` unexpected"), "{more}");
        let twice = refused(&[("a.layers.0.attn.v", &[1, 2, 2]), ("b.layers.0.attn.v", &[1, 2, 2])]);
        assert!(twice.contains("more than once, under `a.` and `b.`"), "{twice}");
        let shape = refused(&[("layers.0.attn.v", &[4])]);
        assert!(shape.contains("[4] instead of [1, 2, 2]"), "{shape}");
    }
}
