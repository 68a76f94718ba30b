//! Where the Vulkan loader looks for drivers when the environment says so, and what is wrong there.
//!
//! A driver is named by a manifest, a JSON file with the path of its library. `VK_DRIVER_FILES`, or by its older name
//! `VK_ICD_FILENAMES`, lists the only ones to take; the loader leaves out without a word what it can't use.

use crate::error::{Absence, Error};
use crate::escape;
use std::path::{Path, PathBuf};

/// In the loader's order: the first that is set is heard.
const NAMES: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// That there is no device: a list in the environment that is wrong, if it is one.
pub fn absent(what: &str) -> Error {
    match complaint(true) {
        Some(wrong) => Error::NoDevice { message: format!("{what}: {wrong}"), absence: Absence::Environment },
        None => Error::NoDevice { message: what.into(), absence: Absence::Driver },
    }
}

/// The first thing wrong with the list of drivers in the environment, if there is one. With `load`, libraries are
/// loaded to see whether they can be, as the loader has just done.
pub fn complaint(load: bool) -> Option<String> {
    if cfg!(target_vendor = "apple") {
        return None;
    }
    let set = NAMES.iter().find_map(|name| Some((name, std::env::var_os(name)?)));
    let filtered = || if load { filtered() } else { None };
    let Some((name, list)) = set else { return filtered() };
    // Loaders differ: to some an empty list is none, to others a list of no driver.
    if list.is_empty() {
        return load.then(|| format!("{name} is set, and empty; unset it"));
    }
    let wrong = std::env::split_paths(&list)
        .filter(|p| !p.as_os_str().is_empty())
        .find_map(|path| wrong(&path, load));
    wrong.map(|why| format!("{name} names {why}; mend or unset it")).or_else(filtered)
}

/// A filter that may have left out every driver.
fn filtered() -> Option<String> {
    let set = |name: &&&str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let name = ["VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE"].iter().find(set)?;
    Some(format!("{name} is set, and may leave every driver out; unset it"))
}

/// What is wrong with a manifest, or with all of a directory's.
fn wrong(path: &Path, load: bool) -> Option<String> {
    if !path.is_dir() {
        return of_file(path, load);
    }
    let entries = std::fs::read_dir(path).map(|all| all.filter_map(|e| Some(e.ok()?.path())).collect());
    let mut manifests: Vec<PathBuf> = match entries {
        Err(e) => return Some(format!("{}, which can't be read ({e})", shown(path))),
        Ok(all) => all,
    };
    manifests.retain(|p| p.extension().is_some_and(|e| e == "json"));
    manifests.sort();
    if manifests.is_empty() {
        return Some(format!("{}, a directory without a driver's .json file", shown(path)));
    }
    manifests.iter().find_map(|p| of_file(p, load))
}

fn of_file(path: &Path, load: bool) -> Option<String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Some(format!("{}, which is not there", shown(path)));
        }
        Err(e) => return Some(format!("{}, which can't be read ({e})", shown(path))),
    };
    let json: serde_json::Value = match serde_json::from_slice(&text) {
        Ok(json) => json,
        Err(e) => return Some(format!("{}, which is not JSON ({e})", shown(path))),
    };
    let Some(library) = json["ICD"]["library_path"].as_str().filter(|l| !l.is_empty()) else {
        return Some(format!("{}, which is no driver's manifest: it has no ICD.library_path", shown(path)));
    };
    // A bare name is searched for by the system; anything longer is a path, from the manifest's directory.
    let bare = !library.contains(['/', std::path::MAIN_SEPARATOR]);
    let file =
        if bare { PathBuf::from(library) } else { path.parent().unwrap_or(Path::new(".")).join(library) };
    if !bare && !file.exists() {
        return Some(format!("{}, whose library {} is not there", shown(path), shown(&file)));
    }
    let why = if load { unloadable(&file)? } else { return None };
    Some(format!("{}, whose library {} can't be loaded ({why})", shown(path), shown(&file)))
}

/// Why a library can't be loaded.
#[cfg(not(target_vendor = "apple"))]
fn unloadable(file: &Path) -> Option<String> {
    // SAFETY: the same file that the Vulkan loader has loaded, or tried to, a moment ago: its initialisation is meant to
    // be run by any program.
    let error = unsafe { libloading::Library::new(file) }.err()?;
    let inner = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    Some(escape::line(&inner).into_owned())
}

#[cfg(target_vendor = "apple")]
fn unloadable(_: &Path) -> Option<String> {
    None
}

fn shown(path: &Path) -> String {
    escape::line(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_wrong_in_many_ways() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let says = |path: &Path, part: &str| {
            let said = wrong(path, true).unwrap_or_default();
            assert!(said.contains(part), "`{part}` is not in: {said}");
        };
        says(&dir.path().join("gone.json"), "gone.json, which is not there");
        says(dir.path(), "a directory without a driver's .json file");
        says(&write("text.json", "library = 1"), "which is not JSON (");
        says(&write("empty.json", ""), "which is not JSON (");
        says(&write("latin.json", "{\"ICD\": 1}"), "has no ICD.library_path");
        says(&write("away.json", r#"{"ICD": {"library_path": "./libaway.so"}}"#), "libaway.so is not there");
        says(
            &write("lost.json", r#"{"ICD": {"library_path": "libfloe_lost.so"}}"#),
            "libfloe_lost.so can't be loaded (",
        );
        write("libtorn.so", "no library");
        says(
            &write("torn.json", r#"{"ICD": {"library_path": "./libtorn.so"}}"#),
            "libtorn.so can't be loaded (",
        );
        // A directory is as wrong as its first manifest.
        says(dir.path(), "away.json");
    }
}
