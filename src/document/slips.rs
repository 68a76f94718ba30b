//! The slips of a line that is no TOML: paths of Windows, quotes of word processors, words of other formats.

/// The mend of a line that is no TOML, as far as it can be told; `message` is the parser's.
pub(crate) fn slip(message: &str, typed: &str) -> String {
    let typed = typed.trim();
    let key = typed.split(['=', ':']).next().unwrap_or_default().trim();
    let value = typed.split_once('=').map(|(_, v)| v.trim()).unwrap_or_default();
    if message.contains("duplicate key") {
        let what = if typed.starts_with('[') { typed.trim_matches(['[', ']']) } else { key };
        return format!(" `{what}`; it is there before, keep one");
    }
    let lower = value.to_ascii_lowercase();
    let curly = ['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    let mend = if typed.contains(curly) {
        "write straight quotes (\"), not typeset ones"
    } else if typed.contains('\\') && typed.contains('"') {
        "a path with backslashes goes in single quotes: 'C:\\data\\x.csv'"
    } else if message.contains("key") && (typed.starts_with(['{', '<']) || typed == "---") {
        "an experiment is TOML: lines like heads = 2 under [model]"
    } else if matches!(lower.as_str(), "true" | "false") {
        return format!("; write {lower} in small letters");
    } else if matches!(value, "None" | "null" | "nil" | "NULL" | "~") {
        "there is no such value, leave the line out for the default"
    } else if value.is_empty() && typed.contains('=') {
        return format!("; give `{key}` a value, or leave the line out");
    } else if !typed.contains('=') && typed.contains(':') && !typed.starts_with(['[', '#']) {
        "write KEY = VALUE"
    } else if typed.starts_with('[') && !typed.ends_with(']') && !typed.contains('=') {
        "close the bracket"
    } else {
        number_or_text(message, value)
    };
    if mend.is_empty() { String::new() } else { format!("; {mend}") }
}

/// The mend of a value.
fn number_or_text(message: &str, value: &str) -> &'static str {
    let digit = |c: char| c.is_ascii_digit() || "+-._eE".contains(c);
    let number = value.contains(|c: char| c.is_ascii_digit()) && value.chars().all(digit);
    let begins = |letters: fn(char) -> bool| value.chars().next().is_some_and(letters);
    if number && (value.starts_with('.') || value.ends_with('.') || value.contains(".e")) {
        "a point has digits on both sides: 0.5, 1.0"
    } else if message.contains("invalid basic string") || message.contains("invalid literal string") {
        "close the quote in its line"
    } else if begins(|c| c.is_alphabetic() || "/.*~_".contains(c)) {
        "a text stands in quotes: KEY = \"text\""
    } else if message.contains("must be quoted") && begins(|c| matches!(c, '[' | '{')) {
        "every text in it stands in quotes, like [\"*.v\"]"
    } else if begins(|c| c.is_ascii_digit()) && value.contains(' ') {
        "a key has one value, a list stands in brackets: [1, 2]"
    } else if value.contains(',') && !begins(|c| matches!(c, '[' | '{' | '"' | '\'')) {
        "a fraction is written with a point, and a list in brackets: [1, 2]"
    } else {
        ""
    }
}
