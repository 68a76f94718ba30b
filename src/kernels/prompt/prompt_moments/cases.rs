//! Parity cases and benches of `prompt_moments`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned};
use crate::reference::prompts;

/// What the reference makes of one prompt: [D, D].
fn expected(tokens: &[f64], width: usize) -> Vec<f64> {
    let (mut out, shots) = (vec![0.0; width * width], tokens.len() / width - 1);
    for z in tokens.chunks(width).take(shots) {
        for a in 0..width {
            for b in a..width {
                out[a * width + b] += z[a] * z[b] / shots as f64;
            }
        }
    }
    out
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let (batch, step) = (67, 5);
    let mut out = Vec::new();
    for (name, law) in source::fixtures() {
        // By moments: the fewest shots, one less, and both parities of the degrees of freedom.
        let least = law.dim() + 1 + crate::prompt::chi::LEAST;
        let shots: &[usize] =
            if matches!(law, Law::Regression(_)) { &[least - 1, least, 20, 101] } else { &[1, 5] };
        for &shots in shots {
            let width = law.dim() + 2;
            let source = Source::new(&law);
            let drawn = source.drawn(shots, tuning);
            let state = Buffer::holding("state", &[step]);
            let moments = poisoned("moments", batch * width * width);
            let all = (0..batch as u32)
                .flat_map(|prompt| expected(&prompts::draw(&law, prompt, step, shots, drawn).0, width))
                .collect();
            let recording = record(&source, shots, batch, &state, &moments, tuning);
            out.push(Case::new(format!("{name}, n = {shots}"), recording).f32(&moments, all));
        }
    }
    out
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (batch, shots) = (5000, 20);
    let law = source::paper();
    let width = law.dim() + 2;
    let (state, moments) = (Buffer::words("state", 1), Buffer::words("moments", batch * width * width));
    vec![Bench {
        name: "paper".into(),
        recording: record(&Source::new(&law), shots, batch, &state, &moments, tuning),
        flops: batch as f64 * source::moment_operations(&law, shots, tuning),
        bytes: 4.0 * (batch * width * width) as f64,
    }]
}
