//! The report of a sweep: figures and one self-contained page, drawn from the files of its directory alone.

mod figures;
mod load;
mod table;
mod words;

use super::{Drawn, figures as shown, keys, render, safe, set_off, swatch};
use crate::error::Result;
use crate::findings;
use crate::plot::Figure;
use load::SweepData;
use minijinja::{Value, context};
use std::path::Path;

/// Whether a directory is a sweep's.
pub fn is_sweep(dir: &Path) -> bool {
    dir.join("sweep.json").exists()
}

/// Reads the sweep in `dir` (`sweep.toml`, `sweep.json`, `summary.csv`) and writes `report.html` and `figures/*.svg`
/// into it: all of them or none.
///
/// # Errors
/// A file that is missing or malformed, by name and line, or one that cannot be written.
pub fn write(dir: &Path) -> Result<()> {
    draw(dir)?.save()
}

/// Reads the sweep in `dir` and draws its report, writing nothing.
///
/// # Errors
/// A file that is missing or malformed, by name and line.
pub fn draw(dir: &Path) -> Result<Drawn> {
    let data = load::read(dir)?;
    let field = figures::field(&data);
    let pareto = field.as_ref().and_then(|f| figures::pareto(&data, f));
    let against = figures::against(&data);
    let html = html(&data, field.as_ref(), pareto.as_ref(), &against)?;
    let all = pareto.iter().chain(against.iter().flat_map(|(_, panels)| panels));
    Ok(Drawn::new(dir, all, &html))
}

fn html(
    data: &SweepData,
    field: Option<&figures::Field>,
    pareto: Option<&Figure>,
    against: &[(usize, Vec<Figure>)],
) -> Result<String> {
    let pareto = pareto.iter().map(|f| {
        context! { svg => safe(f.inline()), notes => f.notes.clone(), legend => keys(&f.legend) }
    });
    let against = against.iter().map(|(axis, panels)| {
        let legend = keys(&figures::legend(data, *axis));
        context! { name => data.axis_name(*axis), key => data.keys[*axis].clone(), legend => legend, panels => shown(panels) }
    });
    let sentences =
        findings::of_sweep(&words::settings(data, field)).into_iter().map(|s| set_off(&s, &data.methods));
    let values = context! {
        summary => words::summary(data),
        conclusion => sentences.collect::<Vec<Value>>(),
        shots_max => data.shots,
        seeds => data.seeds(),
        pareto => pareto.collect::<Vec<Value>>(),
        chained => !data.numeric().is_empty(),
        against => against.collect::<Vec<Value>>(),
        table => table::table(data, field, &|method: &str| swatch(&data.styles, method)),
    };
    render(&data.dir, include_str!("sweep/page.html"), values)
}
