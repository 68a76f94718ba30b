//! What was swept, in words, and what came out, as far as sentences are made of it.

use super::figures::Field;
use super::load::{SweepData, shown};
use crate::findings::{Setting, Settings, count, duration, grouped, plural};
use crate::plot::number;
use crate::report::load::PRETRAINED;
use crate::store::records::BatchRecord;
use minijinja::{Value, context};

/// The head of the page: title, explanation, facts.
pub(super) fn summary(data: &SweepData) -> Value {
    let description = data.info.task.get("description").and_then(|v| v.as_str()).unwrap_or_default();
    context! {
        title => title(data),
        explanation => explanation(data),
        description => description,
        brief => brief(data),
        facts => facts(data),
        batches => batches(data),
        floe => if data.info.floe.is_empty() { env!("CARGO_PKG_VERSION") } else { &data.info.floe },
    }
}

/// The methods that were fine-tuned.
fn tuned(data: &SweepData) -> usize {
    data.methods.iter().filter(|m| *m != PRETRAINED).count()
}

fn title(data: &SweepData) -> String {
    let mut parts = Vec::new();
    match tuned(data) {
        0 => {}
        1 => parts.push("One way to fine-tune".to_string()),
        n => parts.push(format!("{} ways to fine-tune", count(n))),
    }
    for (axis, key) in data.keys.iter().enumerate().take(3) {
        let values = data.info.axes.iter().find(|a| a.key == *key).map_or(0, |a| a.values.len());
        parts.push(match data.axis_name(axis).as_str() {
            name @ "learning rate" => plural(values, name),
            name => format!("{} of {name}", plural(values, "value")),
        });
    }
    parts.push(plural(data.seeds(), "seed"));
    parts.join(" × ")
}

fn explanation(data: &SweepData) -> String {
    let models = grouped(data.info.members.len() as u64);
    let again = match data.seeds() {
        0 | 1 => "each once".to_string(),
        n => format!("each from {n} seeds, so that what a setting does can be told from chance"),
    };
    format!(
        "{models} small linear-attention models that learn from examples in their prompt: pre-trained, then fine-tuned \
         to answer for one target task without any examples (zero-shot), by every method at every setting of the axes, \
         {again}. The question is what that does to learning from examples on tasks not seen."
    )
}

fn brief(data: &SweepData) -> Vec<String> {
    let mut brief = vec![plural(data.info.members.len(), "model"), plural(data.seeds(), "seed")];
    let parameters = data.info.members.iter().filter_map(|m| m.parameters);
    let (least, most) = (parameters.clone().min(), parameters.max());
    if let (Some(least), Some(most)) = (least, most) {
        let range =
            if least == most { grouped(most) } else { format!("{} to {}", grouped(least), grouped(most)) };
        brief.push(format!("{range} parameters"));
    }
    brief.push(data.info.device.name.clone());
    brief.push(duration(data.info.wall_s));
    brief.retain(|b| !b.is_empty());
    brief
}

fn facts(data: &SweepData) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = data
        .info
        .axes
        .iter()
        .map(|axis| {
            let values: Vec<String> = axis.values.iter().take(24).map(|v| shown(v)).collect();
            let more = axis.values.len() - values.len();
            let more = if more > 0 { format!(" … ({more} more)") } else { String::new() };
            (format!("Axis {}", axis.key), values.join(", ") + &more)
        })
        .collect();
    let e = &data.config.eval;
    let evaluation =
        format!("{} prompts × {} seeds a task, 0 to {} shots", grouped(e.prompts as u64), e.seeds, e.shots);
    let d = &data.info.device;
    let kind = [d.kind.as_str(), d.backend.as_str()].into_iter().filter(|s| !s.is_empty());
    let kind = kind.collect::<Vec<_>>().join(", ");
    facts.push(("Evaluation".into(), evaluation));
    facts.push((
        "Device".into(),
        if kind.is_empty() { d.name.clone() } else { format!("{} ({kind})", d.name) },
    ));
    facts.push(("Driver".into(), format!("{} {}", d.driver, d.driver_info).trim().to_string()));
    facts.push(("Wall time".into(), duration(data.info.wall_s)));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// Models that were trained together.
fn batches(data: &SweepData) -> Vec<Value> {
    let row = |b: &BatchRecord| {
        let rate = (b.models * b.steps) as f64 / b.wall_s;
        context! {
            models => grouped(b.models),
            loss => b.loss.clone(),
            steps => grouped(b.steps),
            wall => duration(b.wall_s),
            rate => if rate.is_finite() { number(rate) } else { String::new() },
        }
    };
    data.info.batches.iter().map(row).collect()
}

/// What the conclusion is made of.
pub(super) fn settings(data: &SweepData, field: Option<&Field>) -> Settings {
    let setting = |s: &super::load::Setting| {
        let errors =
            data.unseen.as_ref().and_then(|unseen| Some([s.at("target", 0)?, s.at(unseen, data.shots)?]));
        Setting {
            phrase: data.phrase(s),
            base: s.method == PRETRAINED,
            errors: errors.map(|rows| rows.map(|row| row.mean)),
            seeds: s.seeds(),
            diverged: s.diverged(),
        }
    };
    let diverged = data.info.members.iter().filter_map(|m| m.diverged_at.map(|step| (step, m.model.clone())));
    Settings {
        settings: data.settings.iter().map(setting).collect(),
        front: field.map(|field| field.front.iter().map(|spot| field.settings[*spot]).collect()),
        shots: data.shots,
        seeds: data.seeds(),
        first: diverged.min(),
    }
}
