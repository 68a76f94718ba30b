//! Parity cases and benches of `prompt_sample`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned};
use crate::prompt::law::Law;
use crate::reference::prompts::{self, Drawn};

pub fn cases(tuning: &Tuning) -> Vec<Case> {
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

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
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
