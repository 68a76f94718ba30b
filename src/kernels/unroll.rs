//! Unrolls the loops a shader marks.
//!
//! A kernel that keeps its matrices in private memory is fast only where every index is a constant: drivers then
//! hold the elements in registers. Mesa's own unroller gives up at about 800 instructions (seven times slower) and,
//! in 22.3, miscompiles a loop that starts at an outer loop's variable. So `/*unroll*/ for (var i = A; i < B; i++)`
//! is expanded here, where A and B are constants. The text stays valid WGSL with or without the expansion.

use std::collections::HashMap;

const MARK: &str = "/*unroll*/ for (var ";
/// Marks a loop over layers or heads, expanded whatever its size: its variable picks blocks, by constants alone.
const EACH: &str = "/*each*/ for (var ";

/// Where the next marked loop stands, and its mark.
fn next_mark(source: &str) -> Option<(usize, &'static str)> {
    let at = |mark| source.find(mark).map(|at| (at, mark));
    at(MARK).into_iter().chain(at(EACH)).min()
}

/// Expands marked loops, outermost first, as long as a loop nest makes at most `budget` copies of its innermost
/// body; a larger nest stays loops.
///
/// # Panics
/// If a marked loop is not of the form above: a bug in a shader, which every test of it shows.
pub fn unroll(source: &str, budget: usize) -> String {
    let mut constants = constants(source);
    let mut out = String::with_capacity(source.len() * 4);
    expand(source, &mut constants, budget, &mut out);
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

fn expand(source: &str, constants: &mut HashMap<String, i64>, budget: usize, out: &mut String) {
    let Some((at, mark)) = next_mark(source) else {
        out.push_str(source);
        return;
    };
    out.push_str(&source[..at]);
    let open = at + source[at..].find('{').expect("a loop body");
    let head = &source[at + mark.len()..open];
    let close = open + matching(&source[open..]);
    let body = &source[open + 1..close];
    let mut parts = head.split([';', '=', '<']).map(str::trim);
    let mut next = || parts.next().expect("a loop head `i = A; i < B; i++`");
    let (name, start, again, end) = (next(), next(), next(), next());
    assert_eq!(name, again, "loop variable in `{head}`");
    // A bound is unknown where it is the variable of an outer loop that was too large to expand.
    let bounds = evaluate(start, constants).zip(evaluate(end, constants));
    let expanded = bounds.filter(|&(a, b)| mark == EACH || copies(body, constants, name, a, b) <= budget);
    if let Some((start, end)) = expanded {
        for i in start..end {
            let shadowed = constants.insert(name.to_string(), i);
            out.push_str(&format!("{{ const {name} = {i}u;"));
            expand(body, constants, budget, out);
            out.push_str("}\n");
            match shadowed {
                Some(old) => constants.insert(name.to_string(), old),
                None => constants.remove(name),
            };
        }
    } else {
        keep(&source[at..close + 1], out);
    }
    expand(&source[close + 1..], constants, budget, out);
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
    fn unmarked_loops_are_left() {
        let text = "for (var a = 0u; a < 3u; a++) { y }";
        assert_eq!(unroll(text, 100), text);
    }
}
