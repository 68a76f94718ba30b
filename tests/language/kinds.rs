//! Every kind of numbers of a GGUF file against its definition, bit by bit, in both versions of the format.

use crate::tiny::{Gguf, GgufTensor, Tiny};
use floe::pretrained::Pretrained;
use half::{bf16, f16};

/// Bytes that look like chance.
fn noise(count: usize, salt: u64) -> Vec<u8> {
    let mut state = salt;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A scale, small and not zero.
fn scale(bytes: &mut [u8], at: usize, value: f32) -> f32 {
    let value = f16::from_f32(value);
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    value.to_f32()
}

type Block = (Vec<u8>, Vec<f32>);

fn small(kind: u32) -> Block {
    let size = match kind {
        2 => 18,
        3 => 20,
        _ => 34,
    };
    let mut bytes = noise(size, kind.into());
    let d = scale(&mut bytes, 0, 0.0371);
    let m = if kind == 3 { scale(&mut bytes, 2, -0.21) } else { 0.0 };
    let packed = bytes[if kind == 3 { 4 } else { 2 }..].to_vec();
    let number = |i: usize| -> f32 {
        let nibble = |i: usize| (packed[i % 16] >> (4 * (i / 16))) & 15;
        match kind {
            2 => (f32::from(nibble(i)) - 8.0) * d,
            3 => f32::from(nibble(i)) * d + m,
            _ => f32::from(packed[i] as i8) * d,
        }
    };
    (bytes, (0..32).map(number).collect())
}

/// ggml's q4_K, element by element.
fn q4_k() -> Block {
    let mut bytes = noise(144, 12);
    let (d, m) = (scale(&mut bytes, 0, 0.011), scale(&mut bytes, 2, 0.017));
    let (packed, numbers) = (bytes[4..16].to_vec(), bytes[16..].to_vec());
    let number = |i: usize| {
        let (part, at) = (i / 32, i % 32);
        let (s, l) = match part < 4 {
            true => (packed[part] & 63, packed[part + 4] & 63),
            false => (
                (packed[part + 4] & 15) | ((packed[part - 4] >> 6) << 4),
                (packed[part + 4] >> 4) | ((packed[part] >> 6) << 4),
            ),
        };
        let nibble = (numbers[part / 2 * 32 + at] >> (4 * (part % 2))) & 15;
        d * f32::from(s) * f32::from(nibble) - m * f32::from(l)
    };
    let all = (0..256).map(number).collect();
    (bytes, all)
}

/// ggml's q6_K, element by element.
fn q6_k() -> Block {
    let mut bytes = noise(210, 14);
    let d = scale(&mut bytes, 208, 0.0031);
    let kept = bytes.clone();
    let number = |i: usize| {
        let (half, at) = (i / 128, i % 128);
        let (quarter, l) = (at / 32, at % 32);
        let low = kept[64 * half + l + 32 * (quarter % 2)] >> (4 * (quarter / 2)) & 15;
        let high = kept[128 + 32 * half + l] >> (2 * quarter) & 3;
        let s = kept[192 + 8 * half + l / 16 + 2 * quarter] as i8;
        d * f32::from(s) * (f32::from(low | high << 4) - 32.0)
    };
    let all = (0..256).map(number).collect();
    (bytes, all)
}

fn plain(kind: u32) -> Block {
    let numbers: Vec<f32> = (0..32).map(|i| (i as f32 - 11.0) * 0.125).collect();
    let bytes = match kind {
        0 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        1 => numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
    };
    (bytes, numbers)
}

/// A model whose value projection of the first layer is of a kind: rows of 256, each the same blocks.
fn of_kind(kind: u32, (bytes, numbers): &Block) -> (Gguf, Vec<f32>) {
    let mut model = Tiny::new("llama");
    model.decoder.width = 256;
    model = Tiny::of("llama", model.decoder);
    let mut file = model.gguf();
    let blocks = 256 / numbers.len();
    let v = file.tensors.iter_mut().find(|t| t.name == "blk.0.attn_v.weight").expect("a value projection");
    let rows = v.shape[0];
    *v = GgufTensor { kind, bytes: bytes.repeat(blocks * rows), ..v.clone() };
    (file, numbers.repeat(blocks * rows))
}

#[test]
fn numbers_of_every_kind_are_ggmls() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = [(0, plain(0)), (1, plain(1)), (30, plain(30)), (2, small(2)), (3, small(3)), (8, small(8))];
    for (i, (kind, block)) in kinds.into_iter().chain([(12, q4_k()), (14, q6_k())]).enumerate() {
        let (mut file, expected) = of_kind(kind, &block);
        file.version = 2 + i as u32 % 2;
        let path = dir.path().join(format!("{kind}.gguf"));
        std::fs::write(&path, file.bytes()).unwrap();
        let model = Pretrained::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let mut found = Vec::new();
        let name = "model.layers.0.self_attn.v_proj.weight";
        model
            .read(name, |piece| {
                found.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert_eq!(found, expected, "kind {kind}");
        assert!(found.iter().any(|x| *x != 0.0));
    }
}
