//! Words that a file chose, made fit to be shown: nothing in them moves a cursor, colours a terminal, turns the reading
//! direction or hides.

use std::borrow::Cow;

/// Whether a character acts on what shows it instead of being shown: controls (C0, DEL, C1), separators of lines and
/// paragraphs, marks and overrides of direction, what has no width (joiners apart, which scripts need), tags, and what
/// is no character.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
        || (c as u32 & 0xfffe) == 0xfffe
}

/// One line: every character that [`acts`] is written as Rust writes it, `\n` or `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, |c| acts(c).then(|| c.escape_default().to_string()))
}

/// [`line()`] of the first `most` characters, with an ellipsis where there are more.
pub fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => line(&text[..end]).into_owned() + "…",
        None => line(text).into_owned(),
    }
}

/// Lines: as [`line()`], with the ends of lines kept, those of Windows as `\n`.
pub fn lines(text: &str) -> Cow<'_, str> {
    let escaped = |c: char| (c != '\n' && acts(c)).then(|| c.escape_default().to_string());
    match text.contains("\r\n") {
        true => Cow::Owned(replace(&text.replace("\r\n", "\n"), escaped).into_owned()),
        false => replace(text, escaped),
    }
}

/// JSON, which has such characters in strings alone: they are written as JSON writes them, `\u001b`.
pub fn json(text: &str) -> Cow<'_, str> {
    let escaped = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect();
    replace(text, |c| (c != '\n' && acts(c)).then(|| escaped(c)))
}

fn replace(text: &str, with: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match with(c) {
            Some(escaped) => out += &escaped,
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_written_out_and_what_is_read_stays() {
        for plain in ["zs-v", "größe 价格 σ² ± –", "a\u{200d}b \u{200c}", "👩\u{200d}🔬", ""] {
            assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain), "{plain:?}");
        }
        let cases = [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\u{0}"),
            ("\u{7f}\u{9b}2J\u{85}", "\\u{7f}\\u{9b}2J\\u{85}"),
            ("\u{202e}txt\u{2066}\u{200f}", "\\u{202e}txt\\u{2066}\\u{200f}"),
            ("\u{feff}id\u{200b}\u{2028}\u{ffff}", "\\u{feff}id\\u{200b}\\u{2028}\\u{ffff}"),
        ];
        for (from, to) in cases {
            assert_eq!(line(from), to);
        }
        assert_eq!(lines("a\n\u{1b}b\n"), "a\n\\u{1b}b\n");
        assert_eq!(lines("a\r\nb\rc\r\n"), "a\nb\\rc\n");
    }

    #[test]
    fn nothing_that_acts_is_left_whatever_comes() {
        let all: String = (0..=0x10ffff_u32).filter_map(char::from_u32).collect();
        assert!(!line(&all).chars().any(acts));
        assert!(!lines(&all).chars().any(|c| c != '\n' && acts(c)));
        assert_eq!(lines(&all).matches('\n').count(), 1);
    }

    #[test]
    fn json_stays_what_it_was() {
        let name = "x\u{1b}\u{9b}\u{202e}\u{e0001}\"\\\u{7f}";
        let text = serde_json::to_string_pretty(&serde_json::json!({ "name": name })).unwrap();
        let shown = json(&text);
        assert!(!shown.chars().any(|c| c != '\n' && acts(c)));
        let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(back["name"], name);
    }
}
