//! `prompt_moments`: the second moments of each prompt's demonstrations, written out. It exists to be tested: what
//! `prompt_step` adds up in its registers, by tokens or from the moments' own law.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::program;
use super::rounds::{self, Prompt};
use super::source::{self, Source};
use crate::gpu::{Buffer, Recording};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Entry, Tuning, read, write};
use crate::prompt::law::Law;

/// Records G = (1/n) Σ z zᵀ over the demonstrations of each prompt of the step in `state`: `moments` `[B, D, D]`, of
/// which the entries below the diagonal are 0.
pub fn record(
    source: &Source,
    shots: usize,
    batch: usize,
    state: &Buffer,
    moments: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let own = [read(1, "state"), write(2, "moments")];
    let (bindings, buffers) = source.bind(&own, &[state, moments]);
    let (demonstrations, consts) = source.demonstrations(shots, true, tuning);
    let consts = consts.u32("BATCH", batch);
    let own = include_str!("../../../shaders/prompt/prompt_moments.wgsl");
    let entry = Entry {
        kernel: "prompt_moments",
        name: "prompt_moments",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: rounds::prompt_moments(&Prompt::alone(source, shots, source.one_by_one(shots, true, tuning))),
    };
    let parts = [RANDOM, source.wgsl(), demonstrations, own];
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    source.launch(&mut recording, program, buffers, [tuning.groups(batch), 1]);
    recording
}
