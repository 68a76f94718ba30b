//! Conversations, by the model's own template: answers count, with what ends them.

use super::json::Line;
use super::read::Language;
use super::{Sequence, plain};
use crate::error::{Error, Result};
use crate::pretrained::Message;
use crate::pretrained::template::{Template, Tokens};

/// Renders conversations of a model.
pub struct Chat<'a> {
    language: &'a Language<'a>,
    template: Template<'a>,
}

impl<'a> Chat<'a> {
    /// # Errors
    /// The model has no template, or one that can't be read.
    pub fn open(language: &'a Language) -> Result<Self> {
        let model = language.model;
        let Some(text) = model.template() else {
            let message = "has no chat template, and there are conversations to fine-tune on; give a model that has one, or \
                           prompts and completions";
            return Err(Error::file(model.path(), message));
        };
        let template = Template::open(model.path(), text, Tokens::of(model, language.tokenizer))?;
        Ok(Chat { language, template })
    }

    /// A conversation up to its last answer.
    ///
    /// # Errors
    /// There is none; the template refuses it, or says something else of what came before once there is more.
    pub fn sequence(&self, messages: &[Message], line: &Line) -> Result<Sequence> {
        let tokenizer = self.language.tokenizer;
        let ends = self.language.model.ends();
        let (mut sequence, mut said) = (Sequence::default(), String::new());
        let answers = messages.iter().enumerate().filter(|(_, message)| message.role == "assistant");
        for (at, _) in answers {
            let asked = self.template.render(&messages[..at], true).map_err(|e| line.error(e))?;
            let whole = self.template.render(&messages[..=at], false).map_err(|e| line.error(e))?;
            let (Some(before), Some(answer)) = (asked.strip_prefix(&said), whole.strip_prefix(&asked)) else {
                let what = "the chat template writes what was said before differently once there is more: which tokens are \
                            answers can't be told; give conversations of one answer each";
                return Err(line.error(what));
            };
            let mut before = plain::encode(tokenizer, before)?;
            if sequence.ids.is_empty() {
                let start = self.language.model.start().filter(|start| before.first() != Some(start));
                before.splice(0..0, start);
            }
            sequence.push(&before, false);
            let answer = plain::encode(tokenizer, answer)?;
            // What stands behind the end is the template's, and nobody waits for it.
            let end = answer.iter().position(|id| ends.contains(id)).map_or(answer.len(), |at| at + 1);
            sequence.push(&answer[..end], true);
            sequence.push(&answer[end..], false);
            said = whole;
        }
        match sequence.counts() {
            0 => Err(line.error("has no answer: no message of role `assistant`; leave the line out")),
            _ => Ok(sequence),
        }
    }
}
