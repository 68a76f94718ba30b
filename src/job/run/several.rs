//! Models of several experiments, each tested on its own task.

use crate::error::Result;
use crate::escape;
use crate::job::{Family, Machine};
use crate::store::scores::Row;
use std::path::{Path, PathBuf};

/// A model to test.
pub struct Model {
    /// Unique among those tested together.
    pub name: String,
    /// Its experiment among those given.
    pub experiment: usize,
    /// The arena.
    pub params: Vec<f32>,
}

/// The rows of each model, in order, on the tests of its own experiment. Those that are tested alike go together.
pub fn test<F: Family>(experiments: &[F], models: Vec<Model>, machine: Machine) -> Result<Vec<(usize, Row)>> {
    let mut rows: Vec<Vec<Row>> = models.iter().map(|_| Vec::new()).collect();
    let owners: Vec<usize> = models.iter().map(|model| model.experiment).collect();
    // An experiment, and the places of the models that are tested as its own are.
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for (place, model) in models.iter().enumerate() {
        let own = &experiments[model.experiment];
        let alike = |(other, _): &&mut (usize, Vec<usize>)| own.tested_alike(&experiments[*other]);
        match groups.iter_mut().find(alike) {
            Some((_, group)) => group.push(place),
            None => groups.push((model.experiment, vec![place])),
        }
    }
    for (experiment, group) in groups {
        // By number: names are for people.
        let named: Vec<(String, Vec<f32>)> =
            group.iter().map(|&i| (i.to_string(), models[i].params.clone())).collect();
        let found = experiments[experiment].test(&named, machine)?;
        let each = found.len() / group.len();
        for (&place, found) in group.iter().zip(found.chunks(each)) {
            let name = &models[place].name;
            rows[place] = found.iter().map(|row| Row { model: name.clone(), ..row.clone() }).collect();
        }
    }
    Ok(owners
        .into_iter()
        .zip(rows)
        .flat_map(|(owner, rows)| rows.into_iter().map(move |r| (owner, r)))
        .collect())
}

/// A name for each file that no other has: its stem, with as many of its directories before it as tell it apart, and a
/// number where nothing does.
pub fn names(paths: &[PathBuf]) -> Vec<String> {
    // They go to a terminal as well as to a file.
    let plain = |name: &std::ffi::OsStr| escape::line(&name.to_string_lossy()).into_owned();
    let parts = |path: &Path| -> Vec<String> {
        let mut parts: Vec<String> = path.components().map(|c| plain(c.as_os_str())).collect();
        parts.pop();
        parts.push(path.file_stem().map(plain).unwrap_or_default());
        parts
    };
    let parts: Vec<Vec<String>> = paths.iter().map(|path| parts(path)).collect();
    let tail = |i: usize, length: usize| {
        let all = &parts[i];
        all[all.len() - length.min(all.len())..].join("/")
    };
    let mut names: Vec<String> = (0..paths.len())
        .map(|i| {
            let alone = |length: &usize| {
                (0..paths.len()).filter(|j| *j != i).all(|j| tail(j, *length) != tail(i, *length))
            };
            let length = (1..=parts[i].len()).find(alone).unwrap_or(1);
            tail(i, length)
        })
        .collect();
    for i in 1..names.len() {
        let first = names[i].clone();
        let mut number = 2;
        while names[..i].contains(&names[i]) {
            names[i] = format!("{first} ({number})");
            number += 1;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stems_are_told_apart_by_what_differs() {
        let named = |paths: &[&str]| names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(named(&["a/s1.safetensors", "a/s2.safetensors"]), ["s1", "s2"]);
        assert_eq!(
            named(&["x/a/c/zs-v.safetensors", "x/b/c/zs-v.safetensors", "x/b/c/fs.safetensors"]),
            ["a/c/zs-v", "b/c/zs-v", "fs"]
        );
        assert_eq!(named(&["m.safetensors", "m.safetensors", "m.st"]), ["m", "m (2)", "m (3)"]);
        assert_eq!(named(&["m", "d/m"]), ["m", "d/m"]);
        assert_eq!(named(&["a\n\u{1b}.safetensors"]), ["a\\n\\u{1b}"]);
        let odd = named(&["m", "m", "m (2)"]);
        assert_eq!(odd.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{odd:?}");
    }
}
