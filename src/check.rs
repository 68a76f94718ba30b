//! Parity of every kernel with its reference on one device. `floe check` and the tests share it.

use crate::compare::{self, Distance};
use crate::error::{Error, Result};
use crate::gpu::Engine;
use crate::kernels::prompt::{own, prompt_sample};
use crate::kernels::{CANARIES, Case, Expect, KEPT, KERNELS, Kernel, POISON, Tuning, Values};
use crate::prompt::law::Law;

/// Outcome of one case.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel's stem.
    pub kernel: &'static str,
    /// The case, by its sizes.
    pub case: String,
    /// The largest over the case's outputs.
    pub distance: Option<Distance>,
    /// Why the case is red; empty if it is green.
    pub failure: String,
}

impl Row {
    /// Whether the case is green.
    pub fn passes(&self) -> bool {
        self.failure.is_empty()
    }
}

/// Runs every case of every kernel whose name, `<kernel>: <case>`, contains one of `only`; all if it is empty. Gives each
/// row away as the case ends, while the next may take long to compile.
///
/// # Errors
/// A part that is in no name; else only a device failure: a wrong number is a red row.
pub fn all(
    engine: &Engine,
    tuning: &Tuning,
    only: &[String],
    mut done: impl FnMut(&Row) -> Result<()>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut unused: Vec<&str> = only.iter().map(String::as_str).collect();
    for kernel in KERNELS {
        // A kernel that the variant doesn't use has no cases.
        unused.retain(|part| part.is_empty() || !kernel.stem.contains(part));
        for case in (kernel.cases)(tuning) {
            let name = format!("{}: {}", kernel.stem, case.name);
            unused.retain(|part| part.is_empty() || !name.contains(part));
            if only.is_empty() || only.iter().any(|part| name.contains(part.as_str())) {
                let row = run(kernel.stem, case, engine)?;
                done(&row)?;
                rows.push(row);
            }
        }
    }
    match unused.first() {
        None if rows.is_empty() => {
            Err(Error::Usage(format!("variant `{}` doesn't use that kernel; it has no case", tuning.name)))
        }
        None => Ok(rows),
        Some(part) => {
            let stems: Vec<&str> = KERNELS.iter().map(|k| k.stem).collect();
            Err(Error::Usage(format!("`{part}` is in no case's name; kernels are {}", stems.join(", "))))
        }
    }
}

/// Runs every case of one kernel.
pub fn of(kernel: &Kernel, engine: &Engine, tuning: &Tuning) -> Result<Vec<Row>> {
    (kernel.cases)(tuning).into_iter().map(|case| run(kernel.stem, case, engine)).collect()
}

/// Draws prompts of a law on the device and on the host, which must be the same: what holds the two halves of an
/// [`OwnLaw`](crate::prompt::own::OwnLaw) together.
///
/// # Errors
/// [`Error::Config`] for a law that can't be compiled; a device failure. Prompts that differ are red rows.
pub fn law(law: &Law, engine: &Engine, tuning: &Tuning) -> Result<Vec<Row>> {
    let sizes = [(0, 5, 0), (1, 37, 11), (6, 64, 3)];
    own::check(law, 6)?;
    let case = |(shots, batch, step)| {
        let name = format!("{batch} prompts, n = {shots}, step {step}");
        run("prompt_sample", prompt_sample::case(name, law, (shots, batch, step), tuning), engine)
    };
    sizes.into_iter().map(case).collect()
}

/// Runs one case.
pub fn run(kernel: &'static str, case: Case, engine: &Engine) -> Result<Row> {
    let mut row = Row { kernel, case: case.name.clone(), distance: None, failure: String::new() };
    let case = match case.guarded() {
        Ok(case) => case,
        Err(why) => return Ok(Row { failure: why, ..row }),
    };
    engine.submit(&case.recording, 1)?;
    for expect in &case.expect {
        let words: Vec<u32> = engine.read(&expect.buffer)?;
        match compare(&words, expect) {
            Ok(found) => {
                let worst = row.distance.unwrap_or(found);
                let distance = Distance { rms: worst.rms.max(found.rms), max: worst.max.max(found.max) };
                if !found.passes() {
                    row.failure = format!("`{}` is off", expect.buffer.label());
                }
                row.distance = Some(distance);
            }
            Err(why) => row.failure = format!("`{}`: {why}", expect.buffer.label()),
        }
    }
    Ok(row)
}

/// Compares the words of a guarded buffer with what is expected, and sees that the words behind are untouched.
pub fn compare(words: &[u32], expect: &Expect) -> std::result::Result<Distance, String> {
    let length = match &expect.values {
        Values::F32(values) => values.len(),
        Values::U32(values) => values.len(),
        Values::Passing(words) => *words,
    };
    let Some((found, behind)) = words.split_at_checked(length) else {
        return Err(format!("{} words where {length} are expected", words.len()));
    };
    let (before, canaries) = expect.buffer.contents().split_at_checked(length).unwrap_or_default();
    if canaries.len() < CANARIES || canaries[canaries.len() - CANARIES..] != [POISON; CANARIES] {
        return Err("has no canaries".into());
    }
    if behind.get(..canaries.len()) != Some(canaries) {
        return Err("written past its end".into());
    }
    match &expect.values {
        Values::F32(values) => floats(found, before, values),
        Values::U32(values) => match found.iter().zip(values).position(|(f, e)| f != e) {
            Some(i) => Err(format!("{:#x} at {i} where {:#x} is expected", found[i], values[i])),
            None => Ok(Distance { rms: 0.0, max: 0.0 }),
        },
        Values::Passing(_) => Ok(Distance { rms: 0.0, max: 0.0 }),
    }
}

/// Words as numbers, those that are [`KEPT`] to the bit.
fn floats(found: &[u32], before: &[u32], values: &[f64]) -> std::result::Result<Distance, String> {
    let kept = |i: &usize| values[*i].to_bits() == KEPT.to_bits();
    let (same, other): (Vec<usize>, Vec<usize>) = (0..values.len()).partition(kept);
    if let Some(i) = same.into_iter().find(|&i| found[i] != before[i]) {
        return Err(format!(
            "{:#x} at {i}, which is not its to write: {:#x} stood there",
            found[i], before[i]
        ));
    }
    let found: Vec<f32> = other.iter().map(|&i| f32::from_bits(found[i])).collect();
    compare::distance(&found, &other.iter().map(|&i| values[i]).collect::<Vec<_>>())
}
