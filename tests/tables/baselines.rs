//! Reference predictors.

use super::*;
use floe::tasks::baselines::{Baseline, Predictors, errors};

/// Prompts of a query and `shots` demonstrations from the held-out tasks, rows without replacement.
fn heldout_prompts(data: &TableData, count: usize, shots: u32) -> Vec<Vec<u32>> {
    let mut state = 88_172_645_463_325_252u64;
    let mut below = |n: u32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32 % n
    };
    let mut prompt = |at: usize| {
        let group = &data.heldout[at % data.heldout.len()];
        let mut rows: Vec<u32> = (group.start..group.start + group.len).collect();
        for i in 0..=shots {
            rows.swap(i as usize, (i + below(group.len - i)) as usize);
        }
        rows.truncate(shots as usize + 1);
        rows
    };
    (0..count).map(&mut prompt).collect()
}

fn of<'a>(all: &'a [Baseline], name: &str) -> &'a Baseline {
    all.iter().find(|b| b.name == name).unwrap()
}

#[test]
fn baselines_match_the_measured_table() {
    let splits = 8;
    let mut sums = [0.0; 6];
    for seed in 0..splits {
        let data = load(&log_diamonds(), seed, 33).unwrap();
        let prompts = heldout_prompts(&data, 3000, 32);
        let targets = || prompts.iter().map(|p| f64::from(data.row(p[0]).1));
        let mean = targets().sum::<f64>() / 3000.0;
        let variance = targets().map(|y| (y - mean).powi(2)).sum::<f64>() / 3000.0;
        let all = errors(&data, &prompts, 32).unwrap();
        let at = |name, n: usize| of(&all, name).mean[n] / variance;
        let got = [
            at("pooled", 0),
            at("mean", 24),
            at("ridge", 8),
            at("ridge", 32),
            at("ridge+prior", 8),
            at("ridge+prior", 32),
        ];
        for (sum, x) in sums.iter_mut().zip(got) {
            *sum += x / splits as f64;
        }
        assert_eq!(of(&all, "pooled").mean[0], of(&all, "pooled").mean[32]);
        assert_eq!(of(&all, "ridge+prior").mean[0], of(&all, "pooled").mean[0]);
        assert_eq!(of(&all, "ridge").mean[0], of(&all, "mean").mean[0]);
    }
    // Measured apart over ten splits; single splits of `pooled` spread by 0.010.
    for (got, (want, within)) in sums.into_iter().zip([
        (0.082, 0.012),
        (0.881, 0.06),
        (0.032, 0.006),
        (0.015, 0.003),
        (0.029, 0.005),
        (0.016, 0.003),
    ]) {
        assert!((got - want).abs() < within, "{got} for {want}: {sums:?}");
    }
}

#[test]
fn noiseless_linear_tasks_are_solved_by_ridge() {
    // Eight tasks y = w x + 1 with their own w: pooled cannot know it, two demonstrations show it.
    let mut text = String::from("task,x,y\n");
    for task in 0..8 {
        for i in 0..12 {
            let x = f64::from((i * 7 + task * 3) % 12) / 4.0 - 1.4;
            text += &format!("t{task},{x},{}\n", f64::from(task - 4) * x + 1.0);
        }
    }
    let data = parse(text.as_bytes(), Path::new("t.csv"), &Tables::default(), 3, 6).unwrap();
    let all = errors(&data, &heldout_prompts(&data, 400, 5), 5).unwrap();
    for name in ["ridge", "ridge+prior"] {
        assert!(of(&all, name).mean[5] < 1e-4, "{:?}", of(&all, name));
    }
    assert!(of(&all, "pooled").mean[5] > 0.1);
    assert!(all.iter().all(|b| b.stderr.len() == 6 && b.stderr.iter().all(|s| s.is_some_and(|s| s >= 0.0))));
}

#[test]
fn predictions_follow_their_definitions() {
    let data = load(&log_diamonds(), 1, 21).unwrap();
    let prompts = heldout_prompts(&data, 50, 4);
    let all = Predictors::fit(&data, 4).unwrap().errors(&data, prompts.iter().cloned()).unwrap();
    for n in 1..=4 {
        let error = |p: &Vec<u32>| {
            let mean = p[1..=n].iter().map(|id| f64::from(data.row(*id).1)).sum::<f64>() / n as f64;
            (mean - f64::from(data.row(p[0]).1)).powi(2)
        };
        let errors: Vec<f64> = prompts.iter().map(error).collect();
        let mean = errors.iter().sum::<f64>() / 50.0;
        let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 49.0;
        assert!((of(&all, "mean").mean[n] - mean).abs() < 1e-10);
        assert!((of(&all, "mean").stderr[n].unwrap() - (variance / 50.0).sqrt()).abs() < 1e-10);
    }
}

#[test]
fn only_pretraining_rows_choose_the_predictors() {
    let mut data = load(&log_diamonds(), 4, 21).unwrap();
    let fitted = Predictors::fit(&data, 6).unwrap();
    let width = data.dim + 1;
    let kept = data.pretrain.iter().map(|g| g.len as usize).sum::<usize>() * width;
    data.rows[kept..].fill(1e6);
    assert_eq!(Predictors::fit(&data, 6).unwrap(), fitted);
    data.rows[..width].fill(30.0);
    assert_ne!(Predictors::fit(&data, 6).unwrap(), fitted);
}
