//! How many times an invocation of a program goes round loops, counted from its text.
//!
//! llvmpipe of Mesa 22 ends every loop of an invocation, without a word, once they have gone round 65,535 times between
//! them (`LP_MAX_TGSI_LOOP_ITERATIONS`). So the work of an invocation is bounded here before anything runs, by what the
//! adapter was found to make (`gpu/rounds.rs`).

use super::unroll::{constants, evaluate, matching};
use std::collections::HashMap;

/// Times that the loops of `entry` go round in one invocation, those of the functions it calls included; the most if it
/// depends on data.
///
/// # Panics
/// If a loop's bound or stride is neither a constant nor `slot`: a bug in a shader, which every test of it shows.
pub fn iterations(wgsl: &str, entry: &str) -> u64 {
    let mut names = constants(wgsl);
    if let Some(&shots) = names.get("SHOTS") {
        // A slot is the query's 0, or 1 + a shot.
        names.insert("slot".into(), shots + 1);
    }
    names.insert("beyond".into(), 0);
    let functions = functions(wgsl);
    let body = functions.get(entry).expect("an entry point");
    body_iterations(body, &names, &functions)
}

/// Bodies by name.
fn functions(wgsl: &str) -> HashMap<&str, &str> {
    let mut out = HashMap::new();
    let mut rest = wgsl;
    while let Some(at) = rest.find("fn ") {
        let starts_line = at == 0 || rest[..at].ends_with('\n');
        rest = &rest[at + 3..];
        if starts_line && let (Some(end), Some(open)) = (rest.find('('), rest.find('{')) {
            let close = open + matching(&rest[open..]);
            out.insert(&rest[..end], &rest[open + 1..close]);
            rest = &rest[close..];
        }
    }
    out
}

fn body_iterations(body: &str, names: &HashMap<String, i64>, functions: &HashMap<&str, &str>) -> u64 {
    let mut total = 0;
    let mut rest = body;
    while let Some(at) = rest.find("for (var ") {
        total += calls(&rest[..at], names, functions);
        let open = at + rest[at..].find('{').expect("a loop body");
        let close = open + matching(&rest[open..]);
        let (variable, trips) = trips(&rest[at..open], names);
        // The most an inner loop bounded by this one's variable can go round.
        let mut inside = names.clone();
        inside.insert(variable.into(), trips.saturating_sub(1) as i64);
        total += trips * (1 + body_iterations(&rest[open + 1..close], &inside, functions));
        rest = &rest[close..];
    }
    total + calls(rest, names, functions)
}

/// Iterations of the functions that a piece of text without loops calls.
fn calls(text: &str, names: &HashMap<String, i64>, functions: &HashMap<&str, &str>) -> u64 {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('(')
        .filter_map(|(at, _)| {
            let name = &text[text[..at].rfind(|c| !word(c)).map_or(0, |i| i + 1)..at];
            functions.get(name).map(|body| body_iterations(body, names, functions))
        })
        .sum()
}

/// The variable of `for (var i = START; i < END; STEP)` and how often it goes round, its start taken as 0.
fn trips<'a>(head: &'a str, names: &HashMap<String, i64>) -> (&'a str, u64) {
    let mut parts = head.split(';');
    let (start, end, step) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let bound = end.split('<').nth(1).unwrap_or("");
    let stride = step.split("+=").nth(1).map_or("1", |s| s.trim_end_matches([')', ' ']));
    let value = |text: &str| evaluate(text, names).unwrap_or_else(|| panic!("`{text}` in `{head}`"));
    let variable = start.split(" = ").next().and_then(|s| s.split("var ").nth(1)).unwrap_or("");
    (variable, (value(bound).max(0) as u64).div_ceil(value(stride).max(1) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_calls_and_strides_are_counted() {
        let text = "const D: u32 = 3u;\nconst N: u32 = 10u;\nconst LANES: u32 = 4u;\n\
            fn inner() {\n  for (var i = 0u; i < D; i++) { x += 1.0; }\n}\n\
            @compute @workgroup_size(1)\nfn main() {\n\
            for (var p = lane; p < N; p += LANES) { inner(); for (var b = 0u; b < D + 1u; b++) { y } inner(); }\n}\n";
        // Three rounds, each 1 + 3 + 4 + 3.
        assert_eq!(iterations(text, "main"), 33);
        assert_eq!(iterations(text, "inner"), 3);
    }
}
