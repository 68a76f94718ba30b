//! A parity case: what to run, and what must come out.

use crate::gpu::{Access, Buffer, Recording};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Compared with a tolerance, [`KEPT`] to the bit.
    F32(Vec<f64>),
    /// Compared to the bit.
    U32(Vec<u32>),
}

/// Words behind every buffer that no kernel may touch.
pub const CANARIES: usize = 8;
/// A NaN that no arithmetic makes: poison before the launch, canary after it.
pub const POISON: u32 = 0x7fc0_dead;
/// Expected of a word that the kernel leaves as it was. A NaN that no arithmetic makes either.
pub const KEPT: f64 = f64::from_bits(0x7ff8_0000_0bad_5eed);

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

    /// The case as it is run: every buffer with canaries behind it, and those that a kernel may write full of poison
    /// unless the case says what they start with.
    ///
    /// # Errors
    /// A buffer that a kernel may write and nothing is expected of, or one that none may write and something is: what
    /// happens there would go unseen.
    pub fn guarded(self) -> Result<Case, String> {
        let (mut buffers, mut written) = (BTreeMap::new(), BTreeSet::new());
        for dispatch in &self.recording.dispatches {
            for (binding, buffer) in dispatch.program.bindings.iter().zip(&dispatch.buffers) {
                buffers.insert(buffer.id(), buffer.clone());
                if binding.access == Access::ReadWrite {
                    written.insert(buffer.id());
                }
            }
        }
        let looked_at: BTreeSet<u64> = self.expect.iter().map(|expect| expect.buffer.id()).collect();
        if let Some(unseen) = written.difference(&looked_at).next() {
            return Err(format!(
                "`{}` may be written, and nothing is expected of it",
                buffers[unseen].label()
            ));
        }
        if let Some(idle) = self.expect.iter().find(|expect| !written.contains(&expect.buffer.id())) {
            return Err(format!("`{}` is written by no kernel of the case", idle.buffer.label()));
        }
        let guarded: BTreeMap<u64, Buffer> =
            buffers.into_iter().map(|(id, buffer)| (id, guard(&buffer, written.contains(&id)))).collect();
        let other = |buffer: &Buffer| guarded[&buffer.id()].clone();
        let mut case = Case::new(self.name, Recording::default());
        for dispatch in self.recording.dispatches {
            let (own, buffers) = (dispatch.is_own(), dispatch.buffers.iter().map(other).collect());
            let (program, groups) = (dispatch.program, dispatch.groups);
            // What runs unchecked in a run does here too.
            if own {
                case.recording.launch(program, buffers, groups);
            } else {
                case.recording.dispatch(program, buffers, groups);
            }
        }
        let expect = self.expect.into_iter();
        case.expect =
            expect.map(|Expect { buffer, values }| Expect { buffer: other(&buffer), values }).collect();
        Ok(case)
    }
}

/// A buffer with canaries behind it; if it is an output without contents, of poison.
fn guard(buffer: &Buffer, output: bool) -> Buffer {
    let (mut words, filling) = (buffer.contents().to_vec(), if output { POISON } else { 0 });
    if words.is_empty() || !output {
        // A kernel may load an input's last vec4 whole.
        words.resize(buffer.bytes() as usize / 4, filling);
    }
    words.resize(words.len() + CANARIES, POISON);
    Buffer::holding(buffer.label(), &words)
}

/// A poisoned output of `words` words.
pub fn poisoned(label: &'static str, words: usize) -> Buffer {
    Buffer::holding(label, &vec![POISON; words])
}

/// Deterministic test values of standard deviation `scale`.
pub fn values(count: usize, scale: f64, salt: u32) -> Vec<f32> {
    let normals = crate::random::rng::normals(salt, 0, 0, 0xca5e, count);
    normals.into_iter().map(|x| (x * scale) as f32).collect()
}

/// f32 values as the reference takes them.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x as f64).collect()
}
