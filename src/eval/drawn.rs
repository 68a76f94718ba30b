//! Reference predictors on prompts of a law of one's own, which the host draws.

use super::predictions;
use crate::config::Config;
use crate::error::Result;
use crate::interrupt;
use crate::prompt::law::Law;
use crate::prompt::own::Own;
use crate::store::scores::Row;
use crate::tasks::baselines::Predictors;
use crate::tasks::tables::{Group, TableData};
use crate::tasks::{Problem, Test};

/// Pre-training prompts that the predictors learn from.
const LEARNT: u32 = 2000;
/// Most prompts of a test that they predict; the models' own may be many more.
const PREDICTED: usize = 20_000;

/// The predictors' errors on every test. None where a law is another's: its prompts are not drawn here.
pub(super) fn references(config: &Config, problem: &Problem) -> Result<Vec<Row>> {
    let (eval, Law::Own(pretrain)) = (&config.eval, &problem.pretrain) else { return Ok(Vec::new()) };
    let mut data = TableData::bare(problem.dim);
    for prompt in 0..LEARNT {
        let rows = draw(&mut data, pretrain, prompt, eval.shots)?;
        data.pretrain.push(Group { name: String::new(), start: rows[0], len: rows.len() as u32 });
    }
    let predictors = Predictors::fit(&data, eval.shots)?;
    let each = eval.prompts.min(PREDICTED.div_ceil(eval.seeds)) as u32;
    let learnt = data.rows.len();
    let mut found = Vec::new();
    for test in &problem.tests {
        data.rows.truncate(learnt);
        let prompts = prompts(&mut data, test, (eval.seeds, each), eval.shots)?;
        found.extend(predictions(&predictors.errors(&data, prompts.into_iter())?, test, eval.shots));
    }
    Ok(found)
}

/// The first `each` prompts of each seed of a test, as rows.
fn prompts(
    data: &mut TableData,
    test: &Test,
    (seeds, each): (usize, u32),
    shots: usize,
) -> Result<Vec<Vec<u32>>> {
    let mut all = Vec::new();
    for repeat in 0..seeds {
        if let Law::Own(own) = test.law(repeat) {
            for prompt in 0..each {
                all.push(draw(data, &own, prompt, shots)?);
            }
        }
    }
    Ok(all)
}

/// Adds a prompt to the rows, and returns which they are, the query's first.
fn draw(data: &mut TableData, own: &Own, prompt: u32, shots: usize) -> Result<Vec<u32>> {
    interrupt::check(|| "the reference predictors".into())?;
    let first = (data.rows.len() / (data.dim + 1)) as u32;
    for (x, y) in own.law.draw(prompt, 0, own.key, shots) {
        data.rows.extend(x.iter().chain([&y]).map(|&value| value as f32));
    }
    Ok((first..=first + shots as u32).collect())
}
