//! Versions of the file, kinds of numbers, and tensors in pieces.

use super::*;
use floe::store::checkpoint::{Outline, Reader, Sink, stream, write_as};

#[test]
fn files_of_every_version_are_read() {
    let (dir, path, bytes) = written();
    let (header, _) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = std::str::from_utf8(&bytes[8..8 + header]).unwrap();
    let digits = text.split("\"crc32\":\"").nth(1).unwrap()[..8].to_string();
    // As version 2 had it, its checksum over the whole file with its own digits as zeros.
    let old = text.replace(&digits, "00000000").replace("\"floe\":\"3\"", "\"version\":\"2\"");
    let old = old.replace("\"format\":\"pt\"", "\"format\":\"floe\"");
    let old = old.trim_end().to_string() + &" ".repeat(8 - old.trim_end().len() % 8);
    let mut made = [&(old.len() as u64).to_le_bytes()[..], old.as_bytes(), &bytes[8 + header..]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&made);
    let own = format!("{:08x}", crc.sum());
    let at = 8 + old.find("00000000").unwrap();
    made[at..at + 8].copy_from_slice(own.as_bytes());
    std::fs::write(&path, &made).unwrap();
    assert_eq!(read(&path).unwrap(), sample());
    *made.last_mut().unwrap() ^= 1;
    assert!(refusal(dir.path(), &made).contains("is torn or was altered"));
    let mixed = foreign(&[("floe", "2")], &[("w", Dtype::F32, &[0; 4])]);
    assert!(refusal(dir.path(), &mixed).contains("its version is 2, and this floe reads versions 1 to 3"));
}

#[test]
fn narrower_floats_are_written_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    // The last is halfway between two of BF16, and of F16 a subnormal.
    let data = vec![1.5, -0.1, 65504.0, 1.003_906_3, 5.9604645e-8];
    let tensors = BTreeMap::from([("w".to_string(), Tensor { shape: vec![5], data })]);
    let c = Checkpoint { tensors, ..Checkpoint::default() };
    let found = |dtype| {
        write_as(&path, &c, dtype).unwrap();
        read(&path).unwrap().tensors["w"].data.clone()
    };
    assert_eq!(found(Dtype::F32), c.tensors["w"].data);
    assert_eq!(found(Dtype::F16), [1.5, -0.099975586, 65504.0, 1.003_906_3, 5.9604645e-8]);
    assert_eq!(found(Dtype::BF16)[..4], [1.5, -0.100097656, 65536.0, 1.0]);
    let mut wide = c.clone();
    wide.tensors.get_mut("w").unwrap().data[1] = 65520.0;
    let reason = one_line(&write_as(&path, &wide, Dtype::F16).unwrap_err(), &path);
    assert!(reason.contains("tensor `w` has a number at entry 1 that F16 has no room for"), "{reason}");
    assert_eq!(read(&path).unwrap().tensors["w"].data[2], 65536.0, "what was there stays");
    let reason = one_line(&write_as(&path, &c, Dtype::F64).unwrap_err(), &path);
    assert!(reason.contains("F64 is not written"), "{reason}");
}

#[test]
fn a_tensor_comes_in_pieces_and_goes_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    let number = |i: usize| (i as f32).sin();
    let outline = || Outline { tensors: vec![("a", vec![3]), ("b", vec![1000, 1000])], dtype: Dtype::F32 };
    let give = |which: usize, sink: &mut Sink| {
        let count = [3, 1_000_000][which];
        let all: Vec<f32> = (0..count).map(number).collect();
        all.chunks(70_001).try_for_each(sink)
    };
    stream(&path, &outline(), &BTreeMap::new(), give).unwrap();
    let reader = Reader::open_own(&path).unwrap();
    let entry = &reader.tensors()[1];
    assert_eq!((entry.name.as_str(), entry.shape.as_slice()), ("b", &[1000, 1000][..]));
    let (mut pieces, mut at) = (0, 0);
    reader
        .read(entry, |piece| {
            assert!(piece.iter().enumerate().all(|(i, x)| x.to_bits() == number(at + i).to_bits()));
            (pieces, at) = (pieces + 1, at + piece.len());
            Ok(())
        })
        .unwrap();
    assert_eq!((pieces, at), (4, 1_000_000));
    let short = |_: usize, sink: &mut Sink| sink(&[0.0; 2]);
    let reason = one_line(&stream(&path, &outline(), &BTreeMap::new(), short).unwrap_err(), &path);
    assert!(reason.contains("tensor `a` of shape [3] has 2 entries"), "{reason}");
}

#[test]
fn other_floats_are_converted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    let own = [("format", "floe"), ("version", "1")];
    let found = |dtype, data: &[u8]| {
        std::fs::write(&path, foreign(&own, &[("w", dtype, data)])).unwrap();
        read(&path).map(|c| c.tensors["w"].data.clone()).map_err(|e| one_line(&e, &path))
    };
    assert_eq!(found(Dtype::F16, &[0x00, 0x3e, 0x01, 0x00]).unwrap(), [1.5, 5.9604645e-8]);
    assert_eq!(found(Dtype::BF16, &[0xc0, 0x3f, 0x80, 0x7f][..2]).unwrap(), [1.5]);
    assert_eq!(found(Dtype::F64, &1.1f64.to_le_bytes()).unwrap(), [1.1f32]);
    let refused = |found: Result<Vec<f32>, String>, says: &str| {
        let reason = found.unwrap_err();
        assert!(reason.contains(says), "{reason:?} does not say {says:?}");
    };
    let wide = [1.0f64.to_le_bytes(), 1e39f64.to_le_bytes()].concat();
    refused(found(Dtype::F64, &wide), "tensor `w` has 1e39 at entry 1, which is beyond f32");
    refused(found(Dtype::F64, &f64::NAN.to_le_bytes()), "tensor `w` has NaN at entry 0");
    refused(found(Dtype::BF16, &[0x80, 0x7f]), "tensor `w` has inf at entry 0");
    refused(found(Dtype::I64, &[0; 8]), "tensor `w` is I64; floe reads F32, F16, BF16 and F64");
    refused(found(Dtype::BOOL, &[0]), "tensor `w` is BOOL");
}
