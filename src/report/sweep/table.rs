//! The table of a sweep: a row a method and setting, its two errors with none and with the most demonstrations.

use super::figures::Field;
use super::load::{Setting, SweepData, shown};
use crate::report::load::PRETRAINED;
use crate::report::shots::task_name;
use crate::report::table::fixed;
use crate::store::results::Summary;
use minijinja::{Value, context};

/// Heads and rows; `swatch` draws a method's marker.
pub(super) fn table(data: &SweepData, field: Option<&Field>, swatch: &dyn Fn(&str) -> Value) -> Value {
    let tasks: Vec<&str> = std::iter::once("target").chain(data.unseen.as_deref()).collect();
    let mut shots = vec![0, data.shots];
    shots.dedup();
    let columns: Vec<(&str, usize)> =
        tasks.iter().flat_map(|t| shots.iter().map(move |s| (*t, *s))).collect();
    let best: Vec<Option<f64>> = columns.iter().map(|(t, s)| lowest(data, t, *s)).collect();
    let front: Vec<usize> =
        field.map(|f| f.front.iter().map(|i| f.settings[*i]).collect()).unwrap_or_default();
    let rows = data.settings.iter().enumerate().map(|(i, s)| {
        let cell = |((task, shots), best): (&(&str, usize), &Option<f64>)| {
            let row = s.at(task, *shots);
            cell(row, competes(s) && best.is_some() && row.map(|r| r.mean) == *best)
        };
        let values: Vec<String> =
            s.values.iter().map(|v| v.as_ref().map(|v| shown(v)).unwrap_or_default()).collect();
        context! {
            name => s.method.clone(),
            swatch => swatch(&s.method),
            values => values,
            seeds => seeds(s),
            front => front.contains(&i),
            reference => s.method == PRETRAINED,
            cells => columns.iter().zip(&best).map(cell).collect::<Vec<Value>>(),
        }
    });
    let axes =
        (0..data.keys.len()).map(|i| context! { name => data.axis_name(i), key => data.keys[i].clone() });
    context! {
        axes => axes.collect::<Vec<Value>>(),
        tasks => tasks.iter().map(|t| context! { name => task_name(t), span => shots.len() }).collect::<Vec<_>>(),
        shots => shots,
        rows => rows.collect::<Vec<Value>>(),
    }
}

/// How many seeds, and how many of them diverged.
fn seeds(s: &Setting) -> Value {
    let diverged = match s.diverged() {
        0 => String::new(),
        n if n == s.seeds() => "all diverged".into(),
        n => format!("{n} diverged"),
    };
    context! { count => s.seeds(), diverged => diverged }
}

/// Fine-tuned, and with every seed.
fn competes(s: &Setting) -> bool {
    s.method != PRETRAINED && s.diverged() == 0
}

/// The lowest error of a fine-tuned setting in a column, where there is more than one.
fn lowest(data: &SweepData, task: &str, shots: usize) -> Option<f64> {
    let tuned = data.settings.iter().filter(|s| competes(s));
    let values: Vec<f64> =
        tuned.filter_map(|s| Some(s.at(task, shots)?.mean)).filter(|v| v.is_finite()).collect();
    if values.len() > 1 { values.into_iter().min_by(f64::total_cmp) } else { None }
}

fn cell(row: Option<&Summary>, best: bool) -> Value {
    let Some(row) = row else { return context! { mean => "", stderr => "", best => false } };
    let stderr = row.stderr.map(|e| format!("± {}", fixed(e, row.mean))).unwrap_or_default();
    let mean = if row.mean.is_nan() { "–".into() } else { fixed(row.mean, row.mean) };
    context! { mean => mean, stderr => stderr, best => best }
}
