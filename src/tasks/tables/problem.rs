//! The experiment on a table: which rows each phase draws prompts from.

use super::{Group, TableData, load_read};
use crate::config::Tables;
use crate::error::Result;
use crate::fingerprint::Data;
use crate::prompt::law::{self, Law};
use crate::random::rng::{Stream, key};
use crate::tasks::{Known, Problem, tests};
use serde_json::json;
use std::sync::Arc;

/// Pre-trains on many tasks, fine-tunes on rows of one, tests on its other rows (`target`) and on tasks never seen
/// (`heldout`). `rows_needed` is n + 1.
pub fn open(task: &Tables, seed: u64, rows_needed: usize) -> Result<Problem> {
    let (data, file) = load_read(task, seed, rows_needed)?;
    let rows = Arc::new(data.rows.clone());
    let draw = |stream, groups: &[Group]| {
        Law::Tables(law::Tables {
            key: key(seed, stream, 0),
            dim: data.dim,
            rows: rows.clone(),
            groups: groups.iter().map(|g| [g.start, g.len]).collect(),
            replacement: task.replacement,
        })
    };
    let laws = vec![
        ("target", draw(Stream::Eval, std::slice::from_ref(&data.target_test))),
        ("heldout", draw(Stream::Eval, &data.heldout)),
    ];
    Ok(Problem {
        dim: data.dim,
        pretrain: draw(Stream::Pretrain, &data.pretrain),
        finetune: draw(Stream::Finetune, std::slice::from_ref(&data.target_train)),
        tests: tests(seed, laws),
        description: data.description(),
        facts: facts(&data),
        read: Data {
            files: vec![file],
            columns: data.columns.iter().chain([&data.target_column]).cloned().collect(),
            standardisation: Data::standardised(&data.mean, &data.std),
        },
        known: Known::Tables(Box::new(data)),
    })
}

fn facts(data: &TableData) -> std::collections::BTreeMap<String, serde_json::Value> {
    let dropped = [
        ("dropped_rows", json!(data.dropped.rows)),
        ("dropped_by_column", json!(data.dropped.by_column)),
        ("dropped_tasks", json!(data.dropped_tasks)),
    ];
    let facts = [
        ("target", json!(data.target_train.name)),
        ("pretrain_tasks", json!(data.pretrain.len())),
        ("heldout_tasks", json!(data.heldout.len())),
        ("features", json!(data.columns)),
        ("target_column", json!(data.target_column)),
    ];
    // Of tables that drop nothing there is nothing to tell.
    let dropped = dropped.into_iter().filter(|_| data.dropped.rows > 0);
    facts.into_iter().chain(dropped).map(|(k, v)| (k.to_string(), v)).collect()
}
