//! A safetensors file to tensors of f32, with everything checked that the format and floe promise.

use super::foreign::recognise;
use super::{CRC_KEY, Checkpoint, FORMAT_KEY, MAX_HEADER, Tensor, VERSION, VERSION_KEY, check_finite};
use crate::error::{Error, Result, shown};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The version whose checksum is of the data alone, and may be missing.
const DATA_ONLY: &str = "1";
/// How many bytes tell what else a file may be.
const START: u64 = 512;
/// Most bytes of a file: far more than the weights of any model that a device of today's limits takes.
const MAX_FILE: u64 = 1 << 30;

/// Reads a checkpoint written by [`super::write`].
///
/// # Errors
/// [`Error::File`], one line: no such file, empty, truncated, torn, not safetensors, not floe's, of another version,
/// a name twice, a tensor of whole numbers, an entry that is not finite.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let (checkpoint, own) = decode(path, &whole_file(path)?)?;
    if !own {
        let mend =
            "if it holds weights of another program, name their experiment by --config PRESET|FILE.toml";
        return Err(foreign(path, "its metadata has no `format: floe`", mend));
    }
    Ok(checkpoint)
}

/// Reads a checkpoint, or any safetensors file of floats; whether it is floe's is the second value.
///
/// # Errors
/// As [`read`].
pub fn read_any(path: &Path) -> Result<(Checkpoint, bool)> {
    decode(path, &whole_file(path)?)
}

/// The bytes of a regular file that starts like safetensors, so that nothing huge or endless is read for nothing.
fn whole_file(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => {
            Error::file(path, "there is no such file; give the path of a .safetensors checkpoint")
        }
        _ => Error::file(path, format!("cannot be read: {e}")),
    };
    // Before opening: to open a pipe is to wait for its writer.
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Error::file(path, "is not a file; give the path of a .safetensors checkpoint"));
    }
    if about.len() > MAX_FILE {
        let message =
            format!("has more than {} MB, which no checkpoint of floe has; give another", MAX_FILE >> 20);
        return Err(Error::file(path, message));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.by_ref().take(START).read_to_end(&mut bytes).map_err(unreadable)?;
    check_start(path, &bytes, about.len())?;
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Checks the first eight bytes, the header's length, against the file's length.
fn check_start(path: &Path, start: &[u8], file_len: u64) -> Result<()> {
    if start.is_empty() {
        return Err(Error::file(path, "is empty; use an earlier checkpoint"));
    }
    if let Some(other) = recognise(start) {
        return Err(Error::file(path, other));
    }
    let Some(length) = start.first_chunk::<8>() else {
        return Err(Error::file(path, format!("is no safetensors file: it has {} bytes", start.len())));
    };
    match u64::from_le_bytes(*length) {
        n if n > MAX_HEADER => Err(foreign(path, "no safetensors header", GIVE)),
        n if n > file_len.saturating_sub(8) => Err(truncated(path)),
        _ => Ok(()),
    }
}

/// The checkpoint, and whether it is floe's.
fn decode(path: &Path, bytes: &[u8]) -> Result<(Checkpoint, bool)> {
    check_start(path, bytes, bytes.len() as u64)?;
    check_names(path, bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| match e {
        SafeTensorError::MetadataIncompleteBuffer => truncated(path),
        other => foreign(path, &other.to_string(), GIVE),
    })?;
    let read_metadata = SafeTensors::read_metadata(bytes);
    let (header_len, header) = read_metadata.map_err(|e| foreign(path, &e.to_string(), GIVE))?;
    let mut metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    let own = metadata.get(FORMAT_KEY).is_some_and(|format| format == "floe");
    if own {
        check_own(path, bytes, header_len, &mut metadata)?;
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if name.chars().any(char::is_control) {
            let message = format!("a tensor's name, `{}`, holds control characters; rename it", shown(name));
            return Err(Error::file(path, message));
        }
        let data = floats(path, name, &view)?;
        tensors.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), data });
    }
    Ok((Checkpoint { tensors, metadata }, own))
}

/// Checks the keys that floe sets, and takes them away.
fn check_own(
    path: &Path,
    bytes: &[u8],
    header_len: usize,
    metadata: &mut BTreeMap<String, String>,
) -> Result<()> {
    metadata.remove(FORMAT_KEY);
    let version = metadata.remove(VERSION_KEY);
    let noted = metadata.remove(CRC_KEY);
    let found = match version.as_deref() {
        Some(VERSION) => checksum(bytes, header_len, noted.as_deref().unwrap_or_default()),
        // Absent from a file that another tool made on purpose.
        Some(DATA_ONLY) if noted.is_none() => return Ok(()),
        Some(DATA_ONLY) => crc32(&[&bytes[8 + header_len..]]),
        version => {
            let found = shown(version.unwrap_or("missing"));
            let message = format!(
                "its version is {found}, and this floe reads versions {DATA_ONLY} and {VERSION}; use the floe that wrote it"
            );
            return Err(Error::file(path, message));
        }
    };
    if noted.as_deref() == Some(found.as_str()) {
        return Ok(());
    }
    let noted = noted.map_or("none".to_string(), |noted| shown(&noted));
    let mend =
        "use an earlier checkpoint, or, if another program saved it on purpose, leave out its metadata";
    Err(Error::file(
        path,
        format!("is torn or was altered: it has CRC-32 {found} instead of {noted}; {mend} and give --config"),
    ))
}

/// Where the checksum's digits stand in a header.
pub(super) fn place_of_checksum(header: &[u8], digits: &str) -> Option<usize> {
    // A quote inside a string is escaped, so this can be nothing but the key and its value.
    let key = format!("\"{CRC_KEY}\":\"");
    let whole = format!("{key}{digits}\"");
    let at = header.windows(whole.len()).position(|window| window == whole.as_bytes())?;
    Some(at + key.len())
}

/// CRC-32 of a whole file whose own checksum counts as zeros.
fn checksum(bytes: &[u8], header_len: usize, noted: &str) -> String {
    let header = &bytes[..8 + header_len];
    let Some(at) = place_of_checksum(header, noted) else { return crc32(&[bytes]) };
    crc32(&[&header[..at], b"00000000", &header[at + noted.len()..], &bytes[8 + header_len..]])
}

/// Holds that no object of the header names a key twice: readers differ in which of the two they take.
fn check_names(path: &Path, bytes: &[u8]) -> Result<()> {
    let length = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length)) as usize;
    match serde_json::from_slice::<Once>(&bytes[8..8 + length]) {
        Err(e) if e.is_data() => {
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Err(Error::file(path, format!("its header {what}; save the file anew")))
        }
        // What is no JSON at all is the format's to refuse.
        _ => Ok(()),
    }
}

/// The entries of a tensor of floats.
fn floats(path: &Path, name: &str, view: &TensorView) -> Result<Vec<f32>> {
    let bytes = view.data();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    let data: Vec<f32> = match view.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => pairs().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::F64 => {
            let wide = bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes")));
            let wide: Vec<f64> = wide.collect();
            if let Some(at) = wide.iter().position(|x| x.is_finite() && !(*x as f32).is_finite()) {
                let message =
                    format!("tensor `{name}` has {:e} at entry {at}, which is beyond f32", wide[at]);
                return Err(Error::file(path, message));
            }
            wide.into_iter().map(|x| x as f32).collect()
        }
        other => {
            let message =
                format!("tensor `{name}` is {other}; floe reads F32, F16, BF16 and F64, convert it");
            return Err(Error::file(path, message));
        }
    };
    check_finite(path, name, &data)?;
    Ok(data)
}

/// JSON in which no object names a key twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Once, D::Error> {
        deserializer.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Once;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Once, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Once>()?;
            if seen.contains(&key) {
                let message = format!("names `{}` twice", shown(&key));
                return Err(serde::de::Error::custom(message));
            }
            seen.insert(key);
        }
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Once, A::Error> {
        while seq.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> std::result::Result<Once, E> {
        Ok(Once)
    }
}

const GIVE: &str = "give one that floe wrote";

fn foreign(path: &Path, reason: &str, mend: &str) -> Error {
    Error::file(path, format!("is not a floe checkpoint ({}); {mend}", shown(reason)))
}

fn truncated(path: &Path) -> Error {
    Error::file(path, "is truncated: its length and its header disagree; use an earlier checkpoint")
}

pub(super) fn crc32(parts: &[&[u8]]) -> String {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    format!("{:08x}", crc.sum())
}
