//! The figures of a sweep: both errors of every setting with their front, and each error against a numeric axis.

use super::load::{Setting, SweepData};
use crate::plot::{
    self, Axis, Beyond, Dash, Dot, Figure, Ink, Key, Measure, Panel, Role, Sample, Scatter, Series, Spot,
    Spread, number,
};
use crate::report::load::PRETRAINED;
use crate::report::palette::Style;
use crate::report::tradeoff;
use crate::store::results::Summary;

/// More settings than this are drawn with smaller marks.
const MANY: usize = 60;
/// Axes with panels of their own.
const AXES: usize = 3;
/// Lines of up to so many points are moved apart.
const FEW: usize = 8;

/// Every setting's two errors.
pub(super) struct Field {
    /// Of the settings that have finite errors.
    pub spots: Vec<Spot>,
    /// Each spot's index among the settings.
    pub settings: Vec<usize>,
    /// Indices of spots on the front, from the lowest zero-shot error.
    pub front: Vec<usize>,
    /// Settings whose errors are not finite.
    pub lost: usize,
}

/// The settings as spots; none where no task but the target was evaluated.
pub(super) fn field(data: &SweepData) -> Option<Field> {
    let unseen = data.unseen.as_ref()?;
    let (mut spots, mut settings, mut lost) = (Vec::new(), Vec::new(), 0);
    for (i, s) in data.settings.iter().enumerate() {
        let (Some(zero), Some(few)) = (s.at("target", 0), s.at(unseen, data.shots)) else { continue };
        if !(zero.mean.is_finite() && few.mean.is_finite()) {
            lost += 1;
            continue;
        }
        let style = data.style(&s.method);
        // The mean of the seeds that happened to survive says too little to beat others.
        let whole = if s.diverged() == 0 { Role::Mark } else { Role::Aside };
        let role = if s.method == PRETRAINED { Role::Base } else { whole };
        let (label, ink, marker) = (label(&s.name()), style.ink, style.marker);
        spots.push(Spot { label, ink, marker, x: measure(zero), y: measure(few), role });
        settings.push(i);
    }
    let front = plot::front(&spots);
    Some(Field { spots, settings, front, lost })
}

/// Short enough to stand in the figure.
fn label(name: &str) -> String {
    match name.char_indices().nth(36) {
        Some((cut, _)) => format!("{}…", &name[..cut]),
        None => name.to_string(),
    }
}

/// With a bar of one standard error over seeds.
fn measure(row: &Summary) -> Measure {
    Measure { value: row.mean, bar: row.stderr.unwrap_or(f64::NAN) }
}

/// Zero-shot against few-shot error of every setting.
pub(super) fn pareto(data: &SweepData, field: &Field) -> Option<Figure> {
    if field.spots.is_empty() || data.shots == 0 {
        return None;
    }
    let size = (420.0, 400.0);
    let y_name = format!("{}-shot error on tasks not seen", data.shots);
    let scatter = Scatter {
        size,
        names: ["zero-shot error on the target task", &y_name],
        spots: &field.spots,
        chains: &chains(data, field),
        all_labels: false,
        radius: if field.spots.len() > MANY { 2.8 } else { 4.0 },
    };
    let drawn = scatter.draw();
    let mut legend: Vec<Key> = drawn_styles(data, field).map(Style::key).collect();
    legend.extend(tradeoff::legend(&field.spots, "no setting is better in both (Pareto front)"));
    let mut notes = Vec::new();
    let far = drawn.beyond.iter().map(|i| &field.spots[*i]);
    let worst = far.max_by(|a, b| (a.x.value.max(a.y.value)).total_cmp(&b.x.value.max(b.y.value)));
    if let Some(s) = worst {
        let (count, zero, few) = (drawn.beyond.len(), number(s.x.value), number(s.y.value));
        let what = if count == 1 { "One setting lies".into() } else { format!("{count} settings lie") };
        let most = if count == 1 { "" } else { "the farthest, " };
        let place = format!("{most}{}: zero-shot {zero}, {}-shot {few}", s.label, data.shots);
        notes.push(format!("{what} beyond the axes, drawn on the edge ({place})."));
    }
    match field.spots.iter().filter(|s| s.role == Role::Aside).count() {
        0 => {}
        1 => notes
            .push("One setting had seeds that diverged: it is the mean of the others, off the front.".into()),
        n => notes.push(format!(
            "{n} settings had seeds that diverged: they are means of the others, and stay off the front."
        )),
    }
    match field.lost {
        0 => {}
        1 => notes.push("One setting diverged with every seed and is not drawn.".into()),
        n => notes.push(format!("{n} settings diverged with every seed and are not drawn.")),
    }
    let label = format!("Zero-shot error on the target task against {} of every method and setting", y_name);
    Some(Figure { stem: "pareto".into(), label, size, body: drawn.body, legend, notes })
}

fn drawn_styles<'d>(data: &'d SweepData, field: &'d Field) -> impl Iterator<Item = &'d Style> {
    let drawn = |s: &&Style| field.settings.iter().any(|i| data.settings[*i].method == s.model);
    data.styles.iter().filter(drawn)
}

/// Spots of one method that differ in its one numeric axis alone, in that axis' order.
fn chains(data: &SweepData, field: &Field) -> Vec<Vec<usize>> {
    let numeric = data.numeric();
    let setting = |spot: usize| &data.settings[field.settings[spot]];
    let mut chains: Vec<(usize, Vec<usize>)> = Vec::new();
    for spot in 0..field.spots.len() {
        let own: Vec<usize> =
            numeric.iter().copied().filter(|a| setting(spot).values[*a].is_some()).collect();
        let [axis] = own.as_slice() else { continue };
        let same = |(with, chain): &&mut (usize, Vec<usize>)| {
            with == axis && line(setting(chain[0]), setting(spot), *axis)
        };
        match chains.iter_mut().find(same) {
            Some((_, chain)) => chain.push(spot),
            None => chains.push((*axis, vec![spot])),
        }
    }
    for (axis, chain) in &mut chains {
        chain.sort_by(|a, b| value(setting(*a), *axis).total_cmp(&value(setting(*b), *axis)));
    }
    chains.into_iter().map(|(_, chain)| chain).filter(|chain| chain.len() > 1).collect()
}

/// Whether two settings differ in that axis alone.
fn line(a: &Setting, b: &Setting, axis: usize) -> bool {
    let others = |s: &Setting| -> Vec<Option<String>> {
        s.values.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, v)| v.clone()).collect()
    };
    a.method == b.method && others(a) == others(b)
}

fn value(s: &Setting, axis: usize) -> f64 {
    s.values[axis].as_ref().and_then(|v| v.parse().ok()).unwrap_or(f64::NAN)
}

/// For each numeric axis, the two errors against it.
pub(super) fn against(data: &SweepData) -> Vec<(usize, Vec<Figure>)> {
    let mut out = Vec::new();
    for axis in data.numeric().into_iter().take(AXES) {
        let mut panels = vec![panel(data, axis, "target", 0, "Target task, no demonstrations")];
        if let Some(unseen) = &data.unseen {
            let title = format!("Tasks not seen, {} demonstrations", data.shots);
            panels.push(panel(data, axis, unseen, data.shots, &title));
        }
        out.push((axis, panels));
    }
    out
}

/// A line of a panel: one method with the other axes fixed.
struct Line<'a> {
    style: &'a Style,
    /// Value of the axis, and the errors there.
    points: Vec<(f64, &'a Summary)>,
}

fn panel(data: &SweepData, axis: usize, task: &str, shots: usize, title: &str) -> Figure {
    let size = (400.0, 330.0);
    let (lines, level) = (lines(data, axis, task, shots), level(data, axis, task, shots));
    let errors: Vec<Vec<f64>> = lines.iter().map(|l| l.points.iter().map(|p| p.1.mean).collect()).collect();
    let y = Axis::errors(&errors, level.as_slice());
    let x = Axis::settings(lines.iter().flat_map(|l| l.points.iter().map(|p| p.0)));
    let level = level
        .map(|level| Series::line(PRETRAINED, Ink::Axis, &[(x.lo, level), (x.hi, level)], 1.4, Dash::Short));
    let drawn = lines.iter().enumerate().rev().map(|(i, line)| series(line, dodge(i, &lines)));
    let series: Vec<Series> = level.into_iter().chain(drawn).collect();
    let across = data.axis_name(axis);
    let names = [across.as_str(), "mean squared error"];
    let body = Panel { size, title, names, x: &x, y: &y, series: &series }.draw();
    let off = lines.iter().flat_map(|l| l.points.iter().map(move |p| (l, p.1.mean)));
    let (mut above, mut broken) = (Vec::new(), 0);
    for (line, mean) in off {
        if y.above(mean) {
            above.push((line, mean));
        }
        broken += usize::from(mean.is_nan());
    }
    let mut notes = Vec::new();
    if let Some((line, top)) = above.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
        notes.push(format!("Above the axis (▲): up to {} ({}).", number(*top), line.style.model));
    }
    if broken > 0 {
        let what = if broken == 1 { "1 point is".into() } else { format!("{broken} points are") };
        notes.push(format!("{what} missing, where every seed diverged."));
    }
    let stem = crate::report::file_stem(&format!("{task}-{shots}-shot-against-{}", data.keys[axis]));
    let label = format!("{title}: mean squared error against {}", data.keys[axis]);
    Figure { stem, label, size, body, legend: legend(data, axis), notes }
}

fn lines<'d>(data: &'d SweepData, axis: usize, task: &str, shots: usize) -> Vec<Line<'d>> {
    let mut lines: Vec<(&Setting, Line)> = Vec::new();
    for s in data.settings.iter().filter(|s| s.values[axis].is_some()) {
        let Some(row) = s.at(task, shots) else { continue };
        let point = (value(s, axis), row);
        match lines.iter_mut().find(|(first, _)| line(first, s, axis)) {
            Some((_, line)) => line.points.push(point),
            None => lines.push((s, Line { style: data.style(&s.method), points: vec![point] })),
        }
    }
    let sorted = |(_, mut line): (&Setting, Line<'d>)| {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line
    };
    lines.into_iter().map(sorted).collect()
}

/// The pre-trained model's error, if it is one for the whole axis.
fn level(data: &SweepData, axis: usize, task: &str, shots: usize) -> Option<f64> {
    let mut base = data.settings.iter().filter(|s| s.method == PRETRAINED);
    let (only, None) = (base.next()?, base.next()) else { return None };
    let fixed = only.values[axis].is_none();
    only.at(task, shots).map(|row| row.mean).filter(|mean| fixed && mean.is_finite())
}

/// How many pixels to the right a line is drawn, so that lines that coincide are both seen.
fn dodge(index: usize, lines: &[Line]) -> f64 {
    let few = lines.iter().all(|l| l.points.len() <= FEW) && lines.len() <= 12;
    if few { 4.0 * (index as f64 - (lines.len() as f64 - 1.0) / 2.0) } else { 0.0 }
}

/// A line with marks, and bars of one standard error over seeds.
fn series(line: &Line, shift: f64) -> Series {
    let Style { model, ink, marker } = line.style;
    let dot = |(x, row): &(f64, &Summary)| Dot { x: *x, y: row.mean, spread: row.stderr.unwrap_or(f64::NAN) };
    Series {
        dots: line.points.iter().map(dot).collect(),
        marks: Some((*marker, if line.points.len() > 2 * FEW { 2.2 } else { 3.6 })),
        spread: Spread::Bars,
        beyond: Beyond::Each,
        shift,
        ..Series::line(model, *ink, &[], 1.6, Dash::Solid)
    }
}

/// The legend that the panels of an axis share.
pub(super) fn legend(data: &SweepData, axis: usize) -> Vec<Key> {
    let depends = |s: &&Style| data.settings.iter().any(|x| x.method == s.model && x.values[axis].is_some());
    let mut keys: Vec<Key> = data.styles.iter().filter(depends).map(Style::key).collect();
    if level(data, axis, "target", 0).is_some() {
        let label = "the pre-trained model".into();
        keys.push(Key { label, ink: Ink::Axis, sample: Sample::Line(Dash::Short) });
    }
    keys
}
