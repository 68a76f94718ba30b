//! `prompt_sample`: the prompts of a step, written out as tokens.

mod cases;

pub use cases::case;
pub(in crate::kernels) use cases::{benches, cases};

use super::program;
use super::rounds::{self, Prompt};
use super::source::{self, Source};
use crate::gpu::{Buffer, Recording};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Entry, Tuning, read, write};

/// The kernel's own text.
pub(super) const SHADER: &str = include_str!("../../../shaders/prompt/prompt_sample.wgsl");

/// Records tokens `[B, n + 1, D]` (query last, its y 0) and targets `[B]` of the step in `state`.
pub fn record(
    source: &Source,
    shots: usize,
    batch: usize,
    state: &Buffer,
    out: (&Buffer, &Buffer),
    tuning: &Tuning,
) -> Recording {
    let own = [read(1, "state"), write(2, "tokens"), write(3, "targets")];
    let (bindings, buffers) = source.bind(&own, &[state, out.0, out.1]);
    let consts = source.consts(shots).u32("BATCH", batch);
    let entry = Entry {
        kernel: "prompt_sample",
        name: "prompt_sample",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: rounds::prompt_sample(&Prompt::alone(source, shots, 0)),
    };
    let parts = [RANDOM, source.wgsl(), SHADER];
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    source.launch(&mut recording, program, buffers, [tuning.groups(batch), 1]);
    recording
}
