//! The page of a run on a language model: what was trained, what came of it, what moved.

mod figures;
mod words;

use super::drawn::Drawn;
use super::{figures as shown, keys, render, set_off};
use crate::bounded::{self, Lines};
use crate::config::{TextConfig, resolve_language};
use crate::error::{Error, Result};
use crate::findings::{duration, grouped};
use crate::plot::{Figure, number};
use crate::store::methods::{MethodFacts, Methods, Sample};
use crate::store::metrics::{LINE, Line};
use crate::store::records::{self, RunInfo};
use crate::units::megabytes;
use minijinja::{Value, context};
use std::path::Path;

/// A run in memory, as files have it.
struct Data {
    config: TextConfig,
    run: RunInfo,
    record: Methods,
    lines: Vec<Line>,
}

/// Whether a directory has a run on a language model.
pub fn is_language(dir: &Path) -> bool {
    dir.join("methods.json").exists()
}

/// Reads the run in `dir` and writes its page and figures: all of them or none.
///
/// # Errors
/// A file that is not there, or is none of a run's; one that can't be written.
pub fn write(dir: &Path) -> Result<()> {
    draw(dir)?.save()
}

/// Reads the run in `dir` and draws its page, writing nothing.
///
/// # Errors
/// As [`write()`].
pub fn draw(dir: &Path) -> Result<Drawn> {
    let data = read(dir)?;
    let losses = figures::losses(&data.lines, &data.record);
    // Of a model from scratch everything has.
    let moved = if data.record.baselines.is_empty() { figures::moved(&data.record) } else { Vec::new() };
    let together = figures::together(&data.lines, &data.record);
    let html = page(dir, &data, [&losses, together.as_slice(), &moved])?;
    Ok(Drawn::new(dir, losses.iter().chain(&together).chain(&moved), &html))
}

fn read(dir: &Path) -> Result<Data> {
    let text = |name: &str| {
        let path = dir.join(name);
        bounded::text(&path, bounded::TABLE).map_err(|e| Error::file(&path, format!("can't be read: {e}")))
    };
    let config =
        resolve_language(&dir.join("config.toml").display().to_string(), &text("config.toml")?, &[])?;
    let run: RunInfo = records::parse(&dir.join("run.json"), &text("run.json")?)?;
    let record: Methods = records::parse(&dir.join("methods.json"), &text("methods.json")?)?;
    let mut lines = Vec::new();
    if let Ok(mut file) = Lines::open(&dir.join("metrics.jsonl"), LINE) {
        while let Some(line) = file.next_line().map_err(|e| Error::file(dir.join("metrics.jsonl"), e))? {
            lines.extend(serde_json::from_str::<Line>(line));
        }
    }
    Ok(Data { config, run, record, lines })
}

fn page(dir: &Path, data: &Data, [losses, together, moved]: [&[Figure]; 3]) -> Result<String> {
    let record = &data.record;
    let names: Vec<String> = record.methods.iter().map(|method| method.name.clone()).collect();
    let conclusion = words::conclusion(record);
    let values = context! {
        summary => summary(data),
        conclusion => conclusion.iter().map(|sentence| set_off(sentence, &names)).collect::<Vec<Value>>(),
        methods => record.methods.iter().map(|method| row(record, method)).collect::<Vec<Value>>(),
        before => record.before.as_ref().and_then(|judged| judged.loss).map(|loss| words::with_error(loss.mean, loss.stderr)),
        losses => shown(losses),
        losses_legend => keys(&figures::legend(record)),
        together => shown(together),
        together_legend => keys(together.first().map_or(&[], |figure| &figure.legend)),
        scratch => !record.baselines.is_empty(),
        moved => shown(moved),
        samples => samples(record),
        checks => checks(record),
        memory => record.methods.iter().map(memory).collect::<Vec<Value>>(),
    };
    render(dir, include_str!("language/page.html"), values)
}

fn summary(data: &Data) -> Value {
    let (record, run) = (&data.record, &data.run);
    let task = &data.config.task;
    let finetune = &data.config.finetune;
    let device = &run.device;
    let files = record.data.files.join(", ");
    let kind = [device.kind.as_str(), device.backend.as_str()].into_iter().filter(|word| !word.is_empty());
    let kind = kind.collect::<Vec<_>>().join(", ");
    let (train, kept) = (&record.data.train, &record.data.validation);
    let facts: Vec<(&str, String)> = vec![
        (
            "Model",
            format!(
                "{}, {} parameters, {}, {}",
                record.model.name,
                grouped(record.model.parameters),
                record.model.architecture,
                record.model.format
            ),
        ),
        (
            "Text",
            format!(
                "{files}: {} sequences of {} tokens, {} count",
                grouped(train.sequences as u64),
                grouped(train.tokens as u64),
                grouped(train.counted as u64)
            ),
        ),
        (
            "Kept back",
            format!(
                "{} sequences, {} tokens count",
                grouped(kept.sequences as u64),
                grouped(kept.counted as u64)
            ),
        ),
        (
            "Too long",
            match (record.data.dropped, record.data.cut) {
                (0, 0) => String::new(),
                (dropped, cut) => format!("{dropped} left out, {cut} cut"),
            },
        ),
        (
            "A step",
            format!(
                "{} rows of {} tokens{}",
                finetune.batch * finetune.accumulate,
                task.context,
                if task.pack { ", packed" } else { " at most" }
            ),
        ),
        ("Optimizer", words::optimizer(&finetune.optimizer)),
        ("Seed", data.config.seed.to_string()),
        ("Device", if kind.is_empty() { device.name.clone() } else { format!("{} ({kind})", device.name) }),
        ("Driver", format!("{} {}", device.driver, device.driver_info).trim().to_string()),
        ("Variant", run.variant.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_string()),
        ("Training time", duration(run.wall_s)),
    ];
    let facts: Vec<(&str, String)> = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    context! {
        title => words::title(record),
        explanation => words::explanation(record),
        brief => vec![
            format!("{} parameters", grouped(record.model.parameters)),
            format!("{} tokens to train on", grouped(train.tokens as u64)),
            format!("seed {}", data.config.seed),
            device.name.clone(),
            duration(run.wall_s),
        ],
        facts => facts,
        floe => run.floe.clone(),
        seed => data.config.seed,
    }
}

fn row(record: &Methods, method: &MethodFacts) -> Value {
    let coverage = method.coverage.as_ref();
    // An adapter's elements are beside the model's; of models from scratch each has its own number.
    let own = coverage.map_or(0, |coverage| coverage.total);
    let all = record.model.parameters.max(if words::is_scratch(record) { own as u64 } else { 1 });
    let share = |trained: usize| 100.0 * trained as f64 / all as f64;
    let speed = method.tokens as f64 / method.train_s.max(1e-9);
    context! {
        name => method.name.clone(),
        trains => method.trains.clone(),
        trained => coverage.map(|c| format!("{} ({} %)", grouped(c.trained as u64), number(share(c.trained)))),
        places => coverage.map(|c| format!("{} of {} tensors", c.matched, c.tensors)),
        after => method.after.loss.map(|loss| words::with_error(loss.mean, loss.stderr)),
        bits => method.after.loss.and_then(words::bits),
        steps => grouped(method.steps),
        kept => if method.kept_step < method.steps { format!("kept: before step {}", method.kept_step) } else { String::new() },
        speed => grouped(speed.round() as u64),
        roof => words::roof(record, method),
        time => duration(method.train_s),
        written => method.written.clone(),
    }
}

fn samples(record: &Methods) -> Vec<Value> {
    let Some(before) = &record.before else { return Vec::new() };
    let said = |name: &str, sample: &Sample, first: bool| context! { name => name, said => sample.said.clone(), first => first };
    let one = |(i, sample): (usize, &Sample)| {
        let mut all = vec![said("before", sample, true)];
        for method in &record.methods {
            let ways = method.on_the_way.iter().filter_map(|(step, samples)| Some((step, samples.get(i)?)));
            all.extend(
                ways.map(|(step, sample)| said(&format!("{}, step {step}", method.name), sample, true)),
            );
        }
        let after = record.methods.iter().filter_map(|method| Some((method, method.after.samples.get(i)?)));
        all.extend(after.map(|(method, sample)| said(&method.name, sample, false)));
        context! { prompt => sample.prompt.clone(), all => all }
    };
    before.samples.iter().enumerate().map(one).collect()
}

fn checks(record: &Methods) -> Vec<Value> {
    let all = record.methods.iter().flat_map(|method| method.check.iter().map(move |slope| (method, slope)));
    all.map(|(method, slope)| {
        context! {
            method => method.name.clone(),
            group => slope.group.clone(),
            gradient => format!("{:.5e}", slope.gradient),
            slope => format!("{:.5e}", slope.slope),
            off => format!("{:.1e}", (slope.gradient - slope.slope).abs()),
            allowed => format!("{:.1e}", slope.allowed),
        }
    })
    .collect()
}

fn memory(method: &MethodFacts) -> Value {
    let all: u64 = method.planned.iter().map(|(_, bytes)| bytes).sum();
    let large = |(_, bytes): &&(String, u64)| bytes * 50 >= all;
    let mut rows: Vec<(String, String)> = method
        .planned
        .iter()
        .filter(large)
        .map(|(label, bytes)| (label.clone(), megabytes(*bytes)))
        .collect();
    let rest: u64 = method.planned.iter().filter(|row| !large(row)).map(|(_, bytes)| bytes).sum();
    if rest > 0 {
        rows.push(("the rest".into(), megabytes(rest)));
    }
    context! {
        name => method.name.clone(),
        rows => rows,
        planned => megabytes(all),
        held => megabytes(method.held),
    }
}
