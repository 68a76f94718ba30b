//! What the suites that look at pages share.

use std::path::{Path, PathBuf};

/// The text of a figure.
pub fn figure(dir: &Path, stem: &str) -> String {
    let path = dir.join(format!("figures/{stem}.svg"));
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{stem}: {e}"))
}

/// Holds that all parts are in a text.
pub fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing");
    }
}

/// A place in Cargo's scratch directory, where what is made stays to be looked at.
pub fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
