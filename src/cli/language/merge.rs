//! `floe merge`

use super::super::places::Places;
use super::super::print;
use crate::config::Written;
use crate::error::{Error, Result};
use crate::finetune::files;
use crate::pretrained::{PeftAdapter, Pretrained};
use std::path::PathBuf;

/// Add a LoRA adapter to the weights of its model, and write the sum as a model of its own
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A .gguf file, or a Hugging Face directory
    model: PathBuf,
    /// Its adapter, as PEFT and floe write it
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Directory to write, as `transformers` opens it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What numbers are written as: `f32`, or rounded to `bf16` or `f16`
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = dtype)]
    dtype: Written,
}

fn dtype(text: &str) -> std::result::Result<Written, String> {
    match text {
        "f32" => Ok(Written::F32),
        "bf16" => Ok(Written::Bf16),
        "f16" => Ok(Written::F16),
        _ => Err("must be `f32`, `bf16` or `f16`".into()),
    }
}

pub fn run(args: Args) -> Result<()> {
    let places = Places::default().read("the model", &args.model).read("--adapter", &args.adapter);
    places.write("--out", &args.out).check()?;
    if args.out.exists() {
        return Err(Error::file(&args.out, "is there already; name another --out, or move it away"));
    }
    let model = Pretrained::open(&args.model)?;
    let tokenizer = model.tokenizer()?;
    let adapter = PeftAdapter::open(&args.adapter, &model)?;
    files::model(&args.out, &model, &tokenizer, args.dtype, &mut |name, sink| {
        if !adapter.weights.iter().any(|own| own == name) {
            return model.read(name, |piece| sink(piece));
        }
        let [a, b] = adapter.pair(name)?;
        let (rank, cols) = (adapter.rank, a.len() / adapter.rank);
        let mut row = 0;
        model.read(name, |piece| {
            let mut sum = piece.to_vec();
            for own in sum.chunks_mut(cols) {
                add(own, &b[row * rank..][..rank], &a, adapter.scale);
                row += 1;
            }
            sink(&sum)
        })
    })?;
    print(&format!("{}\n", args.out.display()))
}

/// A row of W + s B A, added up in f64 and rounded once.
fn add(row: &mut [f32], b: &[f32], a: &[f32], scale: f64) {
    let cols = row.len();
    for (i, w) in row.iter_mut().enumerate() {
        let sum: f64 = b.iter().enumerate().map(|(k, b)| f64::from(*b) * f64::from(a[k * cols + i])).sum();
        *w = (f64::from(*w) + scale * sum) as f32;
    }
}
