//! `prompt_sample`: the prompts of a step, written out as tokens.

use super::program;
use super::source::{self, Source};
use crate::gpu::{Buffer, Recording};
use crate::kernels::case::{Bench, Case, poisoned};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Tuning, read, write};
use crate::prompt::law::Law;
use crate::reference::prompts::{self, Drawn};

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
    let parts = [RANDOM, source.wgsl(), SHADER];
    let program = program("prompt_sample", "prompt_sample", &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    source.launch(&mut recording, program, buffers, [tuning.groups(batch), 1]);
    recording
}

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    let (batch, step) = (37, 11);
    let mut out = Vec::new();
    for (name, law) in source::fixtures() {
        for shots in [0, 5] {
            out.push(case(format!("{name}, n = {shots}"), &law, (shots, batch, step), tuning));
        }
    }
    out
}

/// The prompts of a step of a law, against those that the host draws.
pub fn case(name: String, law: &Law, (shots, batch, step): (usize, usize, u32), tuning: &Tuning) -> Case {
    let width = law.dim() + 2;
    let state = Buffer::holding("state", &[step]);
    let tokens = poisoned("tokens", batch * (shots + 1) * width);
    let targets = poisoned("targets", batch);
    let (mut all, mut ys) = (Vec::new(), Vec::new());
    for prompt in 0..batch as u32 {
        let (prompt_tokens, y) = prompts::draw(law, prompt, step, shots, Drawn::Tokens);
        all.extend(prompt_tokens);
        ys.push(y);
    }
    let recording = record(&Source::new(law), shots, batch, &state, (&tokens, &targets), tuning);
    Case::new(name, recording).f32(&tokens, all).f32(&targets, ys)
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (batch, shots) = (5000, 20);
    let law = source::paper();
    let width = law.dim() + 2;
    let state = Buffer::words("state", 1);
    let (tokens, targets) =
        (Buffer::words("tokens", batch * (shots + 1) * width), Buffer::words("targets", batch));
    let recording = record(&Source::new(&law), shots, batch, &state, (&tokens, &targets), tuning);
    let flops = batch as f64 * source::operations(&law, shots);
    vec![Bench {
        name: "paper".into(),
        recording,
        flops,
        bytes: 4.0 * (batch * ((shots + 1) * width + 1)) as f64,
    }]
}
