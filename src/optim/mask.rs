//! Which elements of the parameters are trained, from patterns over their names.
//!
//! A pattern is a name in which `*` stands for any run of characters, dots included, with an optional refinement to
//! heads, rows and columns: `layers.*.attn.v`, `*.qk`, `*.v[row=-1]`, `*[h=0,row=-1,col=1..3]`. Indexes count from
//! 0, negative ones from the end; ranges are half-open, either end may be left out. A pattern that begins with `!`
//! takes away what it names. Patterns apply in order, so a later one wins over an earlier one.

use crate::error::{Error, Result};
use crate::params::{Param, ParamTable};
use std::ops::Range;

/// The trained elements as sorted, distinct indexes into the arena.
///
/// # Errors
/// [`Error::Config`] with the pattern in it: it matches no parameter (the message lists those there are), its
/// refinement is malformed (with the position) or out of range (with the size), or nothing is left to train.
pub fn resolve(patterns: &[String], table: &ParamTable) -> Result<Vec<u32>> {
    if u32::try_from(table.len()).is_err() {
        let message =
            format!("{} elements are more than 32 bits can index; make the model smaller", table.len());
        return Err(Error::config("train", message));
    }
    if patterns.is_empty() {
        return Err(Error::config(
            "train",
            "the list is empty; name what is trained, [\"*\"] for everything",
        ));
    }
    let mut trained = vec![false; table.len()];
    for text in patterns {
        apply(text, table, &mut trained).map_err(|message| {
            let text: String = text.chars().take(100).flat_map(char::escape_debug).collect();
            Error::config(format!("train pattern `{text}`"), message)
        })?;
    }
    let indexes: Vec<u32> = (0u32..).zip(&trained).filter(|(_, t)| **t).map(|(i, _)| i).collect();
    if indexes.is_empty() {
        return Err(Error::config(
            "train",
            "the patterns take away everything they name; nothing is left to train",
        ));
    }
    Ok(indexes)
}

/// Marks or unmarks what one pattern names.
fn apply(text: &str, table: &ParamTable, trained: &mut [bool]) -> std::result::Result<(), String> {
    let pattern = Pattern::parse(text)?;
    let mut matched = false;
    for param in table.params.iter().filter(|p| matches(&pattern.glob, p.name.as_bytes())) {
        matched = true;
        let [heads, rows, cols] = pattern.ranges(param)?;
        let [_, height, width] = param.shape;
        for head in heads {
            for row in rows.clone() {
                let start = param.offset + (head * height + row) * width;
                trained[start + cols.start..start + cols.end].fill(!pattern.exclude);
            }
        }
    }
    if matched { Ok(()) } else { Err(format!("no parameter is called that; there are {}", names(table))) }
}

/// The names there are, a dozen at most.
fn names(table: &ParamTable) -> String {
    const MOST: usize = 12;
    let shown: Vec<&str> = table.params.iter().take(MOST).map(|p| p.name.as_str()).collect();
    match table.params.len() {
        n if n > MOST => format!("{}, … ({n} in all)", shown.join(", ")),
        _ => shown.join(", "),
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

/// One index or a half-open range with open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selection {
    One(i64),
    Span(Option<i64>, Option<i64>),
}

/// The keys of a refinement, in the order of [`Param::shape`].
const KEYS: [&str; 3] = ["h", "row", "col"];

/// A parsed pattern.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    exclude: bool,
    glob: Vec<u8>,
    select: [Option<Selection>; 3],
}

impl Pattern {
    fn parse(text: &str) -> std::result::Result<Self, String> {
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
        let mut select = [None; 3];
        if cursor.eat('[') {
            cursor.refinement(&mut select)?;
        }
        match cursor.peek() {
            None => Ok(Pattern { exclude, glob, select }),
            Some(_) => Err(cursor.expected("the end after `]`")),
        }
    }

    /// The selected heads, rows and columns of a parameter.
    fn ranges(&self, param: &Param) -> std::result::Result<[Range<usize>; 3], String> {
        let mut out = [0..0, 0..0, 0..0];
        for (axis, range) in out.iter_mut().enumerate() {
            let size = param.shape[axis];
            *range = match self.select[axis] {
                None => 0..size,
                Some(selection) => selection.within(size).map_err(|problem| match problem {
                    Problem::Outside(i) => {
                        format!(
                            "{}={i} is out of range; `{}` has {size}, so -{size} to {}",
                            KEYS[axis],
                            param.name,
                            size as i64 - 1
                        )
                    }
                    Problem::End(i) => {
                        format!("{}: the end {i} is out of range; `{}` has {size}", KEYS[axis], param.name)
                    }
                    Problem::Empty => {
                        format!("{}: the range is empty; `a..b` selects a to b − 1", KEYS[axis])
                    }
                })?,
            };
        }
        Ok(out)
    }
}

/// What is wrong with a [`Selection`] of so many.
enum Problem {
    Outside(i64),
    End(i64),
    Empty,
}

impl Selection {
    fn within(self, size: usize) -> std::result::Result<Range<usize>, Problem> {
        let from_start = |i: i64| -> Option<usize> {
            if i < 0 {
                usize::try_from(i.unsigned_abs()).ok().and_then(|back| size.checked_sub(back))
            } else {
                usize::try_from(i).ok()
            }
        };
        match self {
            Selection::One(i) => {
                let index = from_start(i).filter(|i| *i < size).ok_or(Problem::Outside(i))?;
                Ok(index..index + 1)
            }
            Selection::Span(a, b) => {
                let end = |i: Option<i64>, open: usize| match i {
                    None => Ok(open),
                    Some(i) => from_start(i).filter(|i| *i <= size).ok_or(Problem::End(i)),
                };
                let (start, end) = (end(a, 0)?, end(b, size)?);
                if start < end { Ok(start..end) } else { Err(Problem::Empty) }
            }
        }
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
    fn refinement(&mut self, select: &mut [Option<Selection>; 3]) -> std::result::Result<(), String> {
        loop {
            self.spaces();
            let start = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
                self.at += 1;
            }
            let key: String = self.chars[start..self.at].iter().collect();
            let Some(axis) = KEYS.iter().position(|k| *k == key) else {
                self.at = start;
                return Err(self.expected("h, row or col"));
            };
            if select[axis].is_some() {
                return Err(format!("at character {}: `{key}` is given twice", start + 1));
            }
            self.spaces();
            if !self.eat('=') {
                return Err(self.expected("`=`"));
            }
            self.spaces();
            select[axis] = Some(self.selection()?);
            self.spaces();
            if self.eat(']') {
                return Ok(());
            }
            if !self.eat(',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn selection(&mut self) -> std::result::Result<Selection, String> {
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
    fn integer(&mut self) -> std::result::Result<Option<i64>, String> {
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
