//! A parity case: what to run, and what must come out.

use crate::gpu::{Buffer, Recording};

/// One comparison of a kernel with its reference.
pub struct Case {
    /// Tells the cases of a kernel apart, by sizes.
    pub name: String,
    pub recording: Recording,
    pub expect: Vec<Expect>,
}

/// A launch of realistic size, with what it costs by the kernel's own count.
pub struct Bench {
    pub name: String,
    pub recording: Recording,
    /// Arithmetic operations, integer ones of the random numbers among them.
    pub flops: f64,
    /// Bytes read from and written to buffers.
    pub bytes: f64,
}

/// What a buffer must hold after the recording.
pub struct Expect {
    pub buffer: Buffer,
    pub values: Values,
}

/// Expected contents; the buffer may be longer, and what follows must stay as it was.
pub enum Values {
    /// Compared with a tolerance.
    F32(Vec<f64>),
    /// Compared to the bit.
    U32(Vec<u32>),
}

/// Words behind every output that no kernel may touch.
pub const CANARIES: usize = 8;
/// A NaN that no arithmetic makes: poison before the launch, canary after it.
pub const POISON: u32 = 0x7fc0_dead;

impl Case {
    pub fn new(name: impl Into<String>, recording: Recording) -> Self {
        Case { name: name.into(), recording, expect: Vec::new() }
    }

    pub fn f32(mut self, buffer: &Buffer, values: Vec<f64>) -> Self {
        self.expect.push(Expect { buffer: buffer.clone(), values: Values::F32(values) });
        self
    }

    pub fn u32(mut self, buffer: &Buffer, values: Vec<u32>) -> Self {
        self.expect.push(Expect { buffer: buffer.clone(), values: Values::U32(values) });
        self
    }
}

/// A poisoned output of `words` words with canaries behind.
pub fn poisoned(label: &'static str, words: usize) -> Buffer {
    Buffer::holding(label, &vec![POISON; words + CANARIES])
}

/// Deterministic test values of standard deviation `scale`.
pub fn values(count: usize, scale: f64, salt: u32) -> Vec<f32> {
    let normals = crate::rng::normals(salt, 0, 0, 0xca5e, count);
    normals.into_iter().map(|x| (x * scale) as f32).collect()
}

/// f32 values as the reference takes them.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x as f64).collect()
}
