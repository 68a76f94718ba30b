//! What a fine-tuning method is: trained set, objective and schedule, resolved against a model. Plain data.

use crate::config::{Config, Loss, Method, Schedule};
use crate::error::{Error, Result};
use crate::models::prompt::Plan;
use crate::params::{ParamTable, Spans, mask};
use crate::tasks::Problem;

/// Pre-training of an experiment.
pub fn pretraining(config: &Config, table: &ParamTable, problem: &Problem) -> Plan {
    Plan {
        law: problem.pretrain.clone(),
        loss: Loss::Fs,
        weight: 1.0,
        schedule: Schedule::Constant,
        steps: config.pretrain.steps,
        batch: config.pretrain.batch,
        shots: config.pretrain.shots,
        optimizer: config.pretrain.optimizer.clone(),
        train: Spans::all(table.len()),
    }
}

/// Fine-tuning by one method.
///
/// # Errors
/// A train pattern that fits no parameter; the message names the method.
pub fn finetuning(config: &Config, method: &Method, table: &ParamTable, problem: &Problem) -> Result<Plan> {
    let train = mask::resolve(&method.train, table)
        .map_err(|e| Error::config(format!("method `{}`", method.name), e))?;
    let mut optimizer = method.optimizer.clone().unwrap_or_else(|| config.finetune.optimizer.clone());
    if let Some(lr) = method.lr {
        optimizer.lr = lr;
    }
    Ok(Plan {
        law: problem.finetune.clone(),
        loss: method.loss,
        weight: method.weight,
        schedule: method.schedule,
        steps: method.steps.unwrap_or(config.finetune.steps),
        batch: config.finetune.batch,
        shots: config.finetune.shots,
        optimizer,
        train,
    })
}
