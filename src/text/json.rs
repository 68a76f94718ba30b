//! Lines of JSON: a text, a prompt with its completion, or a conversation each.

use super::chat::Chat;
use super::read::{Language, encoded};
use super::{Sequence, plain};
use crate::config::{Format, TextTask};
use crate::error::{Error, Result, shown};
use crate::pretrained::Message;
use serde_json::{Map, Value};
use std::path::Path;

/// A line of a file.
pub struct Line<'a> {
    pub path: &'a Path,
    /// From 1.
    pub number: usize,
    pub fields: Map<String, Value>,
}

impl Line<'_> {
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::file(self.path, format!("line {}: {message}", self.number))
    }

    fn fields(&self) -> String {
        let names: Vec<String> = self.fields.keys().take(12).map(|name| shown(name)).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    /// A field of text that a setting names.
    fn text(&self, name: &str, key: &str) -> Result<&str> {
        match self.fields.get(name) {
            None => {
                let mend = format!("`{key}` names another");
                Err(self
                    .error(format!("has no field `{name}`; its fields are {}, and {mend}", self.fields())))
            }
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(self.error(format!("`{name}` is empty; leave the line out")))
            }
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.error(format!("`{name}` is no text; write it in quotes"))),
        }
    }

    /// Its text, whatever it is: what a tokenizer is trained on.
    pub fn words(&self, format: Format, task: &TextTask) -> Result<Vec<String>> {
        let text = |name: &str, key: &str| self.text(name, key).map(str::to_string);
        match format {
            Format::Chat => {
                let messages = self.messages(&task.messages)?;
                Ok(messages.into_iter().map(|message| message.content).collect())
            }
            Format::Pairs => {
                Ok(vec![text(&task.prompt, "task.prompt")?, text(&task.completion, "task.completion")?])
            }
            _ => Ok(vec![text(&task.field, "task.field")?]),
        }
    }

    fn messages(&self, name: &str) -> Result<Vec<Message>> {
        let list = match self.fields.get(name) {
            None => {
                let fields = self.fields();
                let what = format!(
                    "has no field `{name}`; its fields are {fields}, and `task.messages` names another"
                );
                return Err(self.error(what));
            }
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(_) => return Err(self.error(format!("`{name}` is no list of messages"))),
        };
        let message = |(i, message): (usize, &Value)| {
            let text = |field: &str| {
                message.get(field).and_then(Value::as_str).map(str::to_string).ok_or_else(|| {
                    self.error(format!("message {} of `{name}` has no text as its `{field}`", i + 1))
                })
            };
            Ok(Message { role: text("role")?, content: text("content")? })
        };
        list.iter().enumerate().map(message).collect()
    }

    /// What kind of line it is, by its fields.
    pub fn format(&self, task: &TextTask) -> Result<Format> {
        let has = |name: &str| self.fields.contains_key(name);
        match () {
            () if has(&task.messages) => Ok(Format::Chat),
            () if has(&task.prompt) && has(&task.completion) => Ok(Format::Pairs),
            () if has(&task.field) => Ok(Format::Jsonl),
            () => Err(self.error(format!(
                "has no field `{}`, none `{}` with `{}` and none `{}`; its fields are {}: name yours by task.field, task.prompt \
                 and task.completion, or task.messages",
                task.field,
                task.prompt,
                task.completion,
                task.messages,
                self.fields()
            ))),
        }
    }

    /// Its sequences; those of a text are cut, others are as long as they are.
    pub fn sequences(
        &self,
        format: Format,
        task: &TextTask,
        language: &Language,
        chat: Option<&Chat>,
    ) -> Result<Vec<Sequence>> {
        let tokenizer = language.tokenizer;
        let end = language.end();
        match format {
            Format::Chat => {
                let chat = chat.expect("opened for conversations");
                Ok(vec![chat.sequence(&self.messages(&task.messages)?, self)?])
            }
            Format::Pairs => {
                let prompt = self.text(&task.prompt, "task.prompt")?;
                let completion = self.text(&task.completion, "task.completion")?;
                let mut sequence = Sequence::default();
                // Apart, as they are when the model is asked.
                sequence.push(&encoded(language, prompt)?, false);
                let mut answer = plain::encode(tokenizer, completion)?;
                answer.extend(end);
                sequence.push(&answer, true);
                Ok(vec![sequence])
            }
            _ => {
                let mut ids = encoded(language, self.text(&task.field, "task.field")?)?;
                ids.extend(end);
                Ok(plain::cut(&ids, task.context).collect())
            }
        }
    }
}

/// The lines of a text that are not blank.
///
/// # Errors
/// The first that is no JSON object, by its number.
pub fn lines<'a>(path: &'a Path, text: &'a str) -> impl Iterator<Item = Result<Line<'a>>> {
    let there = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    there.map(move |(i, text)| {
        let number = i + 1;
        let wrong = |message: String| Error::file(path, format!("line {number}: {message}"));
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => Ok(Line { path, number, fields }),
            Ok(_) => Err(wrong("is JSON, but no object; write {\"text\": …} on each line".into())),
            Err(_) if i == 0 && matches!(text.trim(), "[" | "{") => {
                Err(wrong("begins JSON of several lines; write an object a line (jq -c '.[]')".into()))
            }
            Err(e) => {
                let column = e.column();
                // The parser counts its one line.
                let words = e.to_string();
                let what = words.split(" at line").next().unwrap_or_default();
                Err(wrong(format!("is no JSON at column {column}: {}", shown(what))))
            }
        }
    })
}
