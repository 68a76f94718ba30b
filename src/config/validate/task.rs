//! Of a task.

use super::range::{Check, count, fail, fits, not_negative, share};
use crate::config::{Covariance, OwnTask, Regression, Tables};

/// Most covariates: two matrices of (d + 2)² parameters.
const MOST_DIM: usize = 1446;

fn check_dim(dim: usize) -> Check {
    count("task.dim", dim as u64)?;
    if dim > MOST_DIM {
        let message = format!("is {dim}; at most {MOST_DIM}, or a matrix would have too many numbers");
        return fail("task.dim", message);
    }
    Ok(())
}

impl OwnTask {
    pub(super) fn check(&self) -> Check {
        check_dim(self.dim)
    }
}

impl Regression {
    pub(super) fn check(&self) -> Check {
        check_dim(self.dim)?;
        not_negative("task.noise", self.noise)?;
        count("task.pool", self.pool as u64)?;
        let what = format!("{} pairs of {} + 1 numbers", self.pool, self.dim);
        fits("task.pool", &what, &[self.pool as u64, self.dim as u64 + 1])?;
        match &self.covariance {
            Covariance::Identity => Ok(()),
            Covariance::Diagonal(diagonal) => {
                let path = "task.covariance";
                if diagonal.len() != self.dim {
                    let message = format!("has a diagonal of {} numbers; task.dim asks for", diagonal.len());
                    return fail(path, format!("{message} {}", self.dim));
                }
                diagonal.iter().try_for_each(|v| not_negative(path, *v))?;
                match diagonal.iter().any(|v| *v > 0.0) {
                    true => Ok(()),
                    false => fail(
                        path,
                        "is all zero, so every x would be 0; give some covariate a variance".into(),
                    ),
                }
            }
            Covariance::File(path) if path.as_os_str().is_empty() => {
                fail("task.covariance", "has an empty file name; give the path of a d×d CSV file".into())
            }
            Covariance::File(_) => Ok(()),
        }
    }
}

impl Tables {
    pub(super) fn check(&self) -> Check {
        if self.task_column.is_empty() {
            return fail("task.task_column", "is empty; name the column that tells the tasks apart".into());
        }
        if self.task_column == self.target_column {
            return fail("task.target_column", "is the task column; name the column to predict".into());
        }
        if self.log1p.contains(&self.task_column) {
            return fail("task.log1p", "has the task column in it, which holds names".into());
        }
        for (i, name) in self.features.iter().enumerate() {
            let why = match name {
                name if name.is_empty() => "has an empty name in it; name columns",
                name if *name == self.task_column => {
                    "has the task column in it, which holds names; leave it out"
                }
                name if *name == self.target_column => "has the column to predict in it; leave it out",
                name if self.features[..i].contains(name) => "has a column twice; leave one out",
                _ => continue,
            };
            return fail("task.features", format!("{why} (\"{name}\")"));
        }
        share("task.heldout", self.heldout)?;
        share("task.target_test", self.target_test)
    }
}
