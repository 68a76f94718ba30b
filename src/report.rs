//! The report of a run: figures and one self-contained page, drawn from the files of a run directory alone.

mod drawn;
mod heat;
pub mod language;
mod load;
mod losses;
mod palette;
mod shots;
mod summary;
pub mod sweep;
mod table;
mod tradeoff;
mod weights;

pub use drawn::Drawn;
pub use load::{Curve, Loss, PRETRAINED, Point, RunData, Series, read};
pub use weights::{Matrix, Weights};

use crate::error::{Error, Result};
use crate::findings::{self, Results, Risk, Row};
use crate::plot::{self, Figure, Key, escape};
use minijinja::{AutoEscape, Environment, Value, context};
use std::path::Path;

/// Reads the run in `dir` and writes `report.html` and `figures/*.svg` into it: all of them or none.
///
/// # Errors
/// Whatever [`read`] finds wrong, or a file that cannot be written.
pub fn write(dir: &Path) -> Result<()> {
    draw(dir)?.save()
}

/// Reads the run in `dir` and draws its report, writing nothing.
///
/// # Errors
/// Whatever [`read`] finds wrong.
pub fn draw(dir: &Path) -> Result<Drawn> {
    let data = read(dir)?;
    let page = Page::draw(&data);
    Ok(Drawn::new(dir, page.all(), &page.html(&data)?))
}

/// Every figure of a report.
struct Page {
    styles: Vec<palette::Style>,
    shots: Vec<Figure>,
    tradeoff: Option<Figure>,
    losses: Vec<Figure>,
    maps: Vec<heat::Maps>,
}

impl Page {
    fn draw(data: &RunData) -> Page {
        let styles = palette::styles(&data.models(), &data.config.methods);
        Page {
            shots: shots::figures(data, &styles),
            tradeoff: tradeoff::figure(data, &styles),
            losses: losses::figures(data, &styles),
            maps: heat::maps(data),
            styles,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Figure> {
        let maps = self.maps.iter().flat_map(|m| &m.figures);
        self.shots.iter().chain(&self.tradeoff).chain(&self.losses).chain(maps)
    }

    fn html(&self, data: &RunData) -> Result<String> {
        let swatch = |model: &str| swatch(&self.styles, model);
        let maps: Vec<Value> = self
            .maps
            .iter()
            .map(|m| {
                let shown = figures(&m.figures);
                context! { model => m.model.clone(), swatch => swatch(&m.model), figures => shown, hidden => m.hidden }
            })
            .collect();
        let tradeoff = self.tradeoff.iter().map(|f| {
            context! { svg => safe(f.inline()), notes => f.notes.clone(), legend => keys(&f.legend), front => true }
        });
        let values = context! {
            summary => summary::summary(data),
            conclusion => sentences(data),
            shots => figures(&self.shots),
            shots_legend => keys(&shots::legend(data, &self.styles)),
            shots_max => data.max_shots(),
            tradeoff => tradeoff.collect::<Vec<Value>>(),
            losses => figures(&self.losses),
            losses_legend => keys(&losses::legend()),
            maps => maps,
            table => table::table(data, &swatch),
        };
        render(&data.dir, include_str!("report/report.html"), values)
    }
}

/// A page in the layout that all share.
fn render(dir: &Path, page: &str, values: Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let css = include_str!("report/report.css").to_string() + &plot::css(|_| true);
    environment.add_global("css", safe(css));
    let broken = |e: minijinja::Error| Error::file(dir.join("report.html"), format!("{e:#}"));
    environment.add_template("layout", include_str!("report/layout.html")).map_err(broken)?;
    environment.add_template("macros", include_str!("report/macros.html")).map_err(broken)?;
    environment.add_template("page", page).map_err(broken)?;
    environment.get_template("page").and_then(|t| t.render(values)).map_err(broken)
}

/// The conclusion with the names of models set off.
fn sentences(data: &RunData) -> Vec<Value> {
    let results = results(data);
    findings::of_run(&results).into_iter().map(|s| set_off(&s, &results.models)).collect()
}

/// What the conclusion is made of.
fn results(data: &RunData) -> Results {
    let risk = |p: &Point| Risk { shots: p.shots, value: p.value(), stderr: p.stderr };
    let row = |s: &Series| Row {
        model: s.model.clone(),
        task: s.task.clone(),
        risks: s.points.iter().map(risk).collect(),
    };
    Results {
        base: PRETRAINED.into(),
        planned: data.config.methods.iter().map(|m| m.name.clone()).collect(),
        models: data.models(),
        rows: data.eval.iter().map(row).collect(),
        references: data.baselines.iter().map(row).collect(),
        unseen: data.unseen(),
        shots: data.max_shots(),
    }
}

/// A sentence with the names in it set off.
fn set_off(sentence: &str, names: &[String]) -> Value {
    let word = |word: &str| {
        let name = word.trim_end_matches([',', '.', ':', ';']);
        match name.len() > 1 && names.iter().any(|m| m == name) {
            true => format!("<b>{}</b>{}", escape(name), &word[name.len()..]),
            false => escape(word),
        }
    };
    safe(sentence.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// A model's marker, as in the figures.
fn swatch(styles: &[palette::Style], model: &str) -> Value {
    let style = styles.iter().find(|s| s.model == model);
    style.map(|s| safe(s.key().inline())).unwrap_or_default()
}

fn safe(html: String) -> Value {
    Value::from_safe_string(html)
}

fn figures(figures: &[Figure]) -> Vec<Value> {
    figures.iter().map(|f| context! { svg => safe(f.inline()), notes => f.notes.clone() }).collect()
}

fn keys(keys: &[Key]) -> Vec<Value> {
    keys.iter().map(|k| safe(format!("{}<span>{}</span>", k.inline(), escape(&k.label)))).collect()
}

/// A model's name as part of a file name.
fn file_stem(model: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    model.chars().map(keep).collect()
}
