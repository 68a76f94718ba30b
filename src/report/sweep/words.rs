//! What was swept and what came out, in words. Every clause is decided by the numbers.

use super::figures::Field;
use super::load::{Setting, SweepData};
use crate::report::axis::number;
use crate::report::front::Role;
use crate::report::load::PRETRAINED;
use crate::report::summary::{count, duration, grouped};
use minijinja::{Value, context};

/// Few-shot error within this share of the pre-trained model's counts as kept.
const KEPT: f64 = 0.10;
/// More settings than this are not all named in a sentence.
const NAMED: usize = 5;

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

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n as u64)) }
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
            let values: Vec<String> = axis.values.iter().take(24).map(|v| super::load::shown(v)).collect();
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
    let row = |b: &super::load::Batch| {
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

/// What came out.
pub(super) fn conclusion(data: &SweepData, field: Option<&Field>) -> Vec<String> {
    let mut out = Vec::new();
    if tuned(data) == 0 {
        out.push("No fine-tuned model has results, so there is nothing to compare.".to_string());
    } else if let Some(field) = field {
        out.push(front(data, field));
        out.extend(keeper(data, field));
    } else {
        out.push(
            "No task but the target was evaluated, so nothing is known of what fine-tuning costs."
                .to_string(),
        );
    }
    out.extend(diverged(data));
    out.push(match data.seeds() {
        0 | 1 => "There is one seed: nothing here tells how much another would change.".to_string(),
        n => format!(
            "Errors are means over {n} seeds, ± their standard error; two settings closer than about twice that may \
             differ by chance."
        ),
    });
    out
}

fn front(data: &SweepData, field: &Field) -> String {
    let competing = data.settings.iter().filter(|s| s.method != PRETRAINED).count();
    let errors = |spot: &usize| {
        let (s, setting) = (&field.spots[*spot], &data.settings[field.settings[*spot]]);
        format!("{} ({} and {})", data.phrase(setting), number(s.x.value), number(s.y.value))
    };
    let shots = data.shots;
    let what = format!("zero-shot error on the target and {shots}-shot error on tasks not seen");
    match field.front.as_slice() {
        [] => "A model diverged at every setting, so there is no front: lower the learning rate or clip the gradient.".into(),
        [only] => format!("{} is the best of {competing} settings in both {what}.", errors(only)),
        all if all.len() <= NAMED => {
            let named: Vec<String> = all.iter().map(errors).collect();
            format!(
                "{} of {competing} settings are on the front, where no other is better in both {what}: {}.",
                all.len(),
                named.join(", ")
            )
        }
        [first, middle @ .., last] => format!(
            "{} of {competing} settings are on the front, where no other is better in both {what}: from {} by {} others \
             to {}.",
            middle.len() + 2,
            errors(first),
            middle.len(),
            errors(last)
        ),
    }
}

/// The lowest zero-shot error among the settings that keep what the pre-trained model learns from demonstrations.
fn keeper(data: &SweepData, field: &Field) -> Option<String> {
    let mut bases = field.spots.iter().filter(|s| s.role == Role::Base);
    let (base, None) = (bases.next()?, bases.next()) else { return None };
    let (zero, few) = (number(base.x.value), number(base.y.value));
    let start = format!("The pre-trained model has {zero} and {few}");
    // From the left, so that the first one found has the lowest zero-shot error of those that keep.
    let mut kept = field.front.iter().filter(|i| field.spots[**i].y.value <= base.y.value * (1.0 + KEPT));
    let shots = data.shots;
    Some(match kept.next() {
        Some(i) if field.spots[*i].x.value < base.x.value => format!(
            "{start}; the lowest zero-shot error with a {shots}-shot error within {:.0}% of that is {}, by {}.",
            KEPT * 100.0,
            number(field.spots[*i].x.value),
            data.phrase(&data.settings[field.settings[*i]])
        ),
        _ => format!(
            "{start}; no setting lowers the zero-shot error and keeps the {shots}-shot error within {:.0}% of that.",
            KEPT * 100.0
        ),
    })
}

fn diverged(data: &SweepData) -> Option<String> {
    let lost: Vec<&Setting> = data.settings.iter().filter(|s| s.diverged() > 0).collect();
    let models: usize = lost.iter().map(|s| s.diverged()).sum();
    if models == 0 {
        return None;
    }
    let place =
        |s: &&Setting| format!("{} ({} of {})", data.phrase(s), s.diverged(), plural(s.seeds(), "seed"));
    let named: Vec<String> = lost.iter().take(NAMED).map(place).collect();
    let more = lost.len() - named.len();
    let more = if more > 0 { format!(" and {} more", plural(more, "setting")) } else { String::new() };
    let at = data.info.members.iter().filter_map(|m| m.diverged_at.map(|step| (step, &m.model))).min();
    let first = at.map(|(step, model)| format!("; the first was {model} at step {step}")).unwrap_or_default();
    let what = if models == 1 { "1 model diverged".into() } else { format!("{models} models diverged") };
    Some(format!("{what}: {}{more}{first}. Means are over the other seeds.", named.join(", ")))
}
