//! The marks by which floe knows its own files.
//!
//! Version 3 says `format: pt`, without which `transformers` opens no safetensors file, and has floe's version under
//! `floe`. Versions 1 and 2 said `format: floe` and had it under `version`; the checksum of version 1 is of the data
//! alone, and may be missing.

use super::{CRC_KEY, FLOE_KEY, FORMAT_KEY, VERSION, VERSION_KEY};
use crate::error::{Error, Mend, Result, shown};
use std::collections::BTreeMap;
use std::path::Path;

const DATA_ONLY: &str = "1";
const UNDER_FORMAT: [&str; 2] = [DATA_ONLY, "2"];

/// Whether a file is floe's: then its marks are checked, the checksum by `sum` of the digits noted and whether the header
/// counts, and taken away.
pub(super) fn take(
    path: &Path,
    metadata: &mut BTreeMap<String, String>,
    sum: impl FnOnce(&str, bool) -> std::io::Result<String>,
) -> Result<bool> {
    let old = metadata.get(FORMAT_KEY).is_some_and(|format| format == "floe");
    if !old && !metadata.contains_key(FLOE_KEY) {
        return Ok(false);
    }
    metadata.remove(FORMAT_KEY);
    let version = metadata.remove(if old { VERSION_KEY } else { FLOE_KEY });
    let noted = metadata.remove(CRC_KEY);
    let known = |version: &str| if old { UNDER_FORMAT.contains(&version) } else { version == VERSION };
    let version = version.as_deref().unwrap_or("missing");
    if !known(version) {
        let found = shown(version);
        let message = format!(
            "its version is {found}, and this floe reads versions 1 to {VERSION}; use the floe that wrote it"
        );
        return Err(Error::file(path, message));
    }
    // Absent from a file that another tool made on purpose.
    if version == DATA_ONLY && noted.is_none() {
        return Ok(true);
    }
    let found = sum(noted.as_deref().unwrap_or_default(), version != DATA_ONLY)
        .map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if noted.as_deref() == Some(found.as_str()) {
        return Ok(true);
    }
    let noted = noted.map_or("none".to_string(), |noted| shown(&noted));
    let message = format!("is torn or was altered: it has CRC-32 {found} instead of {noted}");
    Err(Error::file(path, message).mend(Mend::EarlierOrOrigin))
}
