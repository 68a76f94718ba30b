//! Which family an experiment is of.

use super::{Experiment, Family};
use crate::config::{Config, Task};
use crate::error::{Error, Result};
use crate::interrupt;

/// Most parameters of all models of a sweep's cells: what is trained of each is listed before anything runs.
const PARAMETERS: u128 = 1 << 28;

/// Makes the experiment of a configuration ready.
///
/// # Errors
/// What is wrong with its data or its patterns.
pub fn open(config: Config) -> Result<Box<dyn Family>> {
    Ok(Box::new(Experiment::open(config)?))
}

/// Makes all cells of a sweep ready, unless their models are too large to list.
///
/// # Errors
/// They are; what is wrong with one of them; [`Error::Interrupted`].
pub fn cells(cells: Vec<Config>) -> Result<Vec<Box<dyn Family>>> {
    // As wide as the first, which alone has been read.
    let first = cells.first().map(|cell| Experiment::open(cell.clone())).transpose()?;
    let Some(first) = first else { return Ok(Vec::new()) };
    let width = |cell: &Config| match &cell.task {
        Task::Regression(task) => task.dim + 2,
        Task::Own(task) => task.dim + 2,
        Task::Tables(_) => first.problem.dim + 2,
    };
    let (all, total) = (cells.len(), cells.iter().map(|cell| cell.parameters(width(cell))).sum::<u128>());
    if total > PARAMETERS {
        let what =
            format!("the models of {all} cells have {total} parameters, more than {PARAMETERS} in all");
        return Err(Error::Usage(format!("{what}; sweep fewer values, or smaller models")));
    }
    let mut experiments: Vec<Box<dyn Family>> = vec![Box::new(first)];
    for cell in cells.into_iter().skip(1) {
        interrupt::check(|| "the opening of a sweep's cells".into())?;
        experiments.push(open(cell)?);
    }
    Ok(experiments)
}
