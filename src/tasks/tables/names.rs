//! Names of columns and tasks: tidy, and told apart from those that only look alike.

use crate::config::closest;
use unicode_normalization::UnicodeNormalization;

/// A name as it is kept: no space around it, and a single one for any run of spaces and line ends within.
pub(super) fn tidy(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What two names share that differ only in case, spaces or Unicode form.
pub(super) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    }
    name.nfkc().filter(|c| !c.is_whitespace() && !invisible(*c)).flat_map(char::to_lowercase).nfkc().collect()
}

/// Characters that take no room: zero-width spaces and joiners, the soft hyphen, a stray byte order mark.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// In what two names of the same [`fold`] differ.
pub(super) fn difference(a: &str, b: &str) -> &'static str {
    let squeezed =
        |name: &str| name.chars().filter(|c| !c.is_whitespace() && !invisible(*c)).collect::<String>();
    if a.nfc().eq(b.nfc()) {
        "Unicode form"
    } else if squeezed(a) == squeezed(b) {
        "spaces"
    } else if a.to_lowercase() == b.to_lowercase() {
        "case"
    } else {
        "case, spaces or Unicode form"
    }
}

/// The name that `wanted` was probably meant to be.
pub(super) fn near<'n>(wanted: &str, names: &[&'n str]) -> Option<&'n str> {
    let folded = fold(wanted);
    let alike = names.iter().find(|name| fold(name) == folded);
    alike.copied().or_else(|| closest(wanted, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_fold_to_one() {
        for (a, b, what) in [
            ("north", "North", "case"),
            ("new york", "new\u{a0}york", "spaces"),
            ("newyork", "new york", "spaces"),
            ("caf\u{e9}", "cafe\u{301}", "Unicode form"),
            ("STRASSE\u{e9}", "strasse\u{c9}", "case"),
            ("a\u{200b}", "a", "spaces"),
            ("New York", "newyork", "case, spaces or Unicode form"),
            ("ﬁt", "fit", "case, spaces or Unicode form"),
        ] {
            assert_eq!(fold(a), fold(b), "{a:?} and {b:?}");
            assert_eq!(difference(a, b), what, "{a:?} and {b:?}");
        }
        for (a, b) in [("north", "nörth"), ("t1", "t2"), ("a_b", "a b"), ("1", "1.0")] {
            assert_ne!(fold(a), fold(b), "{a:?} and {b:?}");
        }
        assert_eq!(tidy(" a \n b\u{a0}"), "a b");
        assert_eq!(near("Price", &["task", "price"]), Some("price"));
        assert_eq!(near("prise", &["task", "price"]), Some("price"));
        assert_eq!(near("volume", &["task", "price"]), None);
    }
}
