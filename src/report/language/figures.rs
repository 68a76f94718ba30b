//! Losses step by step, and what moved where.

use crate::plot::{Axis, Beyond, Dash, Figure, Grid, Ink, Key, Marker, Panel, Sample, Series, Spread};
use crate::report::file_stem;
use crate::store::methods::{MethodFacts, Methods};
use crate::store::metrics::Line;

const SIZE: (f64, f64) = (420.0, 250.0);

/// A panel a method, on one vertical axis.
pub fn losses(lines: &[Line], record: &Methods) -> Vec<Figure> {
    let of = |method: &str, phase: &str| -> Vec<(f64, f64)> {
        let own = lines.iter().filter(|line| line.method == method && line.phase == phase);
        own.map(|line| (line.step as f64, f64::from(line.loss)))
            .filter(|(_, loss)| loss.is_finite())
            .collect()
    };
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.method.as_str()) {
            names.push(&line.method);
        }
    }
    names.retain(|name| record.methods.iter().any(|method| method.name == **name));
    let counted = record.baselines.iter().map(|(_, nats)| *nats);
    let all: Vec<f64> = lines
        .iter()
        .map(|line| f64::from(line.loss))
        .filter(|loss| loss.is_finite())
        .chain(counted)
        .collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    if all.is_empty() {
        return Vec::new();
    }
    let room = 0.05 * (high - low).max(1e-3);
    let y = Axis::linear(low - room, high + room, 5);
    let panel = |(i, name): (usize, &&str)| {
        let (train, kept) = (of(name, "finetune"), of(name, "validate"));
        let last = train.iter().chain(&kept).map(|(step, _)| *step).fold(1.0, f64::max);
        let x = Axis::counts(last as u64);
        let line = Series::line("training loss", Ink::Muted, &train, 1.2, Dash::Solid);
        let errors: Vec<f64> = lines
            .iter()
            .filter(|line| line.method == **name && line.phase == "validate")
            .map(|line| line.parts.get("stderr").map_or(f64::NAN, f64::from))
            .collect();
        let mut judged = Series::line("validation loss", Ink::Series(i), &kept, 2.0, Dash::Solid);
        judged.dots.iter_mut().zip(errors).for_each(|(dot, error)| dot.spread = error);
        let judged = Series {
            marks: Some((Marker::Circle, 3.4)),
            spread: Spread::Bars,
            beyond: Beyond::None,
            ..judged
        };
        let mut series = counting(record, last);
        series.extend([line, judged]);
        let body =
            Panel { size: SIZE, title: name, names: ["step", "nats a token"], x: &x, y: &y, series: &series }
                .draw();
        Figure {
            stem: format!("loss-{}", file_stem(name)),
            label: format!("Training and validation loss of {name} against steps"),
            size: SIZE,
            body,
            legend: legend(record),
            notes: Vec::new(),
        }
    };
    names.iter().enumerate().map(panel).collect()
}

/// Strokes of n-gram models.
const COUNTED: [Dash; 3] = [Dash::Dots, Dash::Short, Dash::Long];

/// What counting foretells, as level lines.
fn counting(record: &Methods, last: f64) -> Vec<Series> {
    let level = |((name, nats), dash): (&(String, f64), Dash)| {
        Series::line(name, Ink::Text, &[(0.0, *nats), (last, *nats)], 1.0, dash)
    };
    record.baselines.iter().zip(COUNTED).map(level).collect()
}

/// Validation losses of all methods in one figure, where there are several models.
pub fn together(lines: &[Line], record: &Methods) -> Option<Figure> {
    if record.baselines.is_empty() || record.methods.len() < 2 {
        return None;
    }
    let of = |name: &str| -> Vec<(f64, f64)> {
        let own = lines.iter().filter(|line| line.method == name && line.phase == "validate");
        own.map(|line| (line.step as f64, f64::from(line.loss)))
            .filter(|(_, loss)| loss.is_finite())
            .collect()
    };
    let curves: Vec<(&str, Vec<(f64, f64)>)> =
        record.methods.iter().map(|method| (method.name.as_str(), of(&method.name))).collect();
    let all = || curves.iter().flat_map(|(_, curve)| curve);
    let last = all().map(|(step, _)| *step).fold(1.0, f64::max);
    // Of the first step all that is told is the size of the vocabulary.
    let shown = all().filter(|(step, _)| *step > 0.0).map(|(_, loss)| *loss);
    let counted = record.baselines.iter().map(|(_, nats)| *nats);
    let (low, high) =
        shown.chain(counted).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if !low.is_finite() {
        return None;
    }
    let room = 0.05 * (high - low).max(1e-3);
    let (x, y) = (Axis::counts(last as u64), Axis::linear(low - room, high + room, 6));
    let size = (SIZE.0, 1.3 * SIZE.1);
    let mut series = counting(record, last);
    for (i, (name, curve)) in curves.iter().enumerate() {
        let curve: Vec<(f64, f64)> = curve.iter().copied().filter(|(step, _)| *step > 0.0).collect();
        let line = Series::line(name, Ink::Series(i), &curve, 1.8, Dash::Solid);
        series.push(Series { marks: Some((MARKS[i % MARKS.len()], 3.2)), beyond: Beyond::None, ..line });
    }
    let key = |(i, method): (usize, &MethodFacts)| Key {
        label: method.name.clone(),
        ink: Ink::Series(i),
        sample: Sample::Marked(MARKS[i % MARKS.len()]),
    };
    let mut legend: Vec<Key> = record.methods.iter().enumerate().map(key).collect();
    legend.extend(counted_keys(record));
    let title = "loss on what was kept back";
    let body = Panel { size, title, names: ["step", "nats a token"], x: &x, y: &y, series: &series }.draw();
    Some(Figure {
        stem: "losses-together".into(),
        label: "Validation losses of all models against steps, beside n-gram models".into(),
        size,
        body,
        legend,
        notes: Vec::new(),
    })
}

const MARKS: [Marker; 4] = [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond];

fn counted_keys(record: &Methods) -> Vec<Key> {
    let key = |((name, nats), dash): (&(String, f64), Dash)| Key {
        label: format!("{name} model, {nats:.3}"),
        ink: Ink::Text,
        sample: Sample::Line(dash),
    };
    record.baselines.iter().zip(COUNTED).map(key).collect()
}

/// What the strokes mean.
pub fn legend(record: &Methods) -> Vec<Key> {
    let mut all = vec![
        Key {
            label: "training loss, a step's text".into(),
            ink: Ink::Muted,
            sample: Sample::Line(Dash::Solid),
        },
        Key {
            label: "loss on what was kept back, ± its standard error over sequences".into(),
            ink: Ink::Series(0),
            sample: Sample::Marked(Marker::Circle),
        },
    ];
    all.extend(counted_keys(record));
    all
}

/// A map a method: rows are projections, columns layers.
pub fn moved(record: &Methods) -> Vec<Figure> {
    let layers = record.model.layers as usize;
    let share = |one: &crate::store::methods::Moved| 100.0 * one.norm / one.before.max(f64::MIN_POSITIVE);
    let all = record.methods.iter().flat_map(|method| &method.moved);
    // One scale for all: they are compared.
    let scale = all.map(share).filter(|x| x.is_finite()).fold(0.0, f64::max).max(1e-9);
    let map = |method: &MethodFacts| -> Option<Figure> {
        let mut rows: Vec<String> = Vec::new();
        let mut values: Vec<Option<f64>> = Vec::new();
        let mut beside: Vec<String> = Vec::new();
        for one in &method.moved {
            let place = one.tensor.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
            let Some((layer, name)) = place.and_then(|(n, name)| Some((n.parse::<usize>().ok()?, name)))
            else {
                beside.push(format!("{} moved by {:.3} %", one.tensor, share(one)));
                continue;
            };
            let name = name.trim_end_matches(".weight").rsplit('.').next().unwrap_or(name).to_string();
            let row = rows.iter().position(|own| *own == name).unwrap_or_else(|| {
                rows.push(name);
                values.extend(std::iter::repeat_n(None, layers));
                rows.len() - 1
            });
            if layer < layers {
                values[row * layers + layer] = Some(share(one));
            }
        }
        if rows.is_empty() && beside.is_empty() {
            return None;
        }
        let name = "change, per cent of the tensor's norm";
        let grid = Grid {
            title: &method.name,
            rows: &rows,
            columns: (layers, "layer"),
            values: &values,
            scale,
            name,
        };
        Some(Figure {
            stem: format!("moved-{}", file_stem(&method.name)),
            label: format!("How far each projection of each layer moved by {}", method.name),
            size: grid.size(),
            body: grid.draw(),
            legend: Vec::new(),
            notes: if beside.is_empty() {
                Vec::new()
            } else {
                vec![format!("Beside the layers: {}.", beside.join("; "))]
            },
        })
    };
    record.methods.iter().filter_map(map).collect()
}
