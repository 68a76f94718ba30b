//! What numbers of a GGUF file are, and how they become f32: as ggml's reference does, scales in f16 made f32 first.

use half::{bf16, f16};

/// A kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// 32 of 4 bits, of one scale.
    Q4_0,
    /// 32 of 4 bits, of a scale and a minimum.
    Q4_1,
    /// 32 of 8 bits, of one scale.
    Q8_0,
    /// 256 of 4 bits, of eight scales and minima of 6 bits.
    Q4K,
    /// 256 of 6 bits, of sixteen scales of 8 bits.
    Q6K,
}

/// Kinds with their number in a file, their name, and elements and bytes of a block.
const KINDS: [(Kind, u32, &str, u64, u64); 8] = [
    (Kind::F32, 0, "F32", 1, 4),
    (Kind::F16, 1, "F16", 1, 2),
    (Kind::Q4_0, 2, "Q4_0", 32, 18),
    (Kind::Q4_1, 3, "Q4_1", 32, 20),
    (Kind::Q8_0, 8, "Q8_0", 32, 34),
    (Kind::Q4K, 12, "Q4_K", 256, 144),
    (Kind::Q6K, 14, "Q6_K", 256, 210),
    (Kind::Bf16, 30, "BF16", 1, 2),
];

impl Kind {
    /// By its number in a file.
    ///
    /// # Errors
    /// What is known.
    pub fn of(number: u32) -> Result<Kind, String> {
        let found = KINDS.iter().find(|kind| kind.1 == number).map(|kind| kind.0);
        found.ok_or_else(|| {
            let names = KINDS.map(|kind| kind.2).join(", ");
            format!("numbers of kind {number} are not known; {names} are")
        })
    }

    fn row(self) -> (Kind, u32, &'static str, u64, u64) {
        *KINDS.iter().find(|kind| kind.0 == self).expect("every kind has a row")
    }

    /// As ggml calls it.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Elements of a block.
    pub fn block(self) -> u64 {
        self.row().3
    }

    /// Bytes of so many elements, whole blocks; none where they overflow or are not whole.
    pub fn bytes(self, elements: u64) -> Option<u64> {
        let (_, _, _, block, bytes) = self.row();
        elements.is_multiple_of(block).then(|| (elements / block).checked_mul(bytes)).flatten()
    }

    /// Whole blocks as numbers, appended.
    pub fn floats(self, bytes: &[u8], out: &mut Vec<f32>) {
        let blocks = bytes.chunks_exact(self.row().4 as usize);
        match self {
            Kind::F32 => out.extend(blocks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Kind::F16 => out.extend(blocks.map(half)),
            Kind::Bf16 => out.extend(blocks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            Kind::Q4_0 => blocks.for_each(|b| {
                let scale = half(b);
                nibbles(&b[2..], |n| (f32::from(n) - 8.0) * scale, out);
            }),
            Kind::Q4_1 => blocks.for_each(|b| {
                let (scale, least) = (half(b), half(&b[2..]));
                nibbles(&b[4..], |n| f32::from(n) * scale + least, out);
            }),
            Kind::Q8_0 => blocks.for_each(|b| {
                let scale = half(b);
                out.extend(b[2..].iter().map(|&n| f32::from(n as i8) * scale));
            }),
            Kind::Q4K => blocks.for_each(|b| q4_k(b, out)),
            Kind::Q6K => blocks.for_each(|b| q6_k(b, out)),
        }
    }
}

fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// The low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8], value: impl Fn(u8) -> f32, out: &mut Vec<f32>) {
    out.extend(bytes.iter().map(|n| value(n & 15)));
    out.extend(bytes.iter().map(|n| value(n >> 4)));
}

/// Scale and minimum of part `j` of eight, 6 bits each in 12 bytes.
fn scale_and_least(j: usize, packed: &[u8]) -> (f32, f32) {
    let (scale, least) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        let high = |at: usize| (packed[at] >> 6) << 4;
        (packed[j + 4] & 15 | high(j - 4), packed[j + 4] >> 4 | high(j))
    };
    (scale.into(), least.into())
}

fn q4_k(block: &[u8], out: &mut Vec<f32>) {
    let (scale, least) = (half(block), half(&block[2..]));
    let (packed, numbers) = (&block[4..16], &block[16..144]);
    for part in 0..4 {
        let bytes = &numbers[32 * part..32 * (part + 1)];
        for side in 0..2 {
            let (s, m) = scale_and_least(2 * part + side, packed);
            let (s, m) = (scale * s, least * m);
            out.extend(bytes.iter().map(|n| s * f32::from(n >> (4 * side) & 15) - m));
        }
    }
}

fn q6_k(block: &[u8], out: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half(&block[208..]);
    for part in 0..2 {
        let (low, high, scales) = (&low[64 * part..], &high[32 * part..], &scales[8 * part..]);
        for quarter in 0..4 {
            out.extend((0..32).map(|l| {
                let four = low[l + 32 * (quarter % 2)] >> (4 * (quarter / 2)) & 15;
                let two = high[l] >> (2 * quarter) & 3;
                let number = f32::from((four | two << 4) as i8 - 32);
                scale * f32::from(scales[l / 16 + 2 * quarter] as i8) * number
            }));
        }
    }
}
