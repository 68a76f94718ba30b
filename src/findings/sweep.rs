//! What a sweep says.

use super::{KEPT, plural};
use crate::plot::number;

/// More settings than this are not all named in a sentence.
const NAMED: usize = 5;

/// A method at one setting of the axes, over its seeds.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `zs-v at learning rate 0.01`.
    pub phrase: String,
    /// Whether it is the pre-trained model.
    pub base: bool,
    /// Zero-shot error on the target and few-shot error on tasks not seen, where both were evaluated.
    pub errors: Option<[f64; 2]>,
    pub seeds: usize,
    /// How many seeds diverged.
    pub diverged: usize,
}

/// What came out of a sweep.
#[derive(Clone, Debug)]
pub struct Settings {
    pub settings: Vec<Setting>,
    /// Indices of those where no other is better in both errors, from the lowest zero-shot error; none where no task
    /// but the target was evaluated.
    pub front: Option<Vec<usize>>,
    /// The most demonstrations.
    pub shots: usize,
    /// Most seeds of a setting.
    pub seeds: usize,
    /// The step and name of the model that diverged first.
    pub first: Option<(u64, String)>,
}

/// Plain sentences, the most important first; at least one.
pub fn of_sweep(sweep: &Settings) -> Vec<String> {
    let mut out = Vec::new();
    if sweep.settings.iter().all(|s| s.base) {
        out.push("No fine-tuned model has results, so there is nothing to compare.".to_string());
    } else if let Some(front) = &sweep.front {
        out.push(on_front(sweep, front));
        out.extend(keeper(sweep, front));
    } else {
        out.push(
            "No task but the target was evaluated, so nothing is known of what fine-tuning costs."
                .to_string(),
        );
    }
    out.extend(diverged(sweep));
    out.push(match sweep.seeds {
        0 | 1 => "There is one seed: nothing here tells how much another would change.".to_string(),
        n => format!(
            "Errors are means over {n} seeds, ± their standard error; two settings closer than about twice that may \
             differ by chance."
        ),
    });
    out
}

fn on_front(sweep: &Settings, front: &[usize]) -> String {
    let competing = sweep.settings.iter().filter(|s| !s.base).count();
    let errors = |setting: &usize| {
        let setting = &sweep.settings[*setting];
        let [zero, few] = setting.errors.unwrap_or([f64::NAN; 2]).map(number);
        format!("{} ({zero} and {few})", setting.phrase)
    };
    let shots = sweep.shots;
    let what = format!("zero-shot error on the target and {shots}-shot error on tasks not seen");
    match front {
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
fn keeper(sweep: &Settings, front: &[usize]) -> Option<String> {
    let finite = |s: &Setting| s.errors.filter(|errors| errors.iter().all(|e| e.is_finite()));
    let mut bases = sweep.settings.iter().filter(|s| s.base).filter_map(finite);
    let (base, None) = (bases.next()?, bases.next()) else { return None };
    let start = format!("The pre-trained model has {} and {}", number(base[0]), number(base[1]));
    // From the left, so that the first one found has the lowest zero-shot error of those that keep.
    let mut all = front.iter().filter_map(|i| Some((&sweep.settings[*i], finite(&sweep.settings[*i])?)));
    let kept = all.find(|(_, [_, few])| *few <= base[1] * (1.0 + KEPT));
    let (shots, share) = (sweep.shots, KEPT * 100.0);
    Some(match kept {
        Some((setting, [zero, _])) if zero < base[0] => format!(
            "{start}; the lowest zero-shot error with a {shots}-shot error within {share:.0}% of that is {}, by {}.",
            number(zero),
            setting.phrase
        ),
        _ => format!(
            "{start}; no setting lowers the zero-shot error and keeps the {shots}-shot error within {share:.0}% of \
             that."
        ),
    })
}

fn diverged(sweep: &Settings) -> Option<String> {
    let lost: Vec<&Setting> = sweep.settings.iter().filter(|s| s.diverged > 0).collect();
    let models: usize = lost.iter().map(|s| s.diverged).sum();
    if models == 0 {
        return None;
    }
    let place = |s: &&Setting| format!("{} ({} of {})", s.phrase, s.diverged, plural(s.seeds, "seed"));
    let named: Vec<String> = lost.iter().take(NAMED).map(place).collect();
    let more = lost.len() - named.len();
    let more = if more > 0 { format!(" and {} more", plural(more, "setting")) } else { String::new() };
    let first = sweep.first.as_ref().map(|(step, model)| format!("; the first was {model} at step {step}"));
    let first = first.unwrap_or_default();
    let what = if models == 1 { "1 model diverged".into() } else { format!("{models} models diverged") };
    Some(format!("{what}: {}{more}{first}. Means are over the other seeds.", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(phrase: &str, errors: [f64; 2], diverged: usize) -> Setting {
        let base = phrase == "pretrained";
        Setting { phrase: phrase.into(), base, errors: Some(errors), seeds: 2, diverged }
    }

    fn said(settings: Vec<Setting>, front: Option<Vec<usize>>) -> String {
        let first = settings.iter().find(|s| s.diverged > 0).map(|s| (7, s.phrase.clone()));
        of_sweep(&Settings { settings, front, shots: 20, seeds: 2, first }).join(" ")
    }

    #[test]
    fn the_front_what_keeps_and_what_diverged_are_told() {
        let settings = vec![
            setting("pretrained", [1.0, 0.3], 0),
            setting("a at 0.1", [0.1, 1.5], 0),
            setting("b at 0.1", [0.4, 0.31], 0),
            setting("b at 1", [f64::NAN; 2], 2),
        ];
        let text = said(settings.clone(), Some(vec![1, 2]));
        for part in [
            "2 of 3 settings are on the front",
            "a at 0.1 (0.100 and 1.500), b at 0.1 (0.400 and 0.310).",
            "The pre-trained model has 1.000 and 0.300; the lowest zero-shot error with a 20-shot error within 10% of \
             that is 0.400, by b at 0.1.",
            "2 models diverged: b at 1 (2 of 2 seeds); the first was b at 1 at step 7.",
            "Errors are means over 2 seeds",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let lost = said(settings, Some(vec![1]));
        assert!(lost.contains("a at 0.1 (0.100 and 1.500) is the best of 3 settings in both"), "{lost}");
        assert!(lost.contains("no setting lowers the zero-shot error and keeps the 20-shot error"), "{lost}");
    }

    #[test]
    fn where_nothing_can_be_compared_that_is_said() {
        let base = setting("pretrained", [1.0, 0.3], 0);
        assert!(said(vec![base.clone()], Some(vec![])).starts_with("No fine-tuned model has results"));
        let both = vec![base, setting("a", [0.1, 0.2], 0)];
        assert!(said(both.clone(), None).starts_with("No task but the target was evaluated"));
        assert!(said(both, Some(vec![])).starts_with("A model diverged at every setting"));
    }
}
