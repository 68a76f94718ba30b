//! The text that floe ships: a novel to train small models on.

use crate::error::{Error, Result};
use crate::fingerprint::FileRead;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;

/// Jane Austen, Pride and Prejudice (1813), public domain: tests/data/README.md.
const NOVEL: &[u8] = include_bytes!("../../tests/data/pride_and_prejudice.txt.gz");

/// Its text, and what is noted of it.
pub fn novel() -> Result<(String, FileRead)> {
    let (path, mut text) = (Path::new("pride_and_prejudice.txt"), String::new());
    GzDecoder::new(NOVEL).read_to_string(&mut text).map_err(|e| Error::file(path, e))?;
    let about = FileRead::of(path, text.as_bytes());
    Ok((text, about))
}
