//! Results over seeds: what `summary.csv` says of the rows of `results.csv`.

use crate::store::results::{Outcome, SEED, Summary};
use std::collections::BTreeMap;

/// Rows over seeds, in the order in which each method and setting is first met. `keys` are the axes' keys.
pub fn summarise(keys: &[String], rows: &[Outcome]) -> Vec<Summary> {
    let others = |values: &[Option<String>]| -> Vec<Option<String>> {
        keys.iter().zip(values).filter(|(key, _)| *key != SEED).map(|(_, v)| v.clone()).collect()
    };
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    let mut groups: Vec<(Summary, Vec<f64>)> = Vec::new();
    for row in rows {
        let values = others(&row.values);
        let place = *places
            .entry((&row.method, values.clone(), &row.task, row.shots))
            .or_insert_with(|| groups.len());
        if place == groups.len() {
            let (method, task) = (row.method.clone(), row.task.clone());
            let (seeds, mean, stderr, diverged) = (0, f64::NAN, None, 0);
            let shots = row.shots;
            groups.push((Summary { method, values, task, shots, seeds, mean, stderr, diverged }, Vec::new()));
        }
        groups[place].1.push(row.mean);
    }
    groups.into_iter().map(|(group, means)| over_seeds(group, &means)).collect()
}

fn over_seeds(group: Summary, means: &[f64]) -> Summary {
    let finite: Vec<f64> = means.iter().copied().filter(|mean| mean.is_finite()).collect();
    let count = finite.len() as f64;
    // 0 / 0 is the NaN that says that none is left.
    let mean = finite.iter().sum::<f64>() / count;
    let squares: f64 = finite.iter().map(|x| (x - mean).powi(2)).sum();
    let stderr = (finite.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
    Summary { seeds: means.len(), mean, stderr, diverged: means.len() - finite.len(), ..group }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, seed: u32, lr: Option<&str>, mean: f64) -> Outcome {
        let values = vec![lr.map(String::from), Some(seed.to_string())];
        let (model, method, task) = (format!("{method}/{seed}"), method.to_string(), "target".to_string());
        Outcome { model, method, values, task, shots: 0, mean, stderr: Some(0.5), exact: None }
    }

    fn keys() -> Vec<String> {
        vec!["finetune.optimizer.lr".into(), SEED.into()]
    }

    #[test]
    fn a_summary_is_the_mean_and_its_error_over_seeds() {
        let mut rows = vec![row("pretrained", 0, None, 1.0), row("pretrained", 1, None, 2.0)];
        rows.extend((0..4).map(|seed| row("a", seed, Some("0.1"), [1.0, 2.0, 3.0, 6.0][seed as usize])));
        rows.extend([
            row("a", 0, Some("1"), f64::NAN),
            row("a", 1, Some("1"), 5.0),
            row("b", 0, None, f64::NAN),
        ]);
        rows.push(row("pretrained", 2, None, f64::INFINITY));
        let found = summarise(&keys(), &rows);
        let brief: Vec<_> =
            found.iter().map(|s| (s.method.as_str(), s.values[0].as_deref(), s.seeds)).collect();
        let wanted = [("pretrained", None, 3), ("a", Some("0.1"), 4), ("a", Some("1"), 2), ("b", None, 1)];
        assert_eq!(brief, wanted);
        assert_eq!((found[0].mean, found[0].stderr, found[0].diverged), (1.5, Some(0.5), 1));
        // Deviations −2, −1, 0, 3: variance 14/3, over 4 seeds.
        assert_eq!((found[1].mean, found[1].diverged), (3.0, 0));
        assert!((found[1].stderr.unwrap() - (14.0f64 / 12.0).sqrt()).abs() < 1e-15);
        assert_eq!((found[2].mean, found[2].stderr, found[2].diverged), (5.0, None, 1));
        assert!(found[3].mean.is_nan() && found[3].stderr.is_none() && found[3].diverged == 1);
    }
}
