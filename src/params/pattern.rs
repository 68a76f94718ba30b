//! The text of a train mask's patterns.

use super::table::{Axis, Param};
use std::ops::Range;

/// What is wrong with a pattern, in words.
pub(super) type Told<T> = Result<T, String>;

/// One index or a half-open range with open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selection {
    One(i64),
    Span(Option<i64>, Option<i64>),
}

/// A parsed pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub exclude: bool,
    glob: Vec<u8>,
    /// Names of axes and what is selected of each.
    select: Vec<(String, Selection)>,
}

impl Pattern {
    /// Reads a pattern whose refinements may name the axes `keys`.
    pub fn parse(text: &str, keys: &[&str]) -> Told<Self> {
        let mut cursor = Cursor { chars: text.chars().collect(), at: 0 };
        let exclude = cursor.eat('!');
        let mut glob = Vec::new();
        while let Some(c) = cursor.peek().filter(|c| *c != '[') {
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*')) {
                return Err(cursor.expected("a name with `*` for any run of characters"));
            }
            glob.push(c as u8);
            cursor.at += 1;
        }
        if glob.is_empty() {
            return Err(cursor.expected("a parameter's name or `*`"));
        }
        let select = if cursor.eat('[') { cursor.refinement(keys)? } else { Vec::new() };
        match cursor.peek() {
            None => Ok(Pattern { exclude, glob, select }),
            Some(_) => Err(cursor.expected("the end after `]`")),
        }
    }

    pub fn names(&self, param: &Param) -> bool {
        matches(&self.glob, param.name.as_bytes())
    }

    /// What is selected of each dimension of a parameter that the pattern names.
    pub fn ranges(&self, param: &Param) -> Told<Vec<Range<usize>>> {
        let mut ranges: Vec<Range<usize>> = param.shape.iter().map(|&size| 0..size).collect();
        for (key, selection) in &self.select {
            let Some(axis) = param.axes.iter().find(|axis| axis.name == key) else {
                let own: Vec<&str> = param.axes.iter().map(|axis| axis.name).collect();
                return Err(format!("`{}` has no {key}; it has {}", param.name, either(&own)));
            };
            let chosen = selection.within(param, axis)?;
            let range = &mut ranges[axis.dim];
            *range = range.start.max(chosen.start)..range.end.min(chosen.end);
            if range.start >= range.end {
                return Err(format!("{key}: the selections of `{}` have nothing in common", param.name));
            }
        }
        Ok(ranges)
    }
}

impl Selection {
    /// The entries of the axis' dimension that are selected.
    fn within(self, param: &Param, axis: &Axis) -> Told<Range<usize>> {
        let (size, key, name) = (param.size(axis), axis.name, &param.name);
        let from_start = |i: i64| -> Option<usize> {
            if i < 0 {
                usize::try_from(i.unsigned_abs()).ok().and_then(|back| size.checked_sub(back))
            } else {
                usize::try_from(i).ok()
            }
        };
        let indexes = match self {
            Selection::One(i) => {
                let index = from_start(i).filter(|i| *i < size).ok_or_else(|| {
                    let last = size as i64 - 1;
                    format!("{key}={i} is out of range; `{name}` has {size}, so -{size} to {last}")
                })?;
                index..index + 1
            }
            Selection::Span(a, b) => {
                let end = |i: Option<i64>, open: usize| match i {
                    None => Ok(open),
                    Some(i) => from_start(i)
                        .filter(|i| *i <= size)
                        .ok_or_else(|| format!("{key}: the end {i} is out of range; `{name}` has {size}")),
                };
                end(a, 0)?..end(b, size)?
            }
        };
        if indexes.is_empty() {
            return Err(format!("{key}: the range is empty; `a..b` selects a to b − 1"));
        }
        Ok(indexes.start * axis.block..indexes.end * axis.block)
    }
}

/// The glob matches the whole name. Greedy with one point to fall back to, so never exponential.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if glob.get(g) == Some(&b'*') {
            star = Some((g, n));
            g += 1;
        } else if glob.get(g) == Some(&name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (g, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|&c| c == b'*')
}

/// `h, row or col`.
pub(super) fn either(words: &[&str]) -> String {
    match words {
        [] => "nothing to select by".into(),
        [one] => one.to_string(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// Reads a pattern's characters; positions in messages count from 1.
struct Cursor {
    chars: Vec<char>,
    at: usize,
}

impl Cursor {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn spaces(&mut self) {
        while self.eat(' ') {}
    }

    fn expected(&self, what: &str) -> String {
        let found = self.peek().map_or("the end".to_string(), |c| format!("`{}`", c.escape_debug()));
        format!("at character {}: expected {what}, found {found}", self.at + 1)
    }

    /// What stands between `[` and `]`.
    fn refinement(&mut self, keys: &[&str]) -> Told<Vec<(String, Selection)>> {
        let mut select: Vec<(String, Selection)> = Vec::new();
        loop {
            self.spaces();
            let start = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
                self.at += 1;
            }
            let key: String = self.chars[start..self.at].iter().collect();
            if !keys.contains(&key.as_str()) {
                self.at = start;
                return Err(self.expected(&either(keys)));
            }
            if select.iter().any(|(given, _)| *given == key) {
                return Err(format!("at character {}: `{key}` is given twice", start + 1));
            }
            self.spaces();
            if !self.eat('=') {
                return Err(self.expected("`=`"));
            }
            self.spaces();
            select.push((key, self.selection()?));
            self.spaces();
            if self.eat(']') {
                return Ok(select);
            }
            if !self.eat(',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn selection(&mut self) -> Told<Selection> {
        let first = self.integer()?;
        if self.eat('.') {
            if !self.eat('.') {
                return Err(self.expected("`.` of a range `a..b`"));
            }
            return Ok(Selection::Span(first, self.integer()?));
        }
        first.map(Selection::One).ok_or_else(|| self.expected("a whole number or a range `a..b`"))
    }

    /// A whole number, or none if there is neither sign nor digit.
    fn integer(&mut self) -> Told<Option<i64>> {
        let start = self.at;
        let negative = self.eat('-');
        let digits = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if digits == self.at {
            return if negative { Err(self.expected("a digit")) } else { Ok(None) };
        }
        let text: String = self.chars[start..self.at].iter().collect();
        match text.parse() {
            Ok(i) => Ok(Some(i)),
            Err(_) => Err(format!("at character {}: the number is too large", start + 1)),
        }
    }
}
