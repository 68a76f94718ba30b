//! `floe eval MODEL --text FILE…`

use super::super::places::Places;
use super::super::source::Device;
use super::super::{print, table};
use super::Loaded;
use crate::bounded;
use crate::error::{Error, Result};
use crate::eval::text::{Score, Windows, score};
use crate::models::lm::Room;
use crate::store::atomic::{atomic_write, check_writable};
use crate::units::grouped;
use std::path::{Path, PathBuf};

/// Most bytes of a text.
const MOST: u64 = 1 << 30;

/// A language model's foretelling of texts.
pub struct Asked<'a> {
    pub model: &'a Path,
    pub adapter: Option<&'a Path>,
    pub texts: &'a [PathBuf],
    pub context: Option<u32>,
    pub stride: Option<u32>,
    pub windows: Option<u32>,
    pub out: Option<&'a Path>,
    pub device: &'a Device,
}

/// Tokens of a window where nobody says.
const CONTEXT: usize = 512;

pub fn run(asked: &Asked) -> Result<()> {
    let texts = asked.texts.iter().map(|path| read(path)).collect::<Result<Vec<String>>>()?;
    if let Some(out) = asked.out {
        let places = Places::default().read("the model", asked.model);
        let places = asked.texts.iter().fold(places, |all, path| all.read("a text", path));
        places.write("--out", out).check()?;
        check_writable(out)?;
    }
    let loaded = Loaded::open(asked.model, asked.adapter, asked.device)?;
    let context = asked.context.map_or(CONTEXT.min(loaded.model.decoder().context), |n| n as usize);
    loaded.fits(context, "--context")?;
    let stride = asked.stride.map_or(context, |n| n as usize);
    if stride > context {
        return Err(Error::Usage(format!(
            "--stride: {stride} is more than the {context} of --context, and would leave tokens out"
        )));
    }
    let by = Windows { context, stride, most: asked.windows.map_or(usize::MAX, |n| n as usize) };
    let mut runner = loaded.runner(Room { rows: context, tokens: context }, true)?;
    let mut scores = Vec::new();
    for (path, text) in asked.texts.iter().zip(&texts) {
        scores.push(score(path, text, &loaded.tokenizer, &mut runner, by, &loaded.engine)?);
    }
    loaded.say_memory();
    match asked.out {
        Some(out) => atomic_write(out, csv(asked.texts, &scores).as_bytes()),
        None => print(&table(&shown(asked.texts, &scores))),
    }
}

fn read(path: &Path) -> Result<String> {
    let text = bounded::text(path, MOST).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::file(path, "there is no such file; give a file of text"),
        std::io::ErrorKind::InvalidData => Error::file(path, "is not UTF-8 text; convert it first"),
        _ => Error::file(path, format!("can't be read: {e}")),
    })?;
    match text.trim().is_empty() {
        true => Err(Error::file(path, "has no text in it")),
        false => Ok(text),
    }
}

fn shown(paths: &[PathBuf], scores: &[Score]) -> Vec<Vec<String>> {
    let header = ["text", "windows", "tokens", "nats a token", "perplexity", "bits a byte"];
    let with = |(value, error): (f64, Option<f64>), digits: usize| match error {
        Some(error) => format!("{value:.digits$} ± {error:.digits$}"),
        None => format!("{value:.digits$}"),
    };
    let row = |(path, score): (&PathBuf, &Score)| {
        vec![
            path.display().to_string(),
            score.windows.to_string(),
            grouped(score.tokens as u64),
            with(score.nats, 4),
            with(score.perplexity, 2),
            with(score.bits_per_byte, 4),
        ]
    };
    std::iter::once(header.map(String::from).to_vec()).chain(paths.iter().zip(scores).map(row)).collect()
}

fn csv(paths: &[PathBuf], scores: &[Score]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    let header = [
        "text",
        "windows",
        "tokens",
        "bytes",
        "nats",
        "nats_stderr",
        "perplexity",
        "perplexity_stderr",
        "bits_per_byte",
        "bits_per_byte_stderr",
    ];
    // Memory takes every write.
    let _ = writer.write_record(header);
    for (path, score) in paths.iter().zip(scores) {
        let counts = [score.windows, score.tokens, score.bytes].map(|n| n.to_string());
        let values = [score.nats, score.perplexity, score.bits_per_byte]
            .into_iter()
            .flat_map(|(value, error)| [value.to_string(), number(error)]);
        let _ = writer.write_record(
            std::iter::once(path.display().to_string()).chain(counts).chain(values).collect::<Vec<_>>(),
        );
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
