//! Laws of one's own as kernels take them: a text that floe can compile, and whose loops it can count.

use super::loops::iterations;
use super::source::Source;
use super::unroll::{constants, evaluate};
use super::{UNROLL, prompt_sample, unroll};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, wgsl};
use crate::kernels::VARIANTS;
use crate::kernels::shared::RANDOM;
use crate::prompt::law::Law;
use crate::prompt::own::{Own, OwnLaw};
use std::collections::HashMap;

/// Most times that a loop of a law may go round.
const ROUNDS: i64 = 4096;

/// A law's text, and what makes a source of it.
pub(super) fn text(law: &dyn OwnLaw) -> String {
    plain(law) + include_str!("../../../shaders/prompt/common/source_own.wgsl")
}

/// Rounds of the loops of a text of one's own, counted from it: those that begin a prompt, and that draw a token.
pub(super) fn rounds(source: &Source, shots: usize) -> [u64; 2] {
    let whole = unroll::unroll(&[source.consts(shots).text(), source.wgsl()].concat(), UNROLL);
    ["source_begin", "source_token"].map(|entry| iterations(&whole, entry))
}

/// A law's text without comments and indents, so that its functions and loops are found.
fn plain(law: &dyn OwnLaw) -> String {
    let line = |line: &str| line.split("//").next().unwrap_or_default().trim().to_string() + "\n";
    law.wgsl().lines().map(line).collect()
}

/// Holds that a law that a program brings can be run with up to `shots` demonstrations: that one of its own can be
/// compiled, and that the data of one of floe's fit together.
///
/// # Errors
/// [`Error::Config`] with the law's name: a text that is no WGSL, loops that can't be counted, lengths that differ.
pub fn check(law: &Law, shots: usize) -> Result<()> {
    law.check(shots).map_err(|what| Error::config("law", what))?;
    let Law::Own(own) = law else { return Ok(()) };
    let wrong = |what: String| Error::config(format!("law `{}`", own.law.name()), what);
    if own.law.dim() == 0 {
        return Err(wrong("has no covariates; dim() is 1 or more".into()));
    }
    let drawn = own.law.draw(0, 0, own.key, 1);
    if drawn.len() != 2 || drawn.iter().any(|(x, _)| x.len() != own.law.dim()) {
        let words = "draws other than n + 1 tokens of dim() covariates on the host; draw() gives the query's, then n more";
        return Err(wrong(words.into()));
    }
    readable(own).map_err(wrong)?;
    // As it is run: loops that are written out may hold what only a loop may.
    let (state, tokens, targets) =
        (Buffer::words("state", 1), Buffer::words("tokens", 1), Buffer::words("targets", 1));
    let recording = prompt_sample::record(&Source::new(law), 1, 1, &state, (&tokens, &targets), &VARIANTS[0]);
    recording.dispatches().try_for_each(|launch| wgsl::read(&launch.program.wgsl).map_err(wrong))
}

/// The text is WGSL, and written such that its loops are found.
fn readable(own: &Own) -> std::result::Result<(), String> {
    let source = Source::new(&Law::Own(own.clone()));
    let consts = source.consts(1).u32("BATCH", 1).u32("WG", 1);
    let whole = [consts.text(), RANDOM, source.wgsl(), prompt_sample::SHADER].concat();
    wgsl::read(&whole)?;
    let own = plain(&*own.law);
    let comments = own.replace(unroll::MARK, "");
    if comments.contains("/*") {
        return Err("holds a comment that is no line of its own; begin comments with //".into());
    }
    if own.matches("fn ").count() != own.matches("\nfn ").count() + usize::from(own.starts_with("fn ")) {
        return Err("has a function behind something else; begin each on a line of its own".into());
    }
    if ["while", "loop"].iter().any(|word| places(&own, word).next().is_some()) {
        return Err("holds a loop that can't be counted; write for (var i = 0u; i < N; i++)".into());
    }
    let mut names = constants(&whole);
    names.insert("slot".into(), 1);
    places(&own, "for").try_for_each(|at| counted(&own[at..], &mut names))
}

/// Where a word stands.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let alone =
        move |at: &usize| !text[..*at].ends_with(inside) && !text[at + word.len()..].starts_with(inside);
    text.match_indices(word).map(|(at, _)| at).filter(alone)
}

/// A loop as the counter and the unroller read it. Its variable is a name from here on.
fn counted(text: &str, names: &mut HashMap<String, i64>) -> std::result::Result<(), String> {
    let head = text.split('{').next().unwrap_or_default().trim_end();
    let parts = || {
        let inner = head.strip_prefix("for (var ")?.strip_suffix(')')?;
        let (name, rest) = inner.split_once(" = ")?;
        let (start, rest) = rest.split_once("; ")?;
        let (bound, step) = rest.strip_prefix(name)?.strip_prefix(" < ")?.split_once("; ")?;
        let same = step.strip_prefix(name)? == "++" && text.get(head.len()..)?.trim_start().starts_with('{');
        same.then_some((name, evaluate(start, names)?, evaluate(bound, names)?))
    };
    match parts() {
        Some((name, 0.., ..=ROUNDS)) => {
            names.insert(name.to_string(), 0);
            Ok(())
        }
        _ => Err(format!(
            "`{head}` can't be counted; write for (var i = 0u; i < N; i++) with N of constants, at most {ROUNDS}"
        )),
    }
}
