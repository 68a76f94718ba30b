//! Unrolls the loops a shader marks.
//!
//! A kernel that keeps its matrices in private memory is fast only where every index is a constant: drivers then
//! hold the elements in registers. Mesa's own unroller gives up at about 800 instructions (seven times slower) and,
//! in 22.3, miscompiles a loop that starts at an outer loop's variable. So `/*unroll*/ for (var i = A; i < B; i++)`
//! is expanded here, where A and B are constants. The text stays valid WGSL with or without the expansion.

use super::parts::{self, Scope};
use std::collections::HashMap;

pub const MARK: &str = "/*unroll*/ for (var ";
/// Marks a loop over layers or heads, expanded whatever its size: its variable picks blocks, by constants alone.
const EACH: &str = "/*each*/ for (var ";

/// Where the next marked loop stands, and its mark.
fn next_mark(source: &str) -> Option<(usize, &'static str)> {
    let at = |mark| source.find(mark).map(|at| (at, mark));
    at(MARK).into_iter().chain(at(EACH)).min()
}

/// Expands marked loops, outermost first, as long as a loop nest makes at most `budget` copies of its innermost
/// body; a larger nest stays loops. Long copies become functions of their own: see [`parts`].
///
/// # Panics
/// If a marked loop is not of the form above: a bug in a shader, which every test of it shows.
pub fn unroll(source: &str, budget: usize) -> String {
    let mut expander = Expander {
        constants: constants(source),
        budget,
        scope: Scope::default(),
        parts: Vec::new(),
        out: String::with_capacity(source.len() * 4),
    };
    let mut rest = source;
    while let Some((head, body, behind)) = parts::function(rest) {
        expander.scope = Scope::default();
        expander.expand(head);
        expander.scope = Scope::of(head);
        expander.expand(body);
        rest = behind;
    }
    expander.scope = Scope::default();
    expander.expand(rest);
    let Expander { mut out, parts, .. } = expander;
    parts.iter().for_each(|part| out.push_str(part));
    out
}

/// The integer constants of a program.
pub fn constants(source: &str) -> HashMap<String, i64> {
    let mut known = HashMap::new();
    for line in source.lines() {
        if let Some((name, value)) = constant(line, &known) {
            known.insert(name.to_string(), value);
        }
    }
    known
}

/// `const NAME: u32 = EXPR;` with the value of EXPR.
fn constant<'a>(line: &'a str, known: &HashMap<String, i64>) -> Option<(&'a str, i64)> {
    let (name, rest) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
    Some((name, evaluate(rest.split(';').next()?, known)?))
}

struct Expander {
    constants: HashMap<String, i64>,
    budget: usize,
    /// What is declared where it stands, in the function at hand.
    scope: Scope,
    /// Functions made of copies.
    parts: Vec<String>,
    out: String,
}

impl Expander {
    fn expand(&mut self, source: &str) {
        let mut rest = source;
        while let Some((at, mark)) = next_mark(rest) {
            self.plain(&rest[..at]);
            let open = at + rest[at..].find('{').expect("a loop body");
            let head = &rest[at + mark.len()..open];
            let close = open + matching(&rest[open..]);
            let body = &rest[open + 1..close];
            let mut words = head.split([';', '=', '<']).map(str::trim);
            let mut next = || words.next().expect("a loop head `i = A; i < B; i++`");
            let (name, start, again, end) = (next(), next(), next(), next());
            assert_eq!(name, again, "loop variable in `{head}`");
            // A bound is unknown where it is the variable of an outer loop that was too large to expand.
            let bounds = evaluate(start, &self.constants).zip(evaluate(end, &self.constants));
            let small = |a, b, known: &mut _| mark == EACH || copies(body, known, name, a, b) <= self.budget;
            match bounds.filter(|&(a, b)| small(a, b, &mut self.constants)) {
                Some((start, end)) => (start..end).for_each(|i| self.copy(name, i, body)),
                None => keep(&rest[at..close + 1], &mut self.out),
            }
            rest = &rest[close + 1..];
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        self.scope.read(text);
        self.out.push_str(text);
    }

    /// A copy of a loop's body, in place or, if it is long and needs no local value, as a call.
    fn copy(&mut self, name: &str, value: i64, body: &str) {
        let shadowed = self.constants.insert(name.to_string(), value);
        let (from, known) = (self.out.len(), self.scope.len());
        self.plain(&format!("{{ const {name} = {value}u;"));
        self.expand(body);
        self.plain("}\n");
        self.scope.leave(known);
        if self.out.len() - from > parts::LONG && self.scope.hoists(&self.out[from..]) {
            let call = format!("part_{}", self.parts.len());
            let part = format!("fn {call}() {{{}{}}}\n", self.scope.constants(), &self.out[from..]);
            self.parts.push(part);
            self.out.truncate(from);
            self.out.push_str(&format!("{call}();\n"));
        }
        match shadowed {
            Some(old) => self.constants.insert(name.to_string(), old),
            None => self.constants.remove(name),
        };
    }
}

/// Leaves a nest as loops whose ends the driver can't know: `beyond` is 0, but read from a buffer. With the ends known,
/// Mesa unrolls them all the same and then compiles for minutes.
fn keep(nest: &str, out: &mut String) {
    let mut rest = nest;
    while let Some((at, mark)) = next_mark(rest) {
        out.push_str(&rest[..at]);
        let open = at + rest[at..].find('{').expect("a loop body");
        let head = rest[at + mark.len()..open].replacen("; ", " ; ", 2);
        let mut parts = head.splitn(3, " ; ");
        let mut next = || parts.next().expect("a loop head `i = A; i < B; i++`");
        out.push_str(&format!("for (var {}; {} + beyond; {}", next(), next(), next()));
        rest = &rest[open..];
    }
    out.push_str(rest);
}

/// How many innermost bodies a loop over `body` makes.
fn copies(body: &str, constants: &mut HashMap<String, i64>, name: &str, start: i64, end: i64) -> usize {
    let shadowed = constants.insert(name.to_string(), start);
    let mut inner = 0;
    let mut rest = body;
    while let Some(at) = rest.find(MARK) {
        let open = at + rest[at..].find('{').expect("a loop body");
        let close = open + matching(&rest[open..]);
        let mut parts = rest[at + MARK.len()..open].split([';', '=', '<']).map(str::trim);
        let (n, a, e) = (parts.next(), parts.next(), parts.nth(1));
        let value = |text: Option<&str>| text.and_then(|t| evaluate(t, constants)).unwrap_or(0);
        let (a, e) = (value(a), value(e));
        inner += copies(&rest[open + 1..close], constants, n.unwrap_or(""), a, e);
        rest = &rest[close + 1..];
    }
    match shadowed {
        Some(old) => constants.insert(name.to_string(), old),
        None => constants.remove(name),
    };
    inner.max(1) * (end - start).max(0) as usize
}

/// Offset of the brace that closes the one `text` starts with.
pub fn matching(text: &str) -> usize {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return i;
        }
    }
    panic!("unbalanced braces in a shader");
}

/// Value of an expression of integers, names, `+ - * /` and parentheses.
pub fn evaluate(text: &str, names: &HashMap<String, i64>) -> Option<i64> {
    let (value, rest) = sum(text.trim(), names)?;
    rest.trim().is_empty().then_some(value)
}

fn sum<'a>(text: &'a str, names: &HashMap<String, i64>) -> Option<(i64, &'a str)> {
    let (mut value, mut rest) = product(text, names)?;
    loop {
        let trimmed = rest.trim_start();
        let Some(op @ ('+' | '-')) = trimmed.chars().next() else { return Some((value, rest)) };
        let (right, after) = product(&trimmed[1..], names)?;
        value = if op == '+' { value + right } else { value - right };
        rest = after;
    }
}

fn product<'a>(text: &'a str, names: &HashMap<String, i64>) -> Option<(i64, &'a str)> {
    let (mut value, mut rest) = atom(text, names)?;
    loop {
        let trimmed = rest.trim_start();
        let Some(op @ ('*' | '/')) = trimmed.chars().next() else { return Some((value, rest)) };
        let (right, after) = atom(&trimmed[1..], names)?;
        value = if op == '*' { value * right } else { value.checked_div(right)? };
        rest = after;
    }
}

fn atom<'a>(text: &'a str, names: &HashMap<String, i64>) -> Option<(i64, &'a str)> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        let (value, rest) = sum(inner, names)?;
        return Some((value, rest.trim_start().strip_prefix(')')?));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value = match word.trim_end_matches('u').parse() {
        Ok(number) => number,
        Err(_) => *names.get(word)?,
    };
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_expand_with_their_bounds() {
        let text = "const D: u32 = 2u;\nconst DD: u32 = D * (D + 1u) - 3u;\n\
                    /*unroll*/ for (var a = 0u; a < D; a++) { /*unroll*/ for (var b = a; b < DD; b++) { x[a][b] } }";
        let out = unroll(text, 100);
        assert_eq!(out.matches("x[a][b]").count(), 3 + 2);
        assert!(!out.contains("for ("));
        assert!(out.contains("const a = 1u"));
    }

    #[test]
    fn a_nest_over_the_budget_stays_a_loop() {
        let text = "const D: u32 = 9u;\n/*unroll*/ for (var a = 0u; a < D; a++) { y }";
        assert_eq!(unroll(text, 8), "const D: u32 = 9u;\nfor (var a = 0u; a < D + beyond; a++) { y }");
        assert_eq!(unroll(text, 9).matches(" y ").count(), 9);
        let nest =
            "/*unroll*/ for (var a = 0u; a < 5u; a++) {/*unroll*/ for (var b = 0u; b < 3u; b++) { y }}";
        let out = unroll(nest, 14);
        assert!(out.contains("for (var a") && out.contains("for (var b"));
        let triangle =
            "/*unroll*/ for (var a = 0u; a < 9u; a++) {/*unroll*/ for (var b = 0u; b < a + 1u; b++) { y }}";
        let kept =
            "for (var a = 0u; a < 9u + beyond; a++) {for (var b = 0u; b < a + 1u + beyond; b++) { y }}";
        assert_eq!(unroll(triangle, 8), kept);
    }

    #[test]
    fn a_loop_over_layers_is_expanded_whatever_the_budget() {
        let text = "/*each*/ for (var l = 0u; l < 3u; l++) {/*unroll*/ for (var b = 0u; b < 3u; b++) { y }}";
        let out = unroll(text, 1);
        assert_eq!((out.matches("const l").count(), out.matches("for (var b").count()), (3, 3));
    }

    #[test]
    fn long_copies_without_locals_become_functions() {
        let line = "total[a * D + b] += token[a]; ".repeat(60);
        let source = |inner: &str| {
            format!(
                "const D: u32 = 2u;\nfn add(given: f32) {{\n  const base = 4u;\n  let local = 1.0;\n  \
                 /*each*/ for (var a = 0u; a < D; a++) {{ let own = base; \
                 /*unroll*/ for (var b = 0u; b < D; b++) {{ {line} {inner} }} }}\n}}\n"
            )
        };
        let out = unroll(&source("t[base] = task.local;"), 9);
        assert_eq!((out.matches("fn part_").count(), out.matches("part_").count()), (4, 8), "{out}");
        let part = &out[out.find("fn part_3").unwrap()..];
        assert!(part.starts_with("fn part_3() {const base = 4u;const a = 1u;{ const b = 1u;"), "{part}");
        // A value of the function itself, or of the loop around, keeps a copy in its place.
        for inner in ["t[0] = local;", "t[0] = given;", "return;"] {
            assert_eq!(unroll(&source(inner), 9).matches("part_").count(), 0, "{inner}");
        }
        let out = unroll(&source("t[0] = f32(own);"), 9);
        assert_eq!(out.matches("part_").count(), 4, "{out}");
    }

    #[test]
    fn unmarked_loops_are_left() {
        let text = "for (var a = 0u; a < 3u; a++) { y }";
        assert_eq!(unroll(text, 100), text);
    }
}
