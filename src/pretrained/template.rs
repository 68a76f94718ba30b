//! Chat templates: a model's own Jinja text, rendered.

use super::{Pretrained, Tokenizer};
use crate::error::{Error, Result, shown};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use std::path::Path;

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What it says.
    pub content: String,
}

/// Instructions that a template may take: a hostile one ends.
const FUEL: u64 = 1_000_000;

/// A template that is ready to render.
pub struct Template<'a> {
    path: &'a Path,
    environment: Environment<'a>,
    tokens: Tokens,
}

impl<'a> Template<'a> {
    /// # Errors
    /// One line: what is wrong in it.
    pub fn open(path: &'a Path, text: &'a str, tokens: Tokens) -> Result<Self> {
        let wrong = |e| wrong(path, e);
        let mut environment = Environment::new();
        let whitespace = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(whitespace.map_err(wrong)?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python);
        environment.add_function(
            "raise_exception",
            |words: String| -> std::result::Result<Value, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, words))
            },
        );
        environment.add_function("strftime_now", |format: String| format);
        environment.add_template("chat", text).map_err(wrong)?;
        Ok(Template { path, environment, tokens })
    }

    /// The text of a conversation, with the beginning of the model's answer if it is to go on.
    ///
    /// # Errors
    /// One line: what the template complains of, or what is wrong in it.
    pub fn render(&self, messages: &[Message], answer: bool) -> Result<String> {
        let context = context! {
            messages => Serde(messages),
            add_generation_prompt => answer,
            bos_token => self.tokens.start.as_str(),
            eos_token => self.tokens.end.as_str(),
        };
        let text = self.environment.get_template("chat").and_then(|t| t.render(context));
        text.map_err(|e| wrong(self.path, e))
    }
}

fn wrong(path: &Path, e: minijinja::Error) -> Error {
    let words = e.detail().map_or_else(|| e.to_string(), str::to_string);
    Error::file(path, format!("its chat template: {}", shown(&words)))
}

/// [`Template::render`] of one conversation, with the beginning of the model's answer.
///
/// # Errors
/// As there.
pub fn render(path: &Path, template: &str, messages: &[Message], tokens: &Tokens) -> Result<String> {
    Template::open(path, template, tokens.clone())?.render(messages, true)
}

/// Special tokens as texts.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// What begins a text.
    pub start: String,
    /// What ends it.
    pub end: String,
}

impl Tokens {
    /// Those of a model.
    pub fn of(model: &Pretrained, tokenizer: &Tokenizer) -> Self {
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        Tokens { start: text(model.start()), end: text(model.ends().first().copied()) }
    }
}

/// Python's methods of strings that published templates call.
fn python(
    _: &mut minijinja::State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> std::result::Result<Value, minijinja::Error> {
    let unknown = || minijinja::Error::from(ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = |i: usize| args.get(i).and_then(Value::as_str);
    Ok(match (method, argument(0)) {
        ("strip", None) => text.trim().into(),
        ("strip", Some(set)) => text.trim_matches(|c| set.contains(c)).into(),
        ("lstrip", None) => text.trim_start().into(),
        ("rstrip", None) => text.trim_end().into(),
        ("lstrip", Some(set)) => text.trim_start_matches(|c| set.contains(c)).into(),
        ("rstrip", Some(set)) => text.trim_end_matches(|c| set.contains(c)).into(),
        ("upper", None) => text.to_uppercase().into(),
        ("lower", None) => text.to_lowercase().into(),
        ("startswith", Some(part)) => text.starts_with(part).into(),
        ("endswith", Some(part)) => text.ends_with(part).into(),
        ("split", Some(part)) if !part.is_empty() => {
            text.split(part).map(Value::from).collect::<Vec<_>>().into()
        }
        ("replace", Some(from)) => text.replace(from, argument(1).ok_or_else(unknown)?).into(),
        _ => return Err(unknown()),
    })
}
