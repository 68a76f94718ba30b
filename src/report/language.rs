//! The page of a run on a language model.

use crate::error::Result;
use std::path::Path;

/// Draws and writes it.
///
/// # Errors
/// What is wrong with a file.
pub fn write(_dir: &Path) -> Result<()> {
    Ok(())
}
