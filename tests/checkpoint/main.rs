//! Checkpoints on disk: what is written comes back bit for bit, and nothing else is taken for a checkpoint.

mod formats;

use floe::store::atomic::atomic_write;
use floe::store::checkpoint::{Checkpoint, Tensor, read, write};
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn sample() -> Checkpoint {
    let tensor = |shape: &[usize], data: &[f32]| Tensor { shape: shape.to_vec(), data: data.to_vec() };
    let tensors = [
        ("layers.0.attn.v", tensor(&[1, 2, 2], &[1.0, -0.0, f32::MIN_POSITIVE / 8.0, f32::MAX])),
        ("layers.0.attn.qk", tensor(&[1, 2, 2], &[0.1, 0.2, 0.3, -1e-30])),
        ("step", tensor(&[], &[7.0])),
        ("empty", tensor(&[0, 3], &[])),
    ];
    let metadata = [("config", "seed = 0\n[model]\nheads = 1 # \"δ\"\n"), ("a", "1"), ("b", "2"), ("z", "")];
    Checkpoint {
        tensors: tensors.into_iter().map(|(name, t)| (name.to_string(), t)).collect(),
        metadata: metadata.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
    }
}

fn written() -> (TempDir, PathBuf, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    write(&path, &sample()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (dir, path, bytes)
}

/// The one line that refuses `bytes`, without the path.
fn refusal(dir: &Path, bytes: &[u8]) -> String {
    let path = dir.join("refused.safetensors");
    std::fs::write(&path, bytes).unwrap();
    one_line(&read(&path).unwrap_err(), &path)
}

fn one_line(error: &floe::Error, path: &Path) -> String {
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message.strip_prefix(&format!("{}: ", path.display())).expect(&message).to_string()
}

/// A safetensors file made by the safetensors crate, not by floe.
fn foreign(metadata: &[(&str, &str)], tensors: &[(&str, Dtype, &[u8])]) -> Vec<u8> {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let views = tensors.iter().map(|(name, dtype, data)| {
        let shape = vec![data.len() * 8 / dtype.bitsize()];
        (*name, TensorView::new(*dtype, shape, data).unwrap())
    });
    safetensors::serialize(views, Some(metadata)).unwrap()
}

fn bits(c: &Checkpoint) -> BTreeMap<&str, Vec<u32>> {
    c.tensors.iter().map(|(n, t)| (n.as_str(), t.data.iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn round_trip_is_bitwise_and_equal_checkpoints_are_equal_files() {
    let (dir, path, bytes) = written();
    let back = read(&path).unwrap();
    assert_eq!(back, sample());
    assert_eq!(bits(&back), bits(&sample()));
    let again = dir.path().join("again.safetensors");
    write(&again, &back).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), bytes);
}

#[test]
fn other_tools_read_the_file() {
    let (_dir, _path, bytes) = written();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let qk = file.tensor("layers.0.attn.qk").unwrap();
    assert_eq!((qk.dtype(), qk.shape()), (Dtype::F32, [1, 2, 2].as_slice()));
    assert_eq!(&qk.data()[..4], 0.1f32.to_le_bytes());
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header % 8, 0);
    let metadata = metadata.metadata().as_ref().unwrap();
    // What `transformers` asks for, and floe's own mark.
    assert_eq!((metadata["format"].as_str(), metadata["floe"].as_str()), ("pt", "3"));
}

#[test]
fn a_file_marked_as_floe_by_another_tool_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    let two = [1.5f32.to_le_bytes(), 2.5f32.to_le_bytes()].concat();
    std::fs::write(&path, foreign(&[("format", "floe"), ("version", "1")], &[("w", Dtype::F32, &two)]))
        .unwrap();
    let back = read(&path).unwrap();
    assert_eq!(back.tensors["w"], Tensor { shape: vec![2], data: vec![1.5, 2.5] });
    assert!(back.metadata.is_empty());
}

#[test]
fn every_truncation_is_refused() {
    let (dir, _path, bytes) = written();
    for len in 0..bytes.len() {
        let reason = refusal(dir.path(), &bytes[..len]);
        let says = match len {
            0 => "is empty",
            1..8 => "is no safetensors file",
            _ => "is truncated",
        };
        assert!(reason.contains(says), "{len}: {reason}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(refusal(dir.path(), &longer).contains("its length and its header disagree"));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (dir, _path, bytes) = written();
    let (header, _) = SafeTensors::read_metadata(&bytes).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut torn = bytes.clone();
        torn[bit / 8] ^= 1 << (bit % 8);
        let reason = refusal(dir.path(), &torn);
        assert!(bit < (8 + header) * 8 || reason.contains("is torn or was altered"), "{reason}");
    }
}

/// A file as floe wrote it before the checksum covered the header.
fn version_one(metadata: &[(&str, &str)], data: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut crc = flate2::Crc::new();
    crc.update(&bytes);
    let crc = format!("{:08x}", crc.sum());
    let own = [("format", "floe"), ("version", "1"), ("crc32", crc.as_str())];
    foreign(&[&own[..], metadata].concat(), &[("w", Dtype::F32, &bytes)])
}

#[test]
fn the_checksum_of_old_files_is_of_the_data_alone() {
    let (dir, path) = (tempfile::tempdir().unwrap(), PathBuf::new());
    let path = dir.path().join(path.join("c.safetensors"));
    let bytes = version_one(&[("config", "seed = 0")], &[1.5, 2.5]);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&path).unwrap().metadata, BTreeMap::from([("config".into(), "seed = 0".into())]));
    let mut torn = bytes;
    *torn.last_mut().unwrap() ^= 1;
    assert!(refusal(dir.path(), &torn).contains("is torn or was altered"));
    let unsigned = foreign(&[("format", "floe"), ("version", "2")], &[("w", Dtype::F32, &[0; 4])]);
    assert!(refusal(dir.path(), &unsigned).contains("instead of none"), "a new file has a checksum");
}

#[test]
fn names_that_stand_twice_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |at: usize| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":[{at},{}]}}"#, at + 4);
    for header in [
        format!(r#"{{"__metadata__":{{"format":"floe","version":"1"}},"w":{0},"w":{0}}}"#, entry(0)),
        format!(r#"{{"__metadata__":{{"format":"floe","version":"1","format":"floe"}},"w":{}}}"#, entry(0)),
        format!(
            r#"{{"w":{},"__metadata__":{{}},"__metadata__":{{"format":"floe","version":"1"}}}}"#,
            entry(0)
        ),
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        assert!(refusal(dir.path(), &bytes).contains("twice"), "{header}");
    }
}

#[test]
fn what_a_file_says_reaches_no_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    let red = "\u{1b}[31mred\nline2\u{202e}";
    for own in [
        [("format", "floe"), ("version", "1"), ("crc32", red)],
        [("format", "floe"), ("version", red), ("crc32", "")],
    ] {
        let bytes = foreign(&own, &[("w", Dtype::F32, &[0; 4])]);
        let reason = refusal(dir.path(), &bytes);
        assert!(!reason.contains(|c: char| c.is_control() || c == '\u{202e}'), "{reason:?}");
    }
    let bytes = foreign(&[("format", "floe"), ("version", "1")], &[(red, Dtype::F32, &[0; 4])]);
    let reason = refusal(dir.path(), &bytes);
    assert!(reason.contains("\\u{1b}[31mred\\nline2\\u{202e}"), "{reason:?}");
}

#[test]
fn foreign_files_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let floe = [("format", "floe"), ("version", "1")];
    let nan = f32::NAN.to_le_bytes();
    let cases: &[(Vec<u8>, &str)] = &[
        (b"carat,cut,price\n0.2,Good,300\n".to_vec(), "is not a floe checkpoint"),
        ([8u64.to_le_bytes(), *b"not json"].concat(), "invalid JSON in header"),
        ([8u64.to_le_bytes(), [0xff; 8]].concat(), "invalid UTF-8 in header"),
        ([2u64.to_le_bytes().as_slice(), b"{}"].concat(), "does not say that floe wrote it"),
        (u64::MAX.to_le_bytes().to_vec(), "is not a floe checkpoint"),
        (foreign(&[("format", "pt")], &[("w", Dtype::F32, &[0; 4])]), "does not say that floe wrote it"),
        (foreign(&[("format", "floe")], &[]), "version is missing"),
        (
            foreign(&[("format", "floe"), ("version", "3\n")], &[]),
            "version is 3\\n, and this floe reads versions 1 to 3",
        ),
        (foreign(&floe, &[("w", Dtype::I32, &[0; 4])]), "tensor `w` is I32"),
        (foreign(&floe, &[("w", Dtype::F32, &nan)]), "tensor `w` has NaN at entry 0"),
        (foreign(&floe, &[("a\nb", Dtype::F32, &[0; 4])]), "`a\\nb`, holds control characters"),
    ];
    for (bytes, says) in cases {
        let reason = refusal(dir.path(), bytes);
        assert!(reason.contains(says), "{reason:?} does not say {says:?}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.safetensors");
    assert!(one_line(&read(&missing).unwrap_err(), &missing).starts_with("there is no such file"));
    assert!(one_line(&read(dir.path()).unwrap_err(), dir.path()).starts_with("is not a file"));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (_dir, path, bytes) = written();
    for (name, tensor, says) in [
        ("w", Tensor { shape: vec![1], data: vec![f32::INFINITY] }, "tensor `w` has inf at entry 0"),
        ("w", Tensor { shape: vec![2, 2], data: vec![0.0; 3] }, "of shape [2, 2] has 3 entries"),
        ("w", Tensor { shape: vec![usize::MAX, 2], data: vec![] }, "of tensor `w` overflows"),
        ("__metadata__", Tensor::default(), "give it another name"),
    ] {
        let mut c = sample();
        c.tensors.insert(name.into(), tensor);
        let reason = one_line(&write(&path, &c).unwrap_err(), &path);
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn floe_s_own_metadata_cannot_be_forged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.safetensors");
    let mut c = sample();
    for key in ["format", "floe", "crc32"] {
        c.metadata.insert(key.into(), "other".into());
    }
    write(&path, &c).unwrap();
    assert_eq!(read(&path).unwrap(), sample());
}

#[test]
fn atomic_write_replaces_whole_files_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    atomic_write(&path, &[b'x'; 100_000]).unwrap();
    atomic_write(&path, b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn atomic_write_gives_files_the_usual_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
    std::fs::write(dir.path().join("plain"), b"").unwrap();
    atomic_write(&dir.path().join("atomic"), b"").unwrap();
    assert_eq!(mode("atomic"), mode("plain"));
}

#[test]
fn atomic_write_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"kept").unwrap();
    for (path, says) in [
        (dir.path().join("no/c.csv"), "there is no directory"),
        (file.join("c.csv"), "is not a directory"),
        (dir.path().to_path_buf(), "cannot be written"),
        (PathBuf::from("/"), "it names no file"),
    ] {
        let reason = one_line(&atomic_write(&path, b"x").unwrap_err(), &path);
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn expect_shapes_names_every_kind_of_difference() {
    let path = Path::new("c.safetensors");
    let c = sample();
    let mut expected: Vec<_> = c.tensors.iter().map(|(n, t)| (n.clone(), t.shape.clone())).collect();
    c.expect_shapes(path, &expected).unwrap();
    expected.retain(|(name, _)| name != "layers.0.attn.qk");
    expected.iter_mut().for_each(|(name, shape)| {
        if name == "layers.0.attn.v" {
            *shape = vec![2, 2, 2];
        }
    });
    expected.extend(["q", "k"].map(|n| (format!("layers.0.attn.{n}"), vec![1, 2, 2])));
    let message = one_line(&c.expect_shapes(path, &expected).unwrap_err(), path);
    assert!(message.contains("`layers.0.attn.q`, `layers.0.attn.k` missing"), "{message}");
    assert!(message.contains("`layers.0.attn.qk` unexpected"), "{message}");
    assert!(message.contains("`layers.0.attn.v` is [1, 2, 2] instead of [2, 2, 2]"), "{message}");
}

fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let finite = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite());
    let tensor =
        prop::collection::vec(finite, 0..20).prop_map(|data| Tensor { shape: vec![data.len()], data });
    let tensors = prop::collection::btree_map("[a-zé._0-9]{0,12}", tensor, 0..5);
    let metadata = prop::collection::btree_map("[x-z]{1,4}", any::<String>(), 0..4);
    (tensors, metadata).prop_map(|(tensors, metadata)| Checkpoint { tensors, metadata })
}

proptest! {
    #[test]
    fn any_checkpoint_comes_back_bitwise(c in any_checkpoint()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        write(&path, &c).unwrap();
        let back = read(&path).unwrap();
        prop_assert_eq!(bits(&back), bits(&c));
        prop_assert_eq!(back, c);
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), header: bool) {
        let dir = tempfile::tempdir().unwrap();
        // Half of the cases get past the length of the header.
        let start = (bytes.len() as u64 / 2).to_le_bytes();
        let bytes = if header { [start.as_slice(), &bytes].concat() } else { bytes };
        refusal(dir.path(), &bytes);
    }

    #[test]
    fn mutated_files_never_panic_and_never_give_other_numbers(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (_dir, path, mut bytes) = written();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        std::fs::write(&path, &bytes).unwrap();
        // Names and metadata may change under an edit of the header, the numbers may not.
        if let Ok(c) = read(&path) {
            let numbers = |c: &Checkpoint| {
                let mut all: Vec<_> = c.tensors.values().flat_map(|t| &t.data).map(|x| x.to_bits()).collect();
                all.sort_unstable();
                all
            };
            prop_assert_eq!(numbers(&c), numbers(&sample()));
        }
    }
}
