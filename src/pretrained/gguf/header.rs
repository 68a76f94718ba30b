//! The header of a GGUF file. Every length is held against what is left of the file before memory is taken for it.

use super::{Kind, Tensor, Value};
use crate::error::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

/// What stands before the numbers.
pub struct Header {
    pub version: u32,
    pub metadata: BTreeMap<String, Value>,
    pub tensors: Vec<Tensor>,
}

/// Bytes of the shortest tensor's line, and of the shortest key's.
const TENSOR_LEAST: u64 = 8 + 4 + 8 + 4 + 8;
const KEY_LEAST: u64 = 8 + 4 + 1;
/// Most axes that ggml has.
const AXES: u32 = 4;
/// Arrays in arrays in arrays: no file has them deeper.
const DEEP: usize = 4;

type Parsed<T> = std::result::Result<T, String>;

/// Reads the header of a file of so many bytes.
pub fn read(file: impl Read, length: u64) -> Parsed<Header> {
    let mut bytes = Bytes { from: BufReader::new(file), at: 0, length };
    let magic: [u8; 4] = bytes.take()?;
    if magic != *b"GGUF" {
        return Err(format!("is no GGUF file: it begins with {magic:?}"));
    }
    let version = bytes.u32()?;
    match version {
        2 | 3 => {}
        n if n.swap_bytes() <= 3 => {
            return Err("is a big-endian GGUF file; floe reads little-endian ones".into());
        }
        n => return Err(format!("is GGUF of version {n}; floe reads 2 and 3")),
    }
    let (tensors, keys) = (bytes.u64()?, bytes.u64()?);
    bytes.holds(tensors, TENSOR_LEAST, "tensors")?;
    bytes.holds(keys, KEY_LEAST, "keys")?;
    let mut metadata = BTreeMap::new();
    for _ in 0..keys {
        let key = bytes.text("a key")?;
        let kind = bytes.u32()?;
        let value = bytes.value(kind, 0).map_err(|why| format!("key `{}`: {why}", shown(&key)))?;
        if metadata.contains_key(&key) {
            return Err(format!("has key `{}` twice", shown(&key)));
        }
        metadata.insert(key, value);
    }
    let align = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Whole(n)) if (8..=1 << 20).contains(n) && (*n as u64).is_power_of_two() => *n as u64,
        Some(other) => {
            return Err(format!("`general.alignment` is {other:?}; it can be a power of two from 8 on"));
        }
    };
    let mut found = Vec::new();
    for _ in 0..tensors {
        found.push(bytes.tensor()?);
    }
    let data = bytes.at.next_multiple_of(align);
    place(&mut found, data, align, length)?;
    Ok(Header { version, metadata, tensors: found })
}

/// Holds that tensors lie within the file, apart from each other, each under a name of its own.
fn place(tensors: &mut [Tensor], data: u64, align: u64, length: u64) -> Parsed<()> {
    let mut names = BTreeSet::new();
    let mut ends: Vec<(u64, u64, usize)> = Vec::new();
    for (i, tensor) in tensors.iter_mut().enumerate() {
        let name = shown(&tensor.name);
        if !tensor.start.is_multiple_of(align) {
            return Err(format!("tensor `{name}` begins at byte {}, no multiple of {align}", tensor.start));
        }
        let start = tensor.start.checked_add(data);
        let end = start.and_then(|start| start.checked_add(tensor.bytes));
        let (Some(start), Some(end)) = (start, end.filter(|end| *end <= length)) else {
            return Err(format!("is torn: tensor `{name}` ends beyond its {length} bytes"));
        };
        if !names.insert(tensor.name.clone()) {
            return Err(format!("has tensor `{name}` twice"));
        }
        tensor.start = start;
        ends.push((start, end, i));
    }
    ends.sort_unstable();
    match ends.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        None => Ok(()),
        Some(pair) => {
            let name = |i: usize| shown(&tensors[pair[i].2].name);
            Err(format!("tensors `{}` and `{}` overlap", name(0), name(1)))
        }
    }
}

/// What is left of a header.
struct Bytes<R> {
    from: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read> Bytes<R> {
    /// Holds that so many of at least so many bytes each are left.
    fn holds(&self, count: u64, least: u64, what: &str) -> Parsed<()> {
        let left = self.length - self.at;
        match count.checked_mul(least).is_some_and(|bytes| bytes <= left) {
            true => Ok(()),
            false => Err(format!("is torn: it says {count} {what}, and has {left} bytes left")),
        }
    }

    fn fill(&mut self, to: &mut [u8]) -> Parsed<()> {
        self.from.read_exact(to).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "is torn: it ends within its header".to_string(),
            _ => format!("can't be read: {e}"),
        })?;
        self.at += to.len() as u64;
        if self.at > self.length {
            return Err("grew while it was read".into());
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Parsed<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Parsed<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self, what: &str) -> Parsed<String> {
        let length = self.u64()?;
        self.holds(length, 1, &format!("bytes of {what}"))?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8"))
    }

    /// Bytes of a value of fixed length.
    fn width(kind: u32) -> Parsed<u64> {
        match kind {
            0 | 1 | 7 => Ok(1),
            2 | 3 => Ok(2),
            4..=6 => Ok(4),
            10..=12 => Ok(8),
            8 => Ok(8),
            9 => Ok(4 + 8),
            kind => Err(format!("a value of kind {kind}, which GGUF doesn't have")),
        }
    }

    fn whole(&mut self, kind: u32) -> Parsed<i64> {
        Ok(match kind {
            0 => self.take::<1>()?[0].into(),
            1 => (self.take::<1>()?[0] as i8).into(),
            2 => u16::from_le_bytes(self.take()?).into(),
            3 => i16::from_le_bytes(self.take()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.take()?).into(),
            _ => i64::from_le_bytes(self.take()?),
        })
    }

    fn value(&mut self, kind: u32, depth: usize) -> Parsed<Value> {
        Ok(match kind {
            0..=5 | 10 | 11 => Value::Whole(self.whole(kind)?),
            6 => Value::Float(f32::from_le_bytes(self.take()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.take()?)),
            7 => Value::Flag(self.take::<1>()?[0] != 0),
            8 => Value::Text(self.text("a string")?),
            9 => self.array(depth)?,
            kind => return Self::width(kind).map(|_| Value::Other),
        })
    }

    fn array(&mut self, depth: usize) -> Parsed<Value> {
        if depth == DEEP {
            return Err("arrays in arrays, deeper than any file has them".into());
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        self.holds(count, Self::width(kind)?, "elements of an array")?;
        match kind {
            8 => (0..count).map(|_| self.text("a string")).collect::<Parsed<Vec<_>>>().map(Value::Texts),
            0..=5 => {
                let mut all = Vec::new();
                for _ in 0..count {
                    all.push(self.whole(kind)? as i32);
                }
                Ok(Value::Wholes(all))
            }
            kind => {
                for _ in 0..count {
                    self.value(kind, depth + 1)?;
                }
                Ok(Value::Other)
            }
        }
    }

    fn tensor(&mut self) -> Parsed<Tensor> {
        let name = self.text("a tensor's name")?;
        let told = shown(&name);
        let axes = self.u32()?;
        if axes == 0 || axes > AXES {
            return Err(format!("tensor `{told}` has {axes} axes; it can have 1 to {AXES}"));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            shape.push(self.u64()?);
        }
        let kind = Kind::of(self.u32()?).map_err(|why| format!("tensor `{told}`: {why}"))?;
        let start = self.u64()?;
        let elements = shape.iter().try_fold(1u64, |all, &n| all.checked_mul(n));
        let whole = shape[0].is_multiple_of(kind.block());
        let bytes = elements.and_then(|n| kind.bytes(n)).filter(|_| whole && !shape.contains(&0));
        let Some(bytes) = bytes else {
            let name = kind.name();
            return Err(format!("tensor `{told}`, {shape:?} of {name}, is no size that a tensor can have"));
        };
        if bytes > self.length {
            return Err(format!("is torn: tensor `{told}` has {bytes} bytes, and the file {}", self.length));
        }
        let shape = shape.iter().rev().map(|&n| n as usize).collect();
        Ok(Tensor { name, shape, kind, start, bytes })
    }
}
