//! `floe check`

use super::mend::of_flag;
use super::print;
use super::source::Device;
use crate::check::{self, Row};
use crate::compare::Distance;
use crate::error::{Error, Result};
use crate::kernels::KERNELS;
use std::path::PathBuf;

/// Compare every kernel with its reference on a device: run this first on hardware floe has not seen
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only cases with one of these in `<kernel>: <case>`, for instance `prompt_step` or `prompt_step: d = 1`
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<String>,
    /// Instead: the gradient of this language model's loss, a .gguf file or a Hugging Face directory, against slopes of the loss
    #[arg(long, value_name = "MODEL", conflicts_with = "only")]
    model: Option<PathBuf>,
    /// Parameters whose gradient is checked, such as `*.v_proj.weight`; all if not given
    #[arg(long, value_name = "PATTERN", requires = "model")]
    train: Vec<String>,
    /// Directions that each group of parameters is moved in, half of them along the gradient
    #[arg(long, value_name = "N", requires = "model", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    directions: u32,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    if let Some(model) = &args.model {
        return super::language::check::run(model, &args.train, args.directions as usize, &args.device);
    }
    // What is wrong here is to be shown, not refused.
    let (engine, tuning, _) = args.device.open_unproved(None)?;
    print(&line(["", "kernel", "rms", "max", "case"]))?;
    let rows = check::all(&engine, &tuning, &args.only, |row| print(&shown(row)));
    let rows = rows.map_err(|e| of_flag("--only", e))?;
    let red = rows.iter().filter(|row| !row.passes()).count();
    if red > 0 {
        let name = &engine.adapter().name;
        return Err(Error::Parity(format!(
            "{red} of {} cases are red on {name}: results there are not to be trusted; update its driver or choose another --device",
            rows.len()
        )));
    }
    print(&format!("all {} cases are green\n", rows.len()))
}

fn shown(row: &Row) -> String {
    let number = |get: fn(&Distance) -> f64| match &row.distance {
        Some(d) => format!("{:.1e}", get(d)),
        None => "-".into(),
    };
    let case = if row.passes() { row.case.clone() } else { format!("{}: {}", row.case, row.failure) };
    let mark = if row.passes() { "ok" } else { "RED" };
    line([mark, row.kernel, &number(|d| d.rms), &number(|d| d.max), &case])
}

/// A line of the table, whose columns are known before its rows are.
fn line([mark, kernel, rms, max, case]: [&str; 5]) -> String {
    let width = KERNELS.iter().map(|k| k.stem.len()).max().unwrap_or(0);
    format!("{mark:<3}  {kernel:<width$}  {rms:<7}  {max:<7}  {case}\n")
}
