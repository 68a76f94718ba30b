//! Whether a text is WGSL, said before a device sees it.

use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::error::Error;

/// Reads a program's text.
///
/// # Errors
/// What is wrong with it, with the line, in one line of words.
pub fn read(text: &str) -> Result<(), String> {
    let line = |number: u32| {
        let line = text.lines().nth(number as usize - 1).unwrap_or_default();
        format!(" in `{}`", line.trim())
    };
    let module = wgsl::parse_str(text).map_err(|e| {
        e.message().to_string() + &e.location(text).map(|at| line(at.line_number)).unwrap_or_default()
    })?;
    let valid = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP).validate(&module);
    valid.map(|_| ()).map_err(|e| {
        let mut words = e.as_inner().to_string();
        let mut why = e.as_inner().source();
        while let Some(cause) = why {
            words += &format!(": {cause}");
            why = cause.source();
        }
        words + &e.location(text).map(|at| line(at.line_number)).unwrap_or_default()
    })
}
