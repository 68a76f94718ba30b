//! What one run says.

use super::{KEPT, demonstrations, list};
use crate::plot::number;

/// A smaller share than this of what demonstrations gained is next to nothing.
const LITTLE: f64 = 0.25;
/// Errors larger than the pre-trained model's largest by this factor are called an explosion.
const EXPLODED: f64 = 10.0;

/// Mean squared error with some demonstrations: the measured mean, or the exact risk where nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    pub shots: u32,
    pub value: f64,
    /// NaN where there is none.
    pub stderr: f64,
}

/// Errors of one model (or reference) on one task, by shots.
#[derive(Clone, Debug)]
pub struct Row {
    pub model: String,
    pub task: String,
    pub risks: Vec<Risk>,
}

impl Row {
    fn at(&self, shots: u32) -> Option<Risk> {
        self.risks.iter().find(|risk| risk.shots == shots).copied()
    }
}

/// What came out of a run.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The name of the pre-trained model.
    pub base: String,
    /// The methods that were to be run.
    pub planned: Vec<String>,
    /// Every model, in the order in which they are told.
    pub models: Vec<String>,
    pub rows: Vec<Row>,
    pub references: Vec<Row>,
    /// The task that stands for those not seen in fine-tuning.
    pub unseen: Option<String>,
    /// The most demonstrations.
    pub shots: u32,
}

impl Results {
    fn row(&self, model: &str, task: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.model == model && row.task == task)
    }

    fn reference(&self, name: &str, task: &str) -> Option<&Row> {
        self.references.iter().find(|row| row.model == name && row.task == task)
    }

    fn methods(&self) -> impl Iterator<Item = &String> {
        self.models.iter().filter(|model| **model != self.base)
    }
}

/// The three numbers that a model is judged by.
struct Facts<'a> {
    model: &'a str,
    /// Zero-shot on the target.
    zero: Risk,
    /// At the most shots on tasks not seen; none where that was not evaluated.
    few: Option<Risk>,
    /// Zero-shot on tasks not seen, likewise.
    none: Option<Risk>,
}

impl Facts<'_> {
    /// Whether demonstrations are of no use any more on tasks not seen.
    fn lost(&self, base: &Base) -> bool {
        let Some(few) = self.few else { return false };
        few.value >= base.none.value || self.none.is_some_and(|none| !lower(&few, &none))
    }
}

/// The pre-trained model on tasks not seen (on the target where there is no other task).
struct Base {
    /// Zero-shot error on the target.
    target: Option<Risk>,
    none: Risk,
    few: Risk,
    /// `tasks not seen` or `the target task`.
    place: &'static str,
    learns: bool,
}

/// Plain sentences, the most important first; at least one.
pub fn of_run(results: &Results) -> Vec<String> {
    let shots = results.shots;
    let base = base(results);
    let methods: Vec<Facts> = results.methods().filter_map(|model| facts(results, model)).collect();
    let mut said = Vec::new();
    said.extend(best_zero_shot(&methods, base.as_ref(), shots));
    said.extend(base.as_ref().and_then(|b| keeper(&methods, b, shots)));
    said.extend(in_context(results, base.as_ref()));
    said.extend(exploded(results));
    said.extend(against_pooled(results));
    said.extend(missing(results));
    said
}

fn facts<'a>(results: &Results, model: &'a str) -> Option<Facts<'a>> {
    let zero = results.row(model, "target")?.at(0)?;
    let unseen = |shots| results.row(model, results.unseen.as_ref()?)?.at(shots);
    Some(Facts { model, zero, few: unseen(results.shots), none: unseen(0) })
}

fn base(results: &Results) -> Option<Base> {
    let (task, place) = match &results.unseen {
        Some(task) => (task.as_str(), "tasks not seen"),
        None => ("target", "the target task"),
    };
    let row = results.row(&results.base, task)?;
    let (none, few) = (row.at(0)?, row.at(results.shots)?);
    let target = results.row(&results.base, "target").and_then(|row| row.at(0));
    Some(Base { target, none, few, place, learns: results.shots > 0 && lower(&few, &none) })
}

/// Lower by more than two standard errors and one per cent.
fn lower(a: &Risk, b: &Risk) -> bool {
    let noise = 2.0 * a.stderr.hypot(b.stderr);
    if noise.is_nan() && a.value.is_finite() && b.value.is_finite() {
        // Of a single prompt: nobody knows.
        return false;
    }
    let noise = if noise.is_finite() { noise } else { 0.0 };
    a.value < b.value - noise.max(0.01 * b.value.abs())
}

fn same(a: &Risk, b: &Risk) -> bool {
    let (a_value, b_value) = (a.value, b.value);
    let noise = 2.0 * a.stderr.hypot(b.stderr);
    (a_value - b_value).abs() <= noise.max(0.01 * a_value.abs().min(b_value.abs()))
}

/// `3.8 times the pre-trained model's 0.346`, `8 % above …`, `the same as …`.
fn versus(value: f64, base: f64) -> String {
    let ratio = value / base;
    let whose = format!("the pre-trained model's {}", number(base));
    match ratio {
        r if !value.is_finite() || !r.is_finite() => format!("not comparable with {whose}"),
        r if r >= 2.0 => format!("{} times {whose}", round(r)),
        r if r >= 1.005 => format!("{:.0} % above {whose}", ((r - 1.0) * 100.0).max(1.0)),
        r if r > 0.995 => format!("the same as {whose}"),
        r if r > 0.5 => format!("{:.0} % below {whose}", ((1.0 - r) * 100.0).max(1.0)),
        r if r > 0.0 => format!("{} times lower than {whose}", round(1.0 / r)),
        _ => format!("below {whose}"),
    }
}

fn round(ratio: f64) -> String {
    match ratio {
        r if r < 20.0 => format!("{r:.1}"),
        r if r < 1000.0 => format!("{r:.0}"),
        r => number(r),
    }
}

fn best_zero_shot(methods: &[Facts], base: Option<&Base>, shots: u32) -> Option<String> {
    if methods.is_empty() {
        let what = if base.is_some() { "; what follows is about the pre-trained model alone" } else { "" };
        return Some(format!("No fine-tuned model was evaluated on the target task{what}."));
    }
    let mut finite: Vec<&Facts> = methods.iter().filter(|m| m.zero.value.is_finite()).collect();
    finite.sort_by(|a, b| a.zero.value.total_cmp(&b.zero.value));
    let Some(best) = finite.first() else {
        return Some(
            "Every fine-tuned model diverged: no zero-shot error on the target task is finite.".into(),
        );
    };
    let before = base.and_then(|b| b.target);
    if let Some(before) = before.filter(|b| b.value.is_finite() && !lower(&best.zero, b)) {
        return Some(format!(
            "No method lowers the zero-shot error on the target task: {} comes lowest with {}, {}.",
            best.model,
            number(best.zero.value),
            versus(best.zero.value, before.value)
        ));
    }
    let tied: Vec<&&Facts> = finite.iter().filter(|m| same(&m.zero, &best.zero)).collect();
    let names: Vec<&str> = tied.iter().map(|m| m.model).collect();
    let was = before.map(|b| format!(" (pre-trained: {})", number(b.value))).unwrap_or_default();
    let share = if tied.len() > 1 { "share" } else { "has" };
    let sentence = format!(
        "{} {share} the lowest zero-shot error on the target task, {}{was}",
        list(&names),
        number(best.zero.value)
    );
    let cost = base.filter(|_| shots > 0).and_then(|b| cost(&tied, b, shots));
    Some(format!("{sentence}{}.", cost.unwrap_or_default()))
}

/// What the best zero-shot methods did to few-shot error.
fn cost(tied: &[&&Facts], base: &Base, shots: u32) -> Option<String> {
    let known = tied.iter().filter_map(|m| m.few.map(|few| (m.model, few.value)));
    let (able, broken): (Vec<_>, Vec<_>) = known.partition(|(_, few)| few.is_finite());
    let broken: Vec<&str> = broken.into_iter().map(|(model, _)| model).collect();
    let mut fews: Vec<f64> = able.iter().map(|(_, few)| *few).collect();
    fews.sort_by(f64::total_cmp);
    let with = format!("with {} on tasks not seen", demonstrations(shots));
    if !broken.is_empty() {
        let rest = fews.last().map(|f| format!("; otherwise it is at worst {}", versus(*f, base.few.value)));
        let rest = rest.unwrap_or_default();
        return Some(format!(", but {with} the error of {} is not finite{rest}", list(&broken)));
    }
    let (low, high) = (*fews.first()?, *fews.last()?);
    let value = match high > low * 1.02 {
        true => {
            format!("between {} and {}, at worst {}", number(low), number(high), versus(high, base.few.value))
        }
        false => format!("{}, {}", number(high), versus(high, base.few.value)),
    };
    let verdict = match () {
        _ if !base.learns => "",
        _ if low >= base.none.value || tied.iter().all(|m| m.lost(base)) => ": in-context learning is lost",
        _ if base.none.value - low < LITTLE * (base.none.value - base.few.value) => {
            ": in-context learning is all but lost"
        }
        _ if low > base.few.value * (1.0 + KEPT) => ": in-context learning is harmed",
        _ if high <= base.few.value * (1.0 + KEPT) => ": in-context learning is kept",
        _ => "",
    };
    let join = if low > base.few.value * (1.0 + KEPT) { "but" } else { "and" };
    Some(format!(", {join} {with} the error is {value}{verdict}"))
}

fn keeper(methods: &[Facts], base: &Base, shots: u32) -> Option<String> {
    let before = base.target.filter(|b| b.value.is_finite())?;
    if !base.learns {
        return None;
    }
    let gain: Vec<&Facts> = methods.iter().filter(|m| lower(&m.zero, &before)).collect();
    let able = gain.iter().filter_map(|m| m.few.map(|few| (*m, few.value))).filter(|(_, f)| f.is_finite());
    let rank = |(m, few): &(&Facts, f64)| (m.lost(base), *few);
    let (best, few) = able.min_by(|a, b| rank(a).0.cmp(&rank(b).0).then(a.1.total_cmp(&b.1)))?;
    let of = match gain.len() {
        1 => "the one method that lowers the zero-shot error".to_string(),
        n => format!("the {n} methods that lower the zero-shot error"),
    };
    let few_text = format!("{}, {}", number(few), versus(few, base.few.value));
    let at = format!("{}-shot error on tasks not seen", shots);
    let zero = format!("{}, {}", number(best.zero.value), versus(best.zero.value, before.value));
    Some(match few / base.few.value {
        _ if best.lost(base) && gain.len() == 1 => {
            format!("In-context learning does not survive {of}, {}: its {at} is {few_text}.", best.model)
        }
        _ if best.lost(base) => format!(
            "In-context learning survives none of {of}: even with {}, which does best, the {at} is {few_text}.",
            best.model
        ),
        r if r > 1.0 + KEPT => format!(
            "Of {of}, {} keeps in-context learning best, but not whole: its {at} is {few_text}; its zero-shot error \
             on the target is {zero}.",
            best.model
        ),
        _ if gain.len() == 1 => {
            format!("In-context learning survives {of}, {}: its {at} is {few_text}.", best.model)
        }
        _ => format!(
            "Of {of}, {} keeps in-context learning best: its {at} is {few_text}; its zero-shot error on the target \
             is {zero}.",
            best.model
        ),
    })
}

fn in_context(results: &Results, base: Option<&Base>) -> Option<String> {
    let shots = results.shots;
    let Some(base) = base else {
        return Some("The pre-trained model was not evaluated, so there is nothing to compare with.".into());
    };
    if shots == 0 {
        return Some(
            "Only prompts without demonstrations were evaluated: in-context learning was not measured."
                .into(),
        );
    }
    let (none, few) = (base.none.value, base.few.value);
    if !none.is_finite() || !few.is_finite() {
        return Some(format!("The pre-trained model diverged: its error on {} is not finite.", base.place));
    }
    let with = demonstrations(shots);
    if !base.learns {
        return Some(format!(
            "The pre-trained model does not learn in context: on {} its error is {} without demonstrations and {} \
             with {with}.",
            base.place,
            number(none),
            number(few)
        ));
    }
    let floor = results.unseen.as_ref().and_then(|task| {
        let row = results.reference("bayes", task)?;
        Some(format!("; the best possible is {}", number(row.at(shots)?.value)))
    });
    Some(format!(
        "The pre-trained model learns in context: on {} its error falls from {} without demonstrations to {} with \
         {with} ({:.0} % lower{}).",
        base.place,
        number(none),
        number(few),
        (1.0 - few / none) * 100.0,
        floor.unwrap_or_default()
    ))
}

fn exploded(results: &Results) -> Option<String> {
    let values = |model: &str| {
        let of = results.rows.iter().filter(move |row| row.model == model).flat_map(|row| &row.risks);
        of.map(|risk| risk.value).collect::<Vec<f64>>()
    };
    let calm = values(&results.base).into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let mut said = Vec::new();
    for model in results.methods() {
        let values = values(model);
        let broken = values.iter().any(|v| !v.is_finite());
        let top = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        if broken {
            said.push(format!("{model} (not finite at some shot counts)"));
        } else if calm > 0.0 && top > EXPLODED * calm {
            said.push(format!("{model} (up to {})", number(top)));
        }
    }
    let names: Vec<&str> = said.iter().map(String::as_str).collect();
    (!said.is_empty()).then(|| format!("Errors exploded after fine-tuning with {}.", list(&names)))
}

fn against_pooled(results: &Results) -> Option<String> {
    let task = results.unseen.as_ref()?;
    let pooled = results.reference("pooled", task)?;
    let row = results.row(&results.base, task)?;
    let level = |shots: u32| match pooled.risks.as_slice() {
        [only] => Some(only.value),
        _ => pooled.at(shots).map(|risk| risk.value),
    };
    let rows: Vec<(Risk, f64)> = row.risks.iter().filter_map(|p| Some((*p, level(p.shots)?))).collect();
    let wins = |(p, pooled): &(Risk, f64)| p.value < *pooled;
    let (last, pooled) = *rows.last()?;
    let run = rows.iter().rev().take_while(|r| wins(r)).count();
    let name = "pooled least-squares baseline on tasks not seen";
    let first = rows.get(rows.len() - run).map(|r| r.0.shots);
    Some(match first {
        Some(0) => format!(
            "The pre-trained model beats the {name} at every shot count ({} against {} with {}).",
            number(last.value),
            number(pooled),
            demonstrations(last.shots)
        ),
        Some(first) => format!(
            "The pre-trained model beats the {name} from {} on ({} against {} with {}).",
            demonstrations(first),
            number(last.value),
            number(pooled),
            demonstrations(last.shots)
        ),
        None => {
            let some: Vec<String> = rows.iter().filter(|r| wins(r)).map(|r| r.0.shots.to_string()).collect();
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let only = if some.is_empty() {
                "at no shot count".into()
            } else {
                format!("only at {} shots", list(&some))
            };
            format!(
                "The pre-trained model beats the {name} {only} ({} against {} with {}).",
                number(last.value),
                number(pooled),
                demonstrations(last.shots)
            )
        }
    })
}

fn missing(results: &Results) -> Option<String> {
    let absent = results.planned.iter().map(String::as_str);
    let absent: Vec<&str> = absent.filter(|m| !results.rows.iter().any(|row| row.model == *m)).collect();
    (!absent.is_empty()).then(|| format!("Without results so far: {}.", list(&absent)))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
