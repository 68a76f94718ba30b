//! `floe check`

use super::source::Device;
use super::{print, table};
use crate::check;
use crate::error::{Error, Result};

/// Compare every kernel with its reference on a device: run this first on hardware floe has not seen
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only cases with one of these in `<kernel>: <case>`, for instance `prompt_step` or `prompt_step: d = 1`
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<String>,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let (engine, tuning) = args.device.open()?;
    let rows = check::all(&engine, &tuning, &args.only)?;
    let mut cells = vec![["", "kernel", "rms", "max", "case"].map(String::from).to_vec()];
    for row in &rows {
        let number = |get: fn(&crate::compare::Distance) -> f64| match &row.distance {
            Some(d) => format!("{:.1e}", get(d)),
            None => "-".into(),
        };
        let case = if row.passes() { row.case.clone() } else { format!("{}: {}", row.case, row.failure) };
        let mark = if row.passes() { "ok" } else { "RED" };
        cells.push(vec![mark.into(), row.kernel.into(), number(|d| d.rms), number(|d| d.max), case]);
    }
    print(&table(&cells));
    let red = rows.iter().filter(|row| !row.passes()).count();
    if red > 0 {
        let name = &engine.adapter().name;
        return Err(Error::Parity(format!(
            "{red} of {} cases are red on {name}: results there are not to be trusted; update its driver or choose another --device",
            rows.len()
        )));
    }
    print(&format!("all {} cases are green\n", rows.len()));
    Ok(())
}
