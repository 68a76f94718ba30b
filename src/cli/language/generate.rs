//! `floe generate`

use super::super::print;
use super::super::source::Device;
use super::Loaded;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::models::lm::{Room, Sampler};
use crate::pretrained::template::{Tokens, render};
use crate::pretrained::{Message, Tokenizer};
use std::path::PathBuf;
use std::time::Instant;

/// Let a language model go on with a text, or answer it: to the terminal, token by token
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A .gguf file, or a Hugging Face directory
    model: PathBuf,
    /// A LoRA adapter of that model, as PEFT and floe write it
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The text that it goes on with
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The text is a user's message, and the model answers it: its own chat template is rendered
    #[arg(long)]
    chat: bool,
    /// What the conversation begins with
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// Most tokens; it may end before
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// 0 takes the most likely token, more lets chance decide
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Of the K most likely tokens alone; 0 for all
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Of the fewest tokens that have P of the probability together
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = share, allow_negative_numbers = true)]
    top_p: f64,
    /// Another seed, other chances
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: Device,
}

fn number(text: &str, fits: fn(f64) -> bool, what: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|x: &f64| fits(*x)).ok_or_else(|| what.to_string())
}

fn temperature(text: &str) -> std::result::Result<f64, String> {
    number(text, |x| (0.0..=1e3).contains(&x), "a number from 0 to 1000")
}

fn share(text: &str) -> std::result::Result<f64, String> {
    number(text, |x| x > 0.0 && x <= 1.0, "a number above 0, at most 1")
}

/// Most tokens of the prompt that are taken at a time: what a pass has room for.
const PASS: usize = 256;

pub fn run(args: Args) -> Result<()> {
    let began = Instant::now();
    let loaded = Loaded::open(&args.model, args.adapter.as_deref(), &args.device)?;
    let text = match args.chat {
        true => chat(&args, &loaded)?,
        false => args.prompt.clone(),
    };
    let ids = loaded.encode(&text)?;
    if ids.is_empty() {
        return Err(Error::Usage("--prompt: there is no token in it to go on with".into()));
    }
    let tokens = ids.len() + args.max_tokens as usize;
    loaded.fits(tokens, "--prompt and --max-tokens together")?;
    // Room in steps, so that few shapes are compiled.
    let room = Room { rows: ids.len().min(PASS), tokens: tokens.next_multiple_of(64) };
    let mut runner = loaded.runner(room, false)?;
    let sampler =
        Sampler { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed };
    let ends = loaded.model.ends();
    let read = Instant::now();
    let mut logits = runner.feed(&loaded.engine, &ids)?;
    let first = Instant::now();
    let mut writer = Writer { tokenizer: &loaded.tokenizer, held: Vec::new() };
    let mut made = 0;
    while made < args.max_tokens {
        let id = sampler.choose(&logits, made);
        made += 1;
        if ends.contains(&id) {
            break;
        }
        writer.put(id)?;
        if made == args.max_tokens {
            break;
        }
        interrupt::check(|| format!("the text after {made} tokens"))?;
        logits = runner.feed(&loaded.engine, &[id])?;
    }
    writer.end()?;
    let (prompt, rest) = ((first - read).as_secs_f64(), first.elapsed().as_secs_f64());
    log::info!(
        "{:.1} s to the first token, {prompt:.2} s of it for {} of the prompt; {made} made, {:.1} a second",
        (first - began).as_secs_f64(),
        ids.len(),
        f64::from(made.saturating_sub(1)) / rest.max(1e-9)
    );
    loaded.say_memory();
    Ok(())
}

/// The conversation as the model's template has it.
fn chat(args: &Args, loaded: &Loaded) -> Result<String> {
    let Some(template) = loaded.model.template() else {
        let message =
            "has no chat template; leave out --chat, and write the text as the model was trained on it";
        return Err(Error::file(&args.model, message));
    };
    let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let mut messages: Vec<Message> = args.system.iter().map(|text| message("system", text)).collect();
    messages.push(message("user", &args.prompt));
    render(&args.model, template, &messages, &Tokens::of(&loaded.model, &loaded.tokenizer))
}

/// Tokens as text, when their bytes are whole characters.
struct Writer<'a> {
    tokenizer: &'a Tokenizer,
    held: Vec<u8>,
}

impl Writer<'_> {
    fn put(&mut self, id: u32) -> Result<()> {
        self.held.extend(self.tokenizer.bytes(id).unwrap_or_default());
        let whole = match std::str::from_utf8(&self.held) {
            Ok(_) => self.held.len(),
            // What can still become a character waits for it.
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => self.held.len(),
        };
        let now: Vec<u8> = self.held.drain(..whole).collect();
        print(&String::from_utf8_lossy(&now))
    }

    fn end(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.held);
        print(&(String::from_utf8_lossy(&rest) + "\n"))
    }
}
