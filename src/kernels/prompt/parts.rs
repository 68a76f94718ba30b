//! Which pieces of a function can stand as functions of their own.
//!
//! naga's front end takes time that grows with the square of a function's expressions, and an unrolled step has tens of
//! thousands. Matrices are private variables of the module, so most copies of a loop's body need nothing of the function
//! they stand in but constants. Drivers inline the calls again.

use super::unroll::matching;

/// Bytes from which a copy is worth a function.
pub const LONG: usize = 1500;

/// What is declared above a place in a function.
#[derive(Default)]
pub struct Scope {
    /// Names, in order, each with its declaration if that is a constant.
    names: Vec<(String, Option<String>)>,
    /// How many there were where each open brace stands.
    blocks: Vec<usize>,
    /// Outside functions nothing is hoisted.
    function: bool,
}

/// The first function of a text: what stands up to its opening brace, its body, and what follows, the closing brace first.
pub fn function(text: &str) -> Option<(&str, &str, &str)> {
    let at = if text.starts_with("fn ") { 0 } else { text.find("\nfn ")? + 1 };
    let open = at + text[at..].find('{').expect("a function's body");
    let close = open + matching(&text[open..]);
    Some((&text[..open + 1], &text[open + 1..close], &text[close..]))
}

impl Scope {
    /// The parameters of a function with that head.
    pub fn of(head: &str) -> Scope {
        let list = head.rsplit_once("\nfn ").map_or(head, |(_, own)| own);
        let names = words(list).filter(|w| list[w.end()..].trim_start().starts_with(':'));
        Scope {
            names: names.map(|w| (w.text.to_string(), None)).collect(),
            function: true,
            ..Scope::default()
        }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Forgets what was declared since there were `known` names.
    pub fn leave(&mut self, known: usize) {
        self.names.truncate(known);
    }

    /// Takes note of a piece of text and its blocks.
    pub fn read(&mut self, text: &str) {
        let mut found = words(text).peekable();
        for (at, c) in text.char_indices().filter(|(_, c)| matches!(c, '{' | '}')) {
            while let Some(word) = found.next_if(|w| w.at < at) {
                self.declare(text, &word);
            }
            match c {
                '{' => self.blocks.push(self.names.len()),
                _ => self.names.truncate(self.blocks.pop().unwrap_or(0)),
            }
        }
        found.for_each(|word| self.declare(text, &word));
    }

    fn declare(&mut self, text: &str, word: &Word) {
        if !matches!(word.text, "let" | "var" | "const") {
            return;
        }
        let Some(name) = words(&text[word.end()..]).next() else { return };
        let whole = &text[word.at..];
        let constant = (word.text == "const").then(|| whole[..=whole.find(';').unwrap_or(0)].to_string());
        self.names.push((name.text.to_string(), constant));
    }

    /// The constants among the names, declared again.
    pub fn constants(&self) -> String {
        self.names.iter().filter_map(|(_, declaration)| declaration.as_deref()).collect()
    }

    /// Whether a piece of text that stands here means the same as a function of its own.
    pub fn hoists(&self, text: &str) -> bool {
        let local =
            |name: &str| self.names.iter().rev().find(|(n, _)| n == name).is_some_and(|(_, c)| c.is_none());
        let stays = |w: Word| matches!(w.text, "return" | "break" | "continue") || local(w.text);
        self.function && !words(text).filter(|w| !text[..w.at].ends_with('.')).any(stays)
    }
}

/// A name, keyword or number in a text.
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl Word<'_> {
    fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    text.split(other)
        .filter(|w| !w.is_empty())
        .map(|word| Word { text: word, at: word.as_ptr() as usize - text.as_ptr() as usize })
}
