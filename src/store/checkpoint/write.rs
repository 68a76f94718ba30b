//! Tensors to a safetensors file, a piece at a time.

use super::decode::{crc32, place_of_checksum};
use super::{CRC_KEY, FLOE_KEY, FORMAT_KEY, MAX_HEADER, VERSION, not_finite};
use crate::error::{Error, Result};
use crate::store::atomic::{Staged, is_special, sync};
use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Numbers converted at a time.
const PIECE: usize = 1 << 18;

/// The tensors to be written: names and shapes, ascending by name, and who gives their numbers.
pub struct Outline<'a> {
    /// Names and shapes.
    pub tensors: Vec<(&'a str, Vec<usize>)>,
    /// F32, F16 or BF16.
    pub dtype: Dtype,
}

/// Takes a piece of a tensor.
pub type Sink<'a> = dyn FnMut(&[f32]) -> Result<()> + 'a;

/// Writes a file whole or not at all. `give` hands tensor i's numbers to a sink, row-major, in as many pieces as it likes; it
/// is asked twice, first for the checksum.
///
/// # Errors
/// A number that is not finite, or not in `dtype`; a tensor with more or fewer numbers than its shape; those of
/// [`atomic_write`](crate::store::atomic::atomic_write).
pub fn stream(
    path: &Path,
    outline: &Outline,
    metadata: &BTreeMap<String, String>,
    mut give: impl FnMut(usize, &mut Sink) -> Result<()>,
) -> Result<()> {
    let (mut header, sizes) = header(path, outline, metadata)?;
    let place = place_of_checksum(&header, "00000000").expect("just written");
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    each(path, outline, &sizes, &mut give, &mut |bytes| {
        crc.update(bytes);
        Ok(())
    })?;
    header[place..place + 8].copy_from_slice(crc32(&crc).as_bytes());
    let mut failed = None;
    let mut fill = |to: &mut dyn Write| {
        let mut to = std::io::BufWriter::with_capacity(1 << 20, to);
        to.write_all(&header)?;
        let mut put = |bytes: &[u8]| to.write_all(bytes).map_err(|e| Error::file(path, e));
        if let Err(e) = each(path, outline, &sizes, &mut give, &mut put) {
            failed = Some(e);
            return Err(std::io::ErrorKind::Other.into());
        }
        to.flush()
    };
    let done = match is_special(path) {
        true => std::fs::File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| fill(&mut file))
            .map_err(|e| Error::file(path, format!("cannot be written: {e}"))),
        false => Staged::fill(path, |to| fill(to)).and_then(Staged::appear).and_then(|()| sync(path)),
    };
    match failed {
        Some(e) => Err(e),
        None => done,
    }
}

/// The bytes of all tensors in order.
fn each(
    path: &Path,
    outline: &Outline,
    sizes: &[usize],
    give: &mut impl FnMut(usize, &mut Sink) -> Result<()>,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut bytes = Vec::new();
    for (number, ((name, shape), size)) in outline.tensors.iter().zip(sizes).enumerate() {
        let mut done = 0;
        give(number, &mut |floats| {
            for piece in floats.chunks(PIECE) {
                not_finite(path, name, done, piece)?;
                bytes.clear();
                encode(piece, outline.dtype, &mut bytes);
                if let Some(at) = narrowed_to_infinity(&bytes, outline.dtype) {
                    let (dtype, at) = (outline.dtype, done + at);
                    let message =
                        format!("tensor `{name}` has a number at entry {at} that {dtype} has no room for");
                    return Err(Error::file(path, message));
                }
                put(&bytes)?;
                done += piece.len();
            }
            Ok(())
        })?;
        if done != *size {
            return Err(Error::file(path, format!("tensor `{name}` of shape {shape:?} has {done} entries")));
        }
    }
    Ok(())
}

/// Rounded to the nearest, ties to even.
fn encode(floats: &[f32], dtype: Dtype, bytes: &mut Vec<u8>) {
    match dtype {
        Dtype::F16 => bytes.extend(floats.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes())),
        Dtype::BF16 => bytes.extend(floats.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes())),
        _ => bytes.extend(floats.iter().flat_map(|x| x.to_le_bytes())),
    }
}

/// The first finite number that became infinite.
fn narrowed_to_infinity(bytes: &[u8], dtype: Dtype) -> Option<usize> {
    let mut pairs = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        Dtype::F16 => pairs.position(|b| f16::from_le_bytes(b).is_infinite()),
        Dtype::BF16 => pairs.position(|b| bf16::from_le_bytes(b).is_infinite()),
        _ => None,
    }
}

/// The first bytes of a file, the checksum as zeros, and how many numbers each tensor has.
fn header(
    path: &Path,
    outline: &Outline,
    metadata: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Vec<usize>)> {
    if !matches!(outline.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        let message = format!("{} is not written; F32, F16 and BF16 are", outline.dtype);
        return Err(Error::file(path, message));
    }
    let (mut header, mut sizes, mut at) = (BTreeMap::new(), Vec::new(), 0usize);
    for (name, shape) in &outline.tensors {
        if *name == "__metadata__" {
            return Err(Error::file(path, "no tensor can be called `__metadata__`; give it another name"));
        }
        let elements = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
        let end = elements.and_then(|n| n.checked_mul(outline.dtype.bitsize() / 8)?.checked_add(at));
        let (Some(elements), Some(end)) = (elements, end) else {
            let message =
                format!("the shape {shape:?} of tensor `{name}` overflows: no file has as many bytes");
            return Err(Error::file(path, format!("{message}; give it a smaller one")));
        };
        let dtype = outline.dtype.to_string();
        header.insert(*name, json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, end] }));
        sizes.push(elements);
        at = end;
    }
    let mut metadata = metadata.clone();
    for (key, value) in [(FORMAT_KEY, "pt"), (FLOE_KEY, VERSION), (CRC_KEY, "00000000")] {
        metadata.insert(key.into(), value.into());
    }
    header.insert("__metadata__", json!(metadata));
    let mut text = json!(header).to_string().into_bytes();
    // The format asks for data that starts at a multiple of eight; spaces pad the header.
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() as u64 > MAX_HEADER {
        return Err(Error::file(path, "the metadata is over 100 MB; keep less beside the tensors"));
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    Ok((bytes, sizes))
}
