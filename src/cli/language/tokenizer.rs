//! `floe tokenizer train`

use super::super::places::Places;
use super::super::print;
use crate::config::TextTask;
use crate::error::{Error, Result};
use crate::pretrained::Tokenizer;
use crate::store::atomic::{atomic_write, check_writable};
use crate::text;
use crate::units::grouped;
use std::path::PathBuf;

/// Train a tokenizer on text
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Byte-level BPE of your text: every byte, the end of a text, and merges of what is repeated
    Train(Train),
}

#[derive(Debug, clap::Args)]
struct Train {
    /// Text: plain files, or JSON lines of texts, prompts with completions, or chats
    #[arg(long, num_args = 1.., value_name = "FILE", required = true)]
    text: Vec<PathBuf>,
    /// Most tokens
    #[arg(long, value_name = "N", default_value_t = 4096)]
    vocab: usize,
    /// Where the tokenizer goes
    #[arg(long, value_name = "FILE.json", default_value = "tokenizer.json")]
    out: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let What::Train(Train { text: files, vocab, out }) = args.what;
    if !(257..=1 << 20).contains(&vocab) {
        let what = "every byte and the end of a text are 257 tokens, and 1048576 are the most";
        return Err(Error::Usage(format!("--vocab {vocab}: {what}")));
    }
    let mut places = Places::default();
    for path in &files {
        places = places.read("a text", path);
    }
    places.write("the tokenizer", &out).check()?;
    check_writable(&out)?;
    let texts = text::words(&TextTask { train: files, ..TextTask::default() })?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let tokenizer = Tokenizer::train(&texts, vocab)?;
    let tokens = texts.iter().map(|text| text::count(&tokenizer, text)).sum::<Result<usize>>()?;
    atomic_write(&out, tokenizer.to_json()?.as_bytes())?;
    print(&format!(
        "{}: {} tokens; the text's {} bytes are {} of them, {:.2} bytes a token\n",
        out.display(),
        grouped(tokenizer.len() as u64),
        grouped(bytes as u64),
        grouped(tokens as u64),
        bytes as f64 / tokens.max(1) as f64
    ))
}
