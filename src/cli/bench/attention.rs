//! `floe bench attention`

use super::super::source::Device;
use super::super::{print, print_json, table};
use crate::bench::attention::{Asked, Line, SHAPES, SOURCE, run as time};
use crate::bench::roofs;
use crate::error::{Error, Result};
use crate::pretrained::Mixer;
use crate::rows::CsvText;
use crate::store::atomic::{atomic_write, check_writable};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Time linear attention alone: forward, and forward with backward
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Batch, tokens, heads and width of a head; again for more of them
    #[arg(long, value_name = "B,T,H,D", value_parser = shape)]
    shape: Vec<[usize; 4]>,
    /// `linear`, `retention`, `gated`, `delta` or `gated_delta`, or several; all of them if not given
    #[arg(long, value_delimiter = ',', value_name = "MIXER")]
    mixer: Vec<String>,
    /// The shapes of flash-linear-attention's and Helion's tables, their figures beside ours; for a GPU
    #[arg(long, conflicts_with = "shape")]
    published: bool,
    /// What queries, keys and values are read in: `f32`, or `f16` by variants for GPUs
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    dtype: String,
    /// Tokens of a chunk, a multiple of 16 up to 128; the variant's if not given
    #[arg(long, value_name = "TOKENS")]
    chunk: Option<usize>,
    /// Write the figures as JSON (`-` for standard output, instead of the table)
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Write the figures as CSV
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

/// What is timed where nobody says: a layer of the decoders that two cores train.
const USUAL: [usize; 4] = [8, 512, 4, 64];

fn shape(text: &str) -> std::result::Result<[usize; 4], String> {
    let numbers: Vec<usize> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
    let whole = numbers.len() == text.split(',').count();
    match <[usize; 4]>::try_from(numbers) {
        Ok(shape) if whole => Ok(shape),
        _ => Err("four numbers with commas between: B,T,H,D, such as 8,512,4,64".into()),
    }
}

/// What is said of a shape that the device has no room for.
fn too_large(error: Error, [b, t, h, d]: [usize; 4]) -> Error {
    match error {
        Error::OutOfMemory { .. } => Error::Usage(format!(
            "--shape {b},{t},{h},{d}: {error}; name a smaller one, or, where it is a texture that is too small, --variant gpu"
        )),
        other => other,
    }
}

/// A table and what it was taken on.
#[derive(Debug, Serialize, Deserialize)]
struct Table {
    floe: String,
    adapter: String,
    driver: String,
    variant: String,
    roof_gflops: f64,
    roof_gbytes_s: f64,
    lines: Vec<Line>,
    published: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let half = match args.dtype.as_str() {
        "f32" => false,
        "f16" => true,
        other => return Err(Error::Usage(format!("--dtype: `{other}` is none; there are f32 and f16"))),
    };
    let linear = || Mixer::ALL.into_iter().filter(|(_, mixer)| mixer.is_linear());
    let named = |name: &String| {
        let names = || linear().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        let found = linear().find(|(own, _)| own == name).map(|(_, mixer)| mixer);
        found.ok_or_else(|| Error::Usage(format!("--mixer: `{name}` is none; there are {}", names())))
    };
    let mixers: Vec<Mixer> = match args.mixer.is_empty() {
        true => linear().map(|(_, mixer)| mixer).collect(),
        false => args.mixer.iter().map(named).collect::<Result<_>>()?,
    };
    let shapes = match (args.published, args.shape.is_empty()) {
        (true, _) => SHAPES.map(|(shape, ..)| shape).to_vec(),
        (false, true) => vec![USUAL],
        (false, false) => args.shape.clone(),
    };
    let json = args.json.as_deref().filter(|path| *path != Path::new("-"));
    [json, args.csv.as_deref()].into_iter().flatten().try_for_each(check_writable)?;
    let (engine, tuning) = args.device.open()?;
    let roof = roofs(&engine, &tuning)?;
    let mut lines = Vec::new();
    for shape in shapes {
        for mixer in &mixers {
            let asked = Asked { shape, mixer: *mixer, half, chunk: args.chunk };
            log::info!("{} at {shape:?}", mixer.name());
            lines.push(time(&asked, roof, &engine, &tuning).map_err(|e| too_large(e, shape))?);
        }
    }
    let known = lines.iter().any(|line| line.published.is_some());
    let table = Table {
        floe: env!("CARGO_PKG_VERSION").into(),
        adapter: engine.adapter().name.clone(),
        driver: format!("{} {}", engine.adapter().driver, engine.adapter().driver_info),
        variant: tuning.name.into(),
        roof_gflops: roof[0] * 1e-9,
        roof_gbytes_s: roof[1] * 1e-9,
        lines,
        published: known.then(|| SOURCE.to_string()),
    };
    let all = serde_json::to_string_pretty(&table).map_err(|e| Error::Usage(e.to_string()))? + "\n";
    json.map_or(Ok(()), |path| atomic_write(path, all.as_bytes()))?;
    args.csv.as_ref().map_or(Ok(()), |path| atomic_write(path, csv(&table).as_bytes()))?;
    match args.json.is_some() && json.is_none() {
        true => print_json(&all),
        false => print(&text(&table)),
    }
}

fn text(all: &Table) -> String {
    let header = [
        "mixer",
        "B,T,H,D",
        "type",
        "chunk",
        "forward ms",
        "+ backward ms",
        "v alone",
        "TFLOP/s",
        "MB",
        "roof",
        "error",
    ];
    let mut rows = vec![header.map(String::from).to_vec()];
    if all.published.is_some() {
        rows[0].push("published ms".into());
    }
    for line in &all.lines {
        let [b, t, h, d] = line.shape;
        let mut row = vec![
            line.mixer.clone(),
            format!("{b},{t},{h},{d}"),
            line.dtype.clone(),
            line.chunk.to_string(),
            format!("{:.3}", line.forward_ms),
            format!("{:.3}", line.both_ms),
            format!("{:.3}", line.values_ms),
            format!("{:.4} / {:.4}", line.forward_tflops, line.both_tflops),
            format!("{:.1} / {:.1}", line.forward_bytes * 1e-6, line.both_bytes * 1e-6),
            format!("{:.0} / {:.0} %", line.roofs[0], line.roofs[1]),
            format!("{:.1e}", line.error),
        ];
        if all.published.is_some() {
            let own = line.published.map(|own| format!("{:.3} / {:.3}", own.forward_ms, own.both_ms));
            row.push(own.unwrap_or("-".into()));
        }
        rows.push(row);
    }
    let published = match &all.published {
        Some(source) => format!("published: {source}.\n"),
        None => String::new(),
    };
    format!(
        "{}\nroofs: {:.1} GFLOP/s multiply-add, {:.1} GB/s ({}, {}, `{}`). Two figures are\n\
         of forward, and of forward with backward; `v alone`: both with queries, keys and gates frozen. TFLOP/s count products; MB are tensors in and out; `error` is the\n\
         largest difference of a head's outputs from f64, over their root mean square.\n{published}",
        table(&rows),
        all.roof_gflops,
        all.roof_gbytes_s,
        all.adapter,
        all.driver,
        all.variant,
    )
}

fn csv(all: &Table) -> String {
    let mut table = CsvText::new([
        "mixer",
        "b",
        "t",
        "h",
        "d",
        "dtype",
        "chunk",
        "forward_ms",
        "both_ms",
        "values_ms",
        "forward_tflops",
        "both_tflops",
        "forward_bytes",
        "both_bytes",
        "forward_roof_percent",
        "both_roof_percent",
        "error",
        "published_forward_ms",
        "published_both_ms",
    ]);
    for line in &all.lines {
        let mut row = vec![line.mixer.clone()];
        row.extend(line.shape.map(|size| size.to_string()));
        row.extend([line.dtype.clone(), line.chunk.to_string()]);
        let numbers = [
            line.forward_ms,
            line.both_ms,
            line.values_ms,
            line.forward_tflops,
            line.both_tflops,
            line.forward_bytes,
            line.both_bytes,
            line.roofs[0],
            line.roofs[1],
            line.error,
        ];
        row.extend(numbers.map(|x| x.to_string()));
        let published = line.published.map(|own| [own.forward_ms, own.both_ms].map(|x| x.to_string()));
        row.extend(published.unwrap_or_default());
        table.row(row.iter().map(String::as_str));
    }
    table.text()
}
