//! Sampled test errors of models: launches of bounded length, in submissions of bounded time, added up in a fixed order.

use super::Evaluator;
use crate::config::QueryKey;
use crate::error::Result;
use crate::gpu::{Buffer, Pace, ReadBack, Recording};
use crate::interrupt;
use crate::kernels::prompt::{Source, prompt_eval, qk};
use crate::prompt::shape::{Models, Shape};
use std::ops::Range;
use std::time::Instant;

/// Most launches a submission: their sums take memory.
const LAUNCHES: u64 = 64;

/// Sums of the squared error and of its square, of one model on one test: [2, shots + 1].
pub type Sums = Vec<f64>;

/// A launch: the test, its evaluation seed, and which of its prompts.
struct Part {
    test: usize,
    repeat: usize,
    prompts: Range<usize>,
}

/// What all launches share.
struct Setup {
    shape: Shape,
    models: Models,
    weights: Buffer,
    /// Most prompts of a launch.
    batch: usize,
}

/// A launch of each test, of a single model.
pub fn launches(evaluator: &Evaluator) -> Vec<Recording> {
    let (setup, _) = evaluator.setup(&[&[]]);
    let of = |test| {
        let part = Part { test, repeat: 0, prompts: 0..setup.batch };
        evaluator.record(&setup, &part, &mut None).2
    };
    (0..evaluator.problem.tests.len()).map(of).collect()
}

impl Setup {
    fn launch<'a>(&self, source: &'a Source, shots: usize) -> prompt_eval::Eval<'a> {
        prompt_eval::Eval { source, shape: self.shape, shots, batch: self.batch, models: self.models }
    }
}

/// Sums of some models, [models][tests], all on the same prompts.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted); a limit of the device, or its failure.
pub fn sums(evaluator: &Evaluator, arenas: &[&[f32]]) -> Result<Vec<Vec<Sums>>> {
    let most = evaluator.most();
    // Even batches: the last one's program may then be that of the others.
    let size = arenas.len().div_ceil(arenas.len().div_ceil(most).max(1)).max(1);
    let mut all = Vec::new();
    for (number, batch) in arenas.chunks(size).enumerate() {
        all.extend(evaluator.batch(batch, (number * size, arenas.len()))?);
    }
    Ok(all)
}

impl Evaluator<'_> {
    fn shape(&self) -> Shape {
        let model = &self.config.model;
        Shape { layers: model.layers, heads: model.heads, dim: self.problem.dim }
    }

    /// Most prompts of a launch: the least that any test asks for.
    fn launch(&self) -> usize {
        let (shape, eval) = (self.shape(), &self.config.eval);
        let of = |test: &crate::tasks::Test| prompt_eval::prompts(&test.law(0), &shape, eval.shots);
        let most = self.problem.tests.iter().map(of).min().unwrap_or(1).min(eval.prompts);
        // Parts of one size, but for the last, which may lack a few.
        eval.prompts.div_ceil(eval.prompts.div_ceil(most))
    }

    /// Most models of a launch.
    fn most(&self) -> usize {
        let (shape, bytes) = (self.shape(), self.engine.uniform_bytes());
        let sizes = (self.config.eval.shots, self.launch());
        let of = |test: &crate::tasks::Test| {
            prompt_eval::together(&test.law(0), &shape, sizes, bytes, &self.tuning)
        };
        self.problem.tests.iter().map(of).min().unwrap_or(1)
    }

    /// As many models as one launch takes.
    fn batch(&self, arenas: &[&[f32]], (before, all): (usize, usize)) -> Result<Vec<Vec<Sums>>> {
        let (eval, points) = (&self.config.eval, self.config.eval.shots + 1);
        let (setup, mut first) = self.setup(arenas);
        let parts = eval.prompts.div_ceil(setup.batch);
        let (tests, seeds, batch) = (self.problem.tests.len(), eval.seeds, setup.batch);
        let mut todo = (0..tests)
            .flat_map(move |test| (0..seeds).map(move |repeat| (test, repeat)))
            .flat_map(move |(test, repeat)| {
                (0..parts).map(move |part| {
                    let prompts = part * batch..((part + 1) * batch).min(eval.prompts);
                    Part { test, repeat, prompts }
                })
            });
        let mut sums = vec![vec![vec![0.0; 2 * points]; tests]; arenas.len()];
        let (mut pace, mut source) = (Pace::new(LAUNCHES), None);
        let mut pending: Option<Vec<(usize, ReadBack, usize)>> = None;
        loop {
            interrupt::check(|| format!("the evaluation, {before} of {all} models tested"))?;
            let (began, mut recording) = (Instant::now(), std::mem::take(&mut first));
            let mut outs = Vec::new();
            for part in todo.by_ref().take(pace.size as usize) {
                let (out, lanes, launch) = self.record(&setup, &part, &mut source);
                recording.extend(launch);
                outs.push((part.test, out, lanes));
            }
            let last = outs.is_empty();
            if !last {
                self.engine.submit(&recording, 1)?;
            }
            let read = |(test, out, lanes): &(usize, Buffer, usize)| {
                Ok((*test, self.engine.read_later(out)?, *lanes))
            };
            let reads = outs.iter().map(read).collect::<Result<Vec<_>>>()?;
            // Those of the submission before, while this one runs.
            for (test, ticket, lanes) in pending.replace(reads).into_iter().flatten() {
                let words: Vec<f32> = self.engine.finish(ticket)?;
                add(&mut sums, test, &words, lanes);
            }
            pace.took(began.elapsed());
            if last {
                return Ok(sums);
            }
        }
    }

    /// The weights of models, and what makes them.
    fn setup(&self, arenas: &[&[f32]]) -> (Setup, Recording) {
        let shape = self.shape();
        let models = prompt_eval::models(&shape, arenas.len(), &self.tuning);
        let stride = self.table.len().next_multiple_of(4);
        let mut arena = vec![0.0; models.places() * stride];
        for (own, params) in arena.chunks_mut(stride).zip(arenas) {
            own[..params.len()].copy_from_slice(params);
        }
        let params = Buffer::holding("params", &arena);
        let (weights, recording) = match self.config.model.qk {
            QueryKey::Merged => (params, Recording::default()),
            QueryKey::Separate => {
                let weights = Buffer::words("weights", models.places() * shape.weights_stride());
                let places = (models.count, stride);
                let recording = qk::record_fwd(&shape, places, &params, &weights, &self.tuning);
                (weights, recording)
            }
        };
        (Setup { shape, models, weights, batch: self.launch() }, recording)
    }

    /// A launch with its sums and lanes. `source` is the last one's, made anew for other prompts.
    fn record(
        &self,
        setup: &Setup,
        part: &Part,
        source: &mut Option<((usize, usize), Source, usize)>,
    ) -> (Buffer, usize, Recording) {
        let asked = (part.test, part.repeat);
        if source.as_ref().is_none_or(|(made, ..)| *made != asked) {
            let new = Source::new(&self.problem.tests[part.test].law(part.repeat));
            let lanes = setup.launch(&new, self.config.eval.shots).lanes(&self.tuning);
            *source = Some((asked, new, lanes));
        }
        let (_, source, lanes) = source.as_ref().expect("just set");
        let (launch, lanes) = (setup.launch(source, self.config.eval.shots), *lanes);
        let out = Buffer::words("sums", launch.words(lanes));
        let recording = launch.record_part(part.prompts.clone(), (&setup.weights, &out), lanes, &self.tuning);
        (out, lanes, recording)
    }
}

/// Adds a launch's sums [places, 2, shots + 1, lanes].
fn add(sums: &mut [Vec<Sums>], test: usize, words: &[f32], lanes: usize) {
    let rows = sums.first().map_or(0, |own| own[test].len());
    for (own, words) in sums.iter_mut().zip(words.chunks(rows * lanes)) {
        for (sum, lanes) in own[test].iter_mut().zip(words.chunks(lanes)) {
            *sum += lanes.iter().map(|&x| x as f64).sum::<f64>();
        }
    }
}
