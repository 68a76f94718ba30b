//! What a run says, in sentences made of its numbers.

use crate::findings::{count, grouped, list, plural};
use crate::optim::{Optimizer, Rule, Schedule};
use crate::plot::number;
use crate::store::methods::{Loss, MethodFacts, Methods};

pub fn title(record: &Methods) -> String {
    let files = match &record.data.files[..] {
        [] => "text".to_string(),
        [one] => one.clone(),
        [one, ..] => format!("{one} and more"),
    };
    if is_scratch(record) {
        return match record.methods.len() {
            0 | 1 => format!("A language model from scratch on {files}"),
            n => format!("{} language models from scratch on {files}", count(n)),
        };
    }
    match record.methods.len() {
        0 | 1 => format!("{} fine-tuned on {files}", record.model.name),
        n => format!("{} ways to fine-tune {} on {files}", count(n), record.model.name),
    }
}

/// Whether models began from scratch: counting is held beside those alone.
pub fn is_scratch(record: &Methods) -> bool {
    !record.baselines.is_empty()
}

/// Bits a byte, so that tokenizers compare.
pub fn bits(loss: Loss) -> Option<String> {
    let per_byte = loss.mean * loss.tokens as f64 / loss.bytes.max(1) as f64 / std::f64::consts::LN_2;
    (loss.bytes > 0).then(|| format!("{per_byte:.3} bits a byte"))
}

pub fn explanation(record: &Methods) -> String {
    if is_scratch(record) {
        let models = match record.methods.len() {
            1 => "A language model".to_string(),
            n => format!("{} language models of the same sizes", count(n)),
        };
        return format!(
            "{models} began from weights that were drawn and learnt to foretell the next token of these texts, with a tokenizer \
             trained on them. What comes of sequences that were kept back is measured in nats a token (lower is better), beside what counting says: unigram, bigram and trigram models of the same tokens, interpolated by Witten \
             and Bell's rule."
        );
    }
    let ways = match record.methods.len() {
        1 => "in one way".to_string(),
        n => format!("in {n} ways, each from the same weights"),
    };
    format!(
        "A pre-trained language model of {} parameters was trained to foretell the next token of these texts, {ways}. What it says \
         of sequences that it was not trained on is measured before and after, in nats a token (lower is better), and what moved \
         in it is shown below. What a method does not name has kept its bits.",
        grouped(record.model.parameters)
    )
}

/// A value with its standard error.
pub fn with_error(mean: f64, stderr: Option<f64>) -> String {
    match stderr {
        Some(error) => format!("{mean:.4} ± {error:.4}"),
        None => format!("{mean:.4}"),
    }
}

pub fn optimizer(own: &Optimizer) -> String {
    let rule = match own.rule {
        Rule::Sgd => format!("SGD, momentum {}", own.momentum),
        Rule::Adam => "Adam".into(),
        Rule::AdamW => "AdamW".into(),
    };
    let schedule = match own.lr_schedule {
        Schedule::Constant => "constant",
        Schedule::Linear => "linear to 0",
        Schedule::Cosine => "cosine to 0",
        Schedule::Wsd => "to 0 over the last fifth",
    };
    let mut words = format!("{rule}, rate {}, {schedule}", number(own.lr));
    if own.warmup > 0 {
        words += &format!(", {} of warm-up", plural(own.warmup as usize, "step"));
    }
    if own.weight_decay > 0.0 {
        words += &format!(", decay {}", number(own.weight_decay));
    }
    if own.clip > 0.0 {
        words += &format!(", clipped at {}", number(own.clip));
    }
    words
}

/// Per cent of the adapter's measured multiply-add rate.
pub fn roof(record: &Methods, method: &MethodFacts) -> String {
    // The best that was measured: others may have been at work on the machine.
    let roof = record.methods.iter().map(|own| own.roof).fold(0.0, f64::max);
    // What was trained before a run was gone on with has no flops in the record.
    let share = 100.0 * method.flops / method.train_s.max(1e-9) / roof.max(1.0);
    if method.roof > 0.0 && method.flops > 0.0 { format!("{share:.0} % of the roof") } else { String::new() }
}

/// A method and its losses before and after.
type Told<'a> = (&'a MethodFacts, Loss, Loss);

pub fn conclusion(record: &Methods) -> Vec<String> {
    let before = record.before.as_ref().and_then(|judged| judged.loss);
    let told: Vec<Told> =
        record.methods.iter().filter_map(|method| Some((method, before?, method.after.loss?))).collect();
    let mut sentences = Vec::new();
    if record.methods.is_empty() {
        return vec!["No method is finished yet.".into()];
    }
    if told.is_empty() {
        return vec![
            "Nothing was kept back, so that nothing tells what the model has learnt beyond its text.".into(),
        ];
    }
    for (method, before, after) in &told {
        sentences.push(match is_scratch(record) {
            true => beside_counting(record, method, *after),
            false => one(method, *before, *after),
        });
    }
    sentences.extend(compared(&told));
    let stopped = |(method, ..): &&Told| method.kept_step < method.steps;
    let early: Vec<&str> = told.iter().filter(stopped).map(|(method, ..)| method.name.as_str()).collect();
    if !early.is_empty() {
        let were = if early.len() == 1 { "was" } else { "were" };
        sentences.push(format!(
            "{} {were} best before the last step: the weights of the lowest validation loss were kept.",
            list(&early)
        ));
    }
    sentences
}

/// A model's loss, and which of the n-gram models it is better than.
fn beside_counting(record: &Methods, method: &MethodFacts, after: Loss) -> String {
    let better: Vec<String> = record
        .baselines
        .iter()
        .filter(|(_, nats)| after.mean < *nats)
        .map(|(name, nats)| format!("{name} ({nats:.3})"))
        .collect();
    let beats = match &better[..] {
        [] => "counting alone does better: more steps or more text may help".to_string(),
        all => {
            let names: Vec<&str> = all.iter().map(String::as_str).collect();
            format!("below the {} {}", list(&names), if all.len() == 1 { "model" } else { "models" })
        }
    };
    let bits = bits(after).map_or(String::new(), |bits| format!(", {bits}"));
    format!("{} ends at {} nats a token{bits}: {beats}.", method.name, with_error(after.mean, after.stderr))
}

fn one(method: &MethodFacts, before: Loss, after: Loss) -> String {
    let name = &method.name;
    let change = before.mean - after.mean;
    let (from, to) = (with_error(before.mean, before.stderr), with_error(after.mean, after.stderr));
    if change <= 0.0 {
        return format!(
            "{name} did not help: the loss on what was kept back went from {from} to {to} nats a token. A lower rate, fewer steps or \
             more text may."
        );
    }
    let perplexity = 100.0 * (1.0 - (-change).exp());
    format!(
        "{name} lowered the loss on what was kept back from {from} to {to} nats a token: perplexity fell by {perplexity:.0} %, from \
         {} to {}.",
        number(before.mean.exp()),
        number(after.mean.exp())
    )
}

/// Which is lowest, and whether that is more than noise.
fn compared(told: &[Told]) -> Option<String> {
    if told.len() < 2 {
        return None;
    }
    let mut order: Vec<&Told> = told.iter().collect();
    order.sort_by(|a, b| a.2.mean.total_cmp(&b.2.mean));
    let ((best, _, a), (next, _, b)) = (order[0], order[1]);
    let gap = b.mean - a.mean;
    let error = a.stderr.unwrap_or(f64::INFINITY);
    // The same sequences, so that errors go together: a gap as large as one of them is a cautious bound.
    Some(match gap > error {
        true => format!("{} ends lowest, {gap:.4} below {}.", best.name, next.name),
        false => format!(
            "{} ends lowest, {gap:.4} below {}, which is within the standard error of either: more text to validate on, or more \
             seeds, would tell them apart.",
            best.name, next.name
        ),
    })
}
