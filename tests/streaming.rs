//! A model goes to a file and comes back with no more of it in memory than the arena itself.
#![cfg(target_os = "linux")] // Where a process knows its own peak.

use floe::store::checkpoint::{Dtype, Outline, Reader, Sink, stream};
use std::collections::BTreeMap;

const ROWS: usize = 32;
/// 8 MiB a tensor, 256 in all.
const EACH: usize = 2 << 20;

/// Most memory that this process has had, MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

fn number(tensor: usize, at: usize) -> f32 {
    (tensor * EACH + at) as f32 * 1e-6
}

#[test]
fn a_model_is_never_twice_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let names: Vec<String> = (0..ROWS).map(|i| format!("layers.{i:02}.w")).collect();
    let tensors = names.iter().map(|name| (name.as_str(), vec![2, EACH / 2])).collect();
    let before = peak();
    let give = |tensor: usize, sink: &mut Sink| {
        let mut piece = Vec::new();
        for from in (0..EACH).step_by(10_000) {
            piece.clear();
            piece.extend((from..EACH.min(from + 10_000)).map(|at| number(tensor, at)));
            sink(&piece)?;
        }
        Ok(())
    };
    stream(&path, &Outline { tensors, dtype: Dtype::F32 }, &BTreeMap::new(), give).unwrap();
    let written = peak() - before;
    assert!(written < 24, "writing 256 MiB took {written}");

    let expected: Vec<(String, Vec<usize>)> =
        names.iter().map(|name| (name.clone(), vec![2, EACH / 2])).collect();
    let arena = Reader::open_own(&path).unwrap().arena(&expected).unwrap();
    let read = peak() - before;
    assert!((256..256 + 32).contains(&read), "reading 256 MiB took {read}");
    assert_eq!(arena.len(), ROWS * EACH);
    assert!(
        (0..ROWS).all(|t| [0, 1, 9_999, EACH - 1].iter().all(|&at| arena[t * EACH + at] == number(t, at)))
    );

    // What a header promises and a model does not ask for takes no memory.
    let other = [("layers.00.w".to_string(), vec![usize::MAX])];
    assert!(Reader::open_own(&path).unwrap().arena(&other).is_err());
}
