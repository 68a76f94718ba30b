//! Records of TensorBoard's event files: protobuf messages, each framed by its length and two checksums
//! (`tensorboard/compat/proto/event.proto`, TFRecord). A few fields of three messages are all that scalars take.

use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A number in seven bits a byte.
fn varint(mut n: u64, to: &mut Vec<u8>) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// A field whose contents are bytes.
fn bytes(field: u64, contents: &[u8], to: &mut Vec<u8>) {
    varint(field << 3 | 2, to);
    varint(contents.len() as u64, to);
    to.extend(contents);
}

/// The record that begins a file: `Event { wall_time = 1, file_version = 3 }`.
pub fn version() -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(now().to_le_bytes());
    bytes(3, b"brain.Event:2", &mut event);
    record(&event)
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`
fn event(step: u64, values: &[(String, f32)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values.iter().filter(|(_, value)| value.is_finite()) {
        let mut one = Vec::new();
        bytes(1, tag.as_bytes(), &mut one);
        one.push(2 << 3 | 5);
        one.extend(value.to_le_bytes());
        bytes(1, &one, &mut summary);
    }
    let mut event = vec![1 << 3 | 1];
    event.extend(now().to_le_bytes());
    event.push(2 << 3);
    varint(step, &mut event);
    bytes(5, &summary, &mut event);
    event
}

/// The record of a step's numbers by name; those that are not finite are left out.
pub fn scalars(step: u64, values: &[(String, f32)]) -> Vec<u8> {
    record(&event(step, values))
}

/// Length, its checksum, contents, their checksum.
fn record(contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u64).to_le_bytes();
    let parts = [&length[..], &masked(&length).to_le_bytes(), contents, &masked(contents).to_le_bytes()];
    parts.concat()
}

/// CRC-32C, turned and moved as TFRecord has it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, bit by bit: records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_castagnolis() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_is_framed_and_its_fields_are_where_readers_look() {
        let event = event(300, &[("a".into(), 1.5), ("b".into(), f32::NAN)]);
        assert_eq!(event[0], 0x09);
        assert_eq!(event[9..12], [0x10, 0xac, 0x02]);
        assert_eq!(event[12..], [0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0xc0, 0x3f]);
        let framed = record(&event);
        assert_eq!(framed.len(), event.len() + 16);
        assert_eq!(framed[..8], (event.len() as u64).to_le_bytes());
    }
}
