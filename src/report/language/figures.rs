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
    let all: Vec<f64> =
        lines.iter().map(|line| f64::from(line.loss)).filter(|loss| loss.is_finite()).collect();
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
        let series = [line, judged];
        let body =
            Panel { size: SIZE, title: name, names: ["step", "nats a token"], x: &x, y: &y, series: &series }
                .draw();
        Figure {
            stem: format!("loss-{}", file_stem(name)),
            label: format!("Training and validation loss of {name} against steps"),
            size: SIZE,
            body,
            legend: legend(),
            notes: Vec::new(),
        }
    };
    names.iter().enumerate().map(panel).collect()
}

/// What the strokes mean.
pub fn legend() -> Vec<Key> {
    vec![
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
    ]
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
