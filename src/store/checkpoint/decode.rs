//! What a header may hold, and bytes to numbers.

use super::reader::Entry;
use super::{CRC_KEY, not_finite};
use crate::error::{Error, Result, shown};
use safetensors::Dtype;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::path::Path;

/// Where the checksum's digits stand in a header.
pub(super) fn place_of_checksum(header: &[u8], digits: &str) -> Option<usize> {
    // A quote inside a string is escaped, so this can be nothing but the key and its value.
    let key = format!("\"{CRC_KEY}\":\"");
    let whole = format!("{key}{digits}\"");
    let at = header.windows(whole.len()).position(|window| window == whole.as_bytes())?;
    Some(at + key.len())
}

/// Holds that no object of a header names a key twice: readers differ in which of the two they take.
pub(super) fn check_names(path: &Path, header: &[u8]) -> Result<()> {
    match serde_json::from_slice::<Once>(header) {
        Err(e) if e.is_data() => {
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Err(Error::file(path, format!("its header {what}; save the file anew")))
        }
        // What is no JSON at all is the format's to refuse.
        _ => Ok(()),
    }
}

/// Appends the numbers of whole elements, the first of which is the tensor's element of that number.
type Convert<'a> = Box<dyn Fn(&[u8], usize, &mut Vec<f32>) -> Result<()> + 'a>;

/// How a tensor's bytes become f32.
///
/// # Errors
/// It holds no floats. Of what is returned: a number that is not finite in single precision.
pub(super) fn converter<'a>(path: &'a Path, entry: &'a Entry) -> Result<Convert<'a>> {
    let name = &entry.name;
    let pair = |of: fn([u8; 2]) -> f32| -> Convert<'a> {
        Box::new(move |bytes, from, out| {
            out.extend(bytes.chunks_exact(2).map(|b| of([b[0], b[1]])));
            not_finite(path, name, from, out)
        })
    };
    Ok(match entry.dtype {
        Dtype::F32 => Box::new(move |bytes, from, out| {
            out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            not_finite(path, name, from, out)
        }),
        Dtype::F16 => pair(|b| half::f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => pair(|b| half::bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => Box::new(move |bytes, from, out| {
            for (at, b) in bytes.chunks_exact(8).enumerate() {
                let wide = f64::from_le_bytes(b.try_into().expect("eight bytes"));
                if wide.is_finite() && !(wide as f32).is_finite() {
                    let at = from + at;
                    let message = format!("tensor `{name}` has {wide:e} at entry {at}, which is beyond f32");
                    return Err(Error::file(path, message));
                }
                out.push(wide as f32);
            }
            not_finite(path, name, from, out)
        }),
        other => {
            let message =
                format!("tensor `{name}` is {other}; floe reads F32, F16, BF16 and F64, convert it");
            return Err(Error::file(path, message));
        }
    })
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

pub(super) const GIVE: &str = "give one that floe wrote";

pub(super) fn foreign(path: &Path, reason: &str, mend: &str) -> Error {
    Error::file(path, format!("is not a floe checkpoint ({}); {mend}", shown(reason)))
}

pub(super) fn truncated(path: &Path) -> Error {
    Error::file(path, "is truncated: its length and its header disagree; use an earlier checkpoint")
}

pub(super) fn crc32(crc: &flate2::Crc) -> String {
    format!("{:08x}", crc.sum())
}
