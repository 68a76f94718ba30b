//! How many times an invocation of this wing's programs goes round loops, by sizes.
//!
//! llvmpipe of Mesa 22 ends every loop of an invocation, without a word, once they have gone round 65,535 times between
//! them (`LP_MAX_TGSI_LOOP_ITERATIONS`). So the work of an invocation is bounded before anything runs, by what the
//! adapter was found to make (`gpu/rounds.rs`). A function here is one of the shaders' of the same name; the tests count
//! the same from the texts of all programs.

use super::UNROLL;
use super::source::Source;
use crate::prompt::shape::{GradLayout, Models, Shape};

/// Rounds left of a marked loop: none where it is written out.
fn one(n: usize) -> u64 {
    nest(&[n])
}

/// The same of loops in each other, the outermost first. A nest is written out whole or stays whole.
pub fn nest(trips: &[usize]) -> u64 {
    let copies = trips.iter().fold(1usize, |all, &n| all.saturating_mul(n));
    if copies <= UNROLL { 0 } else { trips.iter().rev().fold(0, |inner, &n| n as u64 * (1 + inner)) }
}

/// Rounds of what a prompt is drawn by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    pub begin: u64,
    /// Of a token, and more of it for each that a prompt has.
    pub token: u64,
    pub slot: u64,
}

impl Drawing {
    /// Σ F g over a triangle is written out by rows.
    pub fn regression(dim: usize) -> Self {
        let (draw, triangle) = (one((dim + 4) / 4), if dim <= UNROLL { 0 } else { nest(&[dim, dim]) });
        // What is drawn from a pool and what is not both stand in the text.
        Drawing { begin: draw + 3 * one(dim), token: 2 * draw + triangle, slot: 0 }
    }

    /// Rows of a table are told from those taken before.
    pub fn tables(row4: usize) -> Self {
        Drawing { begin: 0, token: nest(&[row4, 4]), slot: 2 }
    }

    pub fn source_token(&self, shots: usize) -> u64 {
        self.token + self.slot * (shots as u64 + 1)
    }
}

/// Sizes that the rounds of a prompt depend on.
#[derive(Clone, Copy, Debug)]
pub struct Prompt {
    shape: Shape,
    shots: usize,
    /// Demonstrations that are drawn one after another.
    drawn: usize,
    source_begin: u64,
    source_token: u64,
}

impl Prompt {
    pub fn of(source: &Source, shape: Shape, shots: usize, drawn: usize) -> Self {
        let [source_begin, source_token] = source.rounds(shots);
        Prompt { shape, shots, drawn, source_begin, source_token }
    }

    /// Without a model.
    pub fn alone(source: &Source, shots: usize, drawn: usize) -> Self {
        Prompt::of(source, Shape { layers: 1, heads: 1, dim: source.dim() }, shots, drawn)
    }

    fn width(&self) -> usize {
        self.shape.width()
    }

    /// Of nests over [D], [D, D] and [D, D, D].
    fn cube(&self) -> [u64; 3] {
        let d = self.width();
        [one(d), nest(&[d, d]), nest(&[d, d, d])]
    }

    /// L H D², elements of `w_v`.
    fn tensors(&self) -> usize {
        self.shape.layers * self.shape.tensor()
    }

    fn middle_layers(&self) -> u64 {
        self.shape.layers as u64 - 1
    }

    fn heads(&self) -> u64 {
        self.shape.heads as u64
    }

    /// Drawn by their law, all is written out: only narrow models are.
    pub fn add_demonstrations(&self) -> u64 {
        self.drawn as u64 * (1 + self.source_token + self.cube()[1])
    }

    pub fn load_weights(&self) -> u64 {
        one(2 * self.tensors())
    }

    fn middle_forward(&self) -> u64 {
        let (d, [_, square, cube]) = (self.width(), self.cube());
        self.middle_layers() * (one(d * d) + self.heads() * 2 * cube + square + 2 * cube)
    }

    fn predict(&self) -> u64 {
        self.middle_forward() + self.heads() * self.cube()[1]
    }

    fn last_backward(&self) -> u64 {
        let (d, [line, square, _]) = (self.width(), self.cube());
        line + one(d * d) + self.heads() * 4 * square
    }

    fn middle_backward(&self) -> u64 {
        let [line, square, cube] = self.cube();
        self.middle_layers() * (4 * cube + square + line + self.heads() * 2 * cube)
    }

    fn descend(&self) -> u64 {
        self.predict() + self.last_backward() + self.middle_backward()
    }

    fn descend_alone(&self) -> u64 {
        self.heads() * 2 * self.cube()[1]
    }

    fn take_models(&self, models: &Models) -> u64 {
        models.group as u64 * (self.load_weights() + one(self.tensors()))
    }

    /// Both losses stand in the text, and both forms of the zero-shot one.
    fn descend_prompt(&self, entries: usize, models: &Models) -> u64 {
        let [line, square, _] = self.cube();
        let model = one(self.tensors()) + 2 * one(entries) + line + self.descend_alone() + self.descend();
        let draw = self.source_begin + self.source_token + line + square + self.add_demonstrations();
        draw + 2 * (square + models.group as u64 * model)
    }
}

/// How sums over invocations are made: [`Tuning`](crate::kernels::Tuning)'s subgroup, and the rows at a time.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    pub subgroup: usize,
    pub block: usize,
    /// Invocations whose sums are added up in workgroup memory, if they are.
    pub shared: Option<usize>,
}

impl Sums {
    fn sums_apart(&self) -> u64 {
        u64::from(self.subgroup.ilog2()) * one(self.subgroup / 2)
    }

    fn put_partials(&self) -> u64 {
        self.shared.map_or(self.sums_apart(), |workgroup| one(self.block) + workgroup as u64)
    }
}

/// Of `prompt_step`: `each` is the prompts of an invocation.
pub fn prompt_step(prompt: &Prompt, layout: &GradLayout, models: &Models, sums: &Sums, each: usize) -> u64 {
    let rows = (layout.entries + 2).div_ceil(sums.block) as u64;
    let put = one(layout.entries) + rows * (one(sums.block) + sums.put_partials());
    prompt.take_models(models)
        + each as u64 * (1 + prompt.descend_prompt(layout.entries, models))
        + models.group as u64 * put
}

/// Of a step of `prompt_train`, whose workgroup shares out the parameters, and of what is around all steps.
pub fn prompt_train(prompt: &Prompt, layout: &GradLayout, sums: &Sums, each: usize) -> (u64, u64) {
    let share = (2 * prompt.tensors()).div_ceil(sums.subgroup);
    let apart = sums.sums_apart();
    let gradient = match nest(&[share, sums.subgroup]) {
        0 => share as u64 * apart,
        kept => kept + share as u64 * apart,
    };
    let descend = each as u64 * (1 + prompt.descend_prompt(layout.entries, &Models::ONE));
    let step = 1 + prompt.load_weights() + one(layout.entries) + descend + gradient + 2 * one(share);
    (step, 2 * one(share))
}

/// Of `prompt_eval`: models of one layer and of more both stand in the text.
pub fn prompt_eval(prompt: &Prompt, models: &Models, each: usize) -> u64 {
    let (group, d, [line, square, _]) = (models.group as u64, prompt.width(), prompt.cube());
    let points = prompt.shots as u64 + 1;
    let token = prompt.source_token;
    let tested = group * (prompt.heads() * line + one(prompt.tensors()) + prompt.predict()) + square;
    let all = prompt.source_begin + token + line + group * prompt.heads() * square + one(d * d);
    prompt.take_models(models) + each as u64 * (1 + all + points * (1 + token + tested)) + group * points
}

/// Of `prompt_sample`.
pub fn prompt_sample(prompt: &Prompt) -> u64 {
    let (token, line) = (prompt.source_token, prompt.cube()[0]);
    prompt.source_begin + token + line + prompt.shots as u64 * (1 + token + line)
}

/// Of `prompt_moments`.
pub fn prompt_moments(prompt: &Prompt) -> u64 {
    let d = prompt.width();
    prompt.source_begin + prompt.source_token + 2 * one(d * d) + prompt.add_demonstrations()
}

#[cfg(test)]
mod tests {
    use super::super::loops::iterations;
    use super::super::prompt_eval;
    use super::super::prompt_step::{self, Buffers, Step};
    use super::*;
    use crate::gpu::{Buffer, Program, Recording};
    use crate::kernels::{KERNELS, VARIANTS};
    use crate::prompt::Loss;
    use crate::prompt::law::{Law, Regression, ThetaLaw};

    fn programs() -> Vec<(String, Program)> {
        let mut all = Vec::new();
        // What works on arrays in memory has lengths of its own.
        let counted = KERNELS.iter().filter(|kernel| matches!(kernel.wing, "shared" | "prompt"));
        for (variant, kernel) in VARIANTS.iter().flat_map(|v| counted.clone().map(move |k| (v, k))) {
            let cases = (kernel.cases)(variant).into_iter().map(|case| (case.name, case.recording));
            let benches = (kernel.benches)(variant).into_iter().map(|bench| (bench.name, bench.recording));
            for (name, recording) in cases.chain(benches) {
                let name = format!("{} {}: {name}", variant.name, kernel.stem);
                all.extend(recording.dispatches().map(|launch| (name.clone(), launch.program.clone())));
            }
        }
        all
    }

    /// Steps and tests of models so wide or deep that nests stay loops.
    fn wide() -> Vec<(String, Program)> {
        let mut all = Vec::new();
        for (dim, layers, heads, shots) in [(9, 3, 2, 4), (21, 1, 2, 30), (25, 2, 1, 3), (600, 1, 1, 2)] {
            let factor = Some((0..dim * dim).map(|i| i as f32).collect());
            let law = Regression { key: 1, dim, noise: 0.1, theta: ThetaLaw::Sphere, factor, pool: None };
            let source = Source::new(&Law::Regression(law));
            let shape = Shape { layers, heads, dim };
            let models = Models { count: 2, group: 2 };
            let layout = GradLayout::full(shape);
            let step = Step { layout, shots, batch: 100, loss: Loss::ZsFs, models };
            let (word, out) = (Buffer::words("word", 1), Buffer::words("out", 1));
            let buffers = Buffers { weights: &word, state: &word, schedule: &word, partials: &out };
            let tuning = &VARIANTS[0];
            let lanes = prompt_step::lanes(&source, &step, tuning);
            let eval = prompt_eval::Eval { source: &source, shape, shots, batch: 70, models };
            let recordings = [
                prompt_step::record(&source, &step, &buffers, lanes, tuning),
                eval.record(&word, &out, eval.lanes(tuning), tuning),
            ];
            let launches = recordings.iter().flat_map(Recording::dispatches);
            all.extend(launches.map(|launch| (format!("d = {dim}, L = {layers}"), launch.program.clone())));
        }
        all
    }

    /// What is counted from sizes is what the texts say.
    #[test]
    fn sizes_tell_what_texts_do() {
        let mut all = programs();
        assert!(all.len() > 500);
        all.extend(wide());
        for (name, program) in all {
            assert_eq!(program.loops, iterations(&program.wgsl, program.entry), "{name}");
        }
    }

    #[test]
    fn nests_are_written_out_whole_or_stay() {
        assert_eq!((nest(&[7, 7, 7]), nest(&[8, 8, 8]), nest(&[9, 9])), (0, 0, 0));
        assert_eq!(nest(&[9, 9, 9]), 9 * (1 + 9 * (1 + 9)));
        assert_eq!((one(512), one(513)), (0, 513));
        assert_eq!(Drawing::regression(600).token, 600 * 601);
    }
}
