//! What was run, on what, and how long it took.

use super::load::{PRETRAINED, RunData};
use crate::config::{Loss, Method, QueryKey, Task};
use crate::findings::{count, duration, grouped, plural};
use crate::plot::number;
use crate::store::records::PhaseInfo;
use minijinja::{Value, context};

/// The head of the page: title, explanation, facts and the table of phases.
pub(super) fn summary(data: &RunData) -> Value {
    let description = data.run.task.get("description").and_then(|v| v.as_str()).unwrap_or_default();
    context! {
        title => title(data),
        explanation => explanation(data),
        description => description,
        brief => brief(data),
        facts => facts(data),
        phases => data.run.phases.iter().map(|p| phase(data, p)).collect::<Vec<Value>>(),
        floe => if data.run.floe.is_empty() { env!("CARGO_PKG_VERSION") } else { &data.run.floe },
        seed => data.config.seed,
    }
}

fn title(data: &RunData) -> String {
    let methods = data.config.methods.len();
    let task = match &data.config.task {
        Task::Regression(_) => "linear regression",
        Task::Tables(_) => "tables",
        Task::Own(_) => "a task of a program's own",
    };
    match methods {
        0 => format!("A linear-attention model on {task}"),
        1 => format!("One way to fine-tune on {task}"),
        n => format!("{} ways to fine-tune on {task}", count(n)),
    }
}

/// The experiment for someone who has not read the paper.
fn explanation(data: &RunData) -> String {
    let shots = data.config.pretrain.shots;
    let learn = match &data.config.task {
        Task::Regression(_) => format!(
            "A small linear-attention model first learns to do regression from its prompt: it sees up to {shots} example \
             pairs (x, y) of a hidden linear rule, a new rule every time, and predicts y for one more x (in-context \
             learning)."
        ),
        Task::Own(_) => format!(
            "A small linear-attention model first learns a task of a program's own from its prompt: it sees up to {shots} \
             example pairs (x, y) and predicts y for one more x (in-context learning)."
        ),
        Task::Tables(_) => format!(
            "A small linear-attention model first learns to predict a column from its prompt: it sees up to {shots} rows \
             of one of many small tables and fills in the last cell of one more row (in-context learning)."
        ),
    };
    let tune = match data.config.methods.len() {
        0 => "It was not fine-tuned.".to_string(),
        n => format!(
            "It is then fine-tuned to answer for one target task without any examples (zero-shot), in {} that differ \
             in the loss and in which attention weights may move. The question is what that does to learning from \
             examples.",
            if n == 1 { "one way".into() } else { format!("{n} ways") }
        ),
    };
    format!("{learn} {tune}")
}

/// The run in a few words each.
fn brief(data: &RunData) -> Vec<String> {
    let config = &data.config;
    let mut brief = vec![plural(config.model.layers, "layer"), plural(config.model.heads, "head")];
    if let Task::Regression(r) = &config.task {
        brief.push(format!("d = {}", r.dim));
    }
    brief.extend(parameters(data).map(|n| format!("{} parameters", grouped(n))));
    brief.push(format!("seed {}", config.seed));
    brief.push(data.run.device.name.clone());
    brief.push(duration(data.run.wall_s));
    brief.retain(|b| !b.is_empty());
    brief
}

/// Names and values of the list of facts.
fn facts(data: &RunData) -> Vec<(String, String)> {
    let config = &data.config;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push((name.to_string(), value));
        }
    };
    match &config.task {
        Task::Regression(r) => {
            add("Task", format!("linear regression, d = {}, noise variance {}", r.dim, r.noise));
        }
        Task::Own(t) => add("Task", format!("a program's own: {}, d = {}", t.about, t.dim)),
        Task::Tables(t) => {
            let file = t.path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
            let file = if file.is_empty() { "diamonds (shipped with floe)".into() } else { file };
            add("Task", format!("tables: {file}"));
        }
    }
    for (key, value) in data.run.task.iter().filter(|(k, _)| *k != "description") {
        let value = match value {
            serde_json::Value::String(s) => s.clone(),
            serde_json::Value::Number(n) => n.as_f64().map(plain).unwrap_or_default(),
            serde_json::Value::Bool(b) => b.to_string(),
            _ => continue,
        };
        add(&sentence(key), value);
    }
    let qk = match config.model.qk {
        QueryKey::Merged => "query and key merged",
        QueryKey::Separate => "query and key separate",
    };
    let (layers, heads) = (plural(config.model.layers, "layer"), plural(config.model.heads, "head"));
    let parameters = parameters(data).map(|n| format!(", {} parameters", grouped(n))).unwrap_or_default();
    add("Model", format!("linear attention, {layers}, {heads}, {qk}{parameters}"));
    let (p, f) = (&config.pretrain, &config.finetune);
    add(
        "Pre-training",
        format!("{} steps of {} prompts with {} shots", grouped(p.steps), grouped(p.batch as u64), p.shots),
    );
    if !config.methods.is_empty() {
        add(
            "Fine-tuning",
            format!(
                "{} steps of {} prompts with {} shots",
                grouped(f.steps),
                grouped(f.batch as u64),
                f.shots
            ),
        );
    }
    let e = &config.eval;
    add(
        "Evaluation",
        format!("{} prompts × {} seeds a task, 0 to {} shots", grouped(e.prompts as u64), e.seeds, e.shots),
    );
    add("Seed", config.seed.to_string());
    let d = &data.run.device;
    let kind = [d.kind.as_str(), d.backend.as_str()].into_iter().filter(|s| !s.is_empty());
    let kind = kind.collect::<Vec<_>>().join(", ");
    add("Device", if kind.is_empty() { d.name.clone() } else { format!("{} ({kind})", d.name) });
    add("Driver", format!("{} {}", d.driver, d.driver_info).trim().to_string());
    add("Wall time", duration(data.run.wall_s));
    facts
}

/// Elements in all, if the record has them.
fn parameters(data: &RunData) -> Option<u64> {
    data.run.phases.iter().map(|p| p.parameters as u64).find(|n| *n > 0)
}

fn sentence(key: &str) -> String {
    let key = key.replace('_', " ");
    let mut letters = key.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn plain(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) { grouped(value as u64) } else { number(value) }
}

fn phase(data: &RunData, p: &PhaseInfo) -> Value {
    let name = match p.phase.as_str() {
        "pretrain" => "pre-training".to_string(),
        "eval" => "evaluation".to_string(),
        _ => p.method.clone(),
    };
    let method = data.config.methods.iter().find(|m| m.name == p.method);
    let what = match method {
        Some(m) => describe(m),
        None if p.phase == "pretrain" => "few-shot loss, a fresh task a prompt".into(),
        None => String::new(),
    };
    let trained = match p.parameters {
        0 => String::new(),
        all => format!("{} of {}", grouped(p.trained as u64), grouped(all as u64)),
    };
    let training = p.steps > 0;
    context! {
        name => name,
        model => if p.phase == "pretrain" { PRETRAINED } else { &p.method },
        what => what,
        trained => trained,
        places => p.coverage.as_ref().map(|coverage| coverage.places()).unwrap_or_default(),
        steps => if training { grouped(p.steps) } else { String::new() },
        ms => if training { number(p.ms_per_step) } else { String::new() },
        wall => duration(p.wall_s),
    }
}

fn describe(m: &Method) -> String {
    let loss = match m.loss {
        Loss::Zs => "zero-shot loss",
        Loss::Fs => "few-shot loss",
        Loss::ZsFs => "zero-shot + few-shot loss",
    };
    format!("{loss}; trains {}", m.train.join(", "))
}
