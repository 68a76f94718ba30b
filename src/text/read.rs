//! Files of text, read.

use super::chat::Chat;
use super::json::{Line, lines};
use super::{Sequence, plain, shipped, split};
use crate::bounded;
use crate::config::{Format, Long, TextTask};
use crate::error::{Error, Result};
use crate::fingerprint::{Data, FileRead};
use crate::interrupt;
use crate::pretrained::{Pretrained, Tokenizer};
use std::path::{Path, PathBuf};

/// Most bytes of a file of text.
const MOST: u64 = 4 << 30;

/// A model's words.
#[derive(Clone, Copy)]
pub struct Language<'a> {
    /// Which model.
    pub model: &'a Pretrained,
    /// Its own.
    pub tokenizer: &'a Tokenizer,
}

impl Language<'_> {
    /// What ends a text.
    pub fn end(&self) -> Option<u32> {
        self.model.ends().first().copied()
    }
}

/// Ids of a text's beginning, with the token that the model puts before every text.
pub fn encoded(language: &Language, text: &str) -> Result<Vec<u32>> {
    let ids = plain::encode(language.tokenizer, text)?;
    let start = language.model.start().filter(|start| ids.first() != Some(start));
    Ok(start.into_iter().chain(ids).collect())
}

/// Sequences of an experiment.
#[derive(Debug)]
pub struct Texts {
    /// To train on.
    pub train: Vec<Sequence>,
    /// To validate on; none where there is but one sequence.
    pub validation: Vec<Sequence>,
    /// What was read.
    pub read: Data,
    /// What became of it.
    pub counts: Counts,
}

/// What became of what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines of JSON, or files.
    pub examples: usize,
    /// Too long, and left out.
    pub dropped: usize,
    /// Too long, and cut.
    pub cut: usize,
}

/// Reads an experiment's files.
///
/// # Errors
/// One line, with the file and the line's number: what is no text, no JSON, lacks a field, has no answer, is too long, or
/// has nothing to learn from.
pub fn open(task: &TextTask, language: &Language) -> Result<Texts> {
    let mut read = Data::default();
    let mut counts = Counts::default();
    let all = match task.train.is_empty() {
        true => {
            let (text, about) = shipped::novel()?;
            read.files.push(about);
            counts.examples += 1;
            plain::cut(&encoded(language, &text)?, task.context).collect()
        }
        false => files(&task.train, task, language, (&mut read, &mut counts))?,
    };
    let (train, validation) = match task.validation.is_empty() {
        true => split::split(all, task.holdout),
        false => (all, files(&task.validation, task, language, (&mut read, &mut counts))?),
    };
    let first = || task.train.first().map_or(Path::new("the text"), PathBuf::as_path);
    let place = || Error::file(first(), "has nothing to fine-tune on: no sequence of two tokens");
    if train.is_empty() {
        return Err(place());
    }
    let rows = language.model.decoder().vocabulary;
    let beyond = |id: &&u32| **id as usize >= rows;
    if let Some(id) = train.iter().chain(&validation).flat_map(|sequence| &sequence.ids).find(beyond) {
        let message = format!("its tokenizer gives token {id}, beyond the embedding's {rows} rows");
        return Err(Error::file(language.model.path(), message));
    }
    Ok(Texts { train, validation, read, counts })
}

fn files(
    paths: &[PathBuf],
    task: &TextTask,
    language: &Language,
    (read, counts): (&mut Data, &mut Counts),
) -> Result<Vec<Sequence>> {
    let mut all = Vec::new();
    for path in paths {
        let (text, about) = contents(path)?;
        read.files.push(about);
        file(path, &text, task, language, counts, &mut all)?;
    }
    Ok(all)
}

/// A file's text, and what is noted of it.
fn contents(path: &Path) -> Result<(String, FileRead)> {
    let bytes = bounded::bytes(path, MOST).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::file(path, "there is no such file; give a file of text"),
        _ => Error::file(path, format!("can't be read: {e}")),
    })?;
    let about = FileRead::of(path, &bytes);
    let text =
        String::from_utf8(bytes).map_err(|_| Error::file(path, "is not UTF-8 text; convert it first"))?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    };
    match text.trim().is_empty() {
        true => Err(Error::file(path, "has no text in it")),
        false => Ok((text, about)),
    }
}

/// The text of an experiment's files to train on, as it is before any tokenizer.
///
/// # Errors
/// As [`open`].
pub fn words(task: &TextTask) -> Result<Vec<String>> {
    if task.train.is_empty() {
        return Ok(vec![shipped::novel()?.0]);
    }
    let mut all = Vec::new();
    for path in &task.train {
        let (text, _) = contents(path)?;
        match format(path, &text, task)? {
            Format::Plain => all.push(text),
            format => {
                for line in lines(path, &text) {
                    all.extend(line?.words(format, task)?);
                }
            }
        }
    }
    Ok(all)
}

/// What a file is: as it is asked for, or by its name and first line.
fn format(path: &Path, text: &str, task: &TextTask) -> Result<Format> {
    if task.format != Format::Auto {
        return Ok(task.format);
    }
    let named = path
        .extension()
        .is_some_and(|ending| ["jsonl", "ndjson", "json"].iter().any(|own| ending.eq_ignore_ascii_case(own)));
    if !named {
        return Ok(Format::Plain);
    }
    let first = lines(path, text).next().expect("some text, so some line")?;
    first.format(task)
}

fn file(
    path: &Path,
    text: &str,
    task: &TextTask,
    language: &Language,
    counts: &mut Counts,
    all: &mut Vec<Sequence>,
) -> Result<()> {
    let format = format(path, text, task)?;
    if format == Format::Plain {
        counts.examples += 1;
        all.extend(plain::cut(&encoded(language, text)?, task.context));
        return Ok(());
    }
    let chat = if format == Format::Chat { Some(Chat::open(language)?) } else { None };
    for line in lines(path, text) {
        interrupt::check(|| format!("the reading of {}", path.display()))?;
        let line = line?;
        counts.examples += 1;
        for mut sequence in line.sequences(format, task, language, chat.as_ref())? {
            if fits(&mut sequence, &line, task, counts)? {
                all.push(sequence);
            }
        }
    }
    Ok(())
}

/// Whether a sequence is kept, as it is or cut.
fn fits(sequence: &mut Sequence, line: &Line, task: &TextTask, counts: &mut Counts) -> Result<bool> {
    let (tokens, most) = (sequence.ids.len(), task.context);
    if tokens <= most {
        return Ok(sequence.counts() > 0);
    }
    match task.long {
        Long::Refuse => Err(line.error(format!(
            "has {tokens} tokens, more than task.context = {most}; raise that, or set task.long to \"drop\" or \"cut\""
        ))),
        Long::Drop => {
            counts.dropped += 1;
            Ok(false)
        }
        Long::Cut => {
            sequence.cut(most);
            let left = sequence.counts() > 0;
            if left { counts.cut += 1 } else { counts.dropped += 1 }
            Ok(left)
        }
    }
}
