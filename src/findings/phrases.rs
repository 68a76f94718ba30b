//! Counts, lists and times in words.

/// `Two` to `Ten`, then digits.
pub fn count(n: usize) -> String {
    const WORDS: [&str; 9] = ["Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
    WORDS.get(n.wrapping_sub(2)).map_or_else(|| n.to_string(), |w| w.to_string())
}

/// Digits in groups of three from 10,000 on.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let comma = |i: usize| if i > 0 && (digits.len() - i).is_multiple_of(3) { "," } else { "" };
    digits.chars().enumerate().map(|(i, c)| format!("{}{c}", comma(i))).collect()
}

/// `1 seed`, `3 seeds`.
pub fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n as u64)) }
}

/// `1 demonstration`, `20 demonstrations`.
pub fn demonstrations(shots: u32) -> String {
    plural(shots as usize, "demonstration")
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => one.to_string(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// Seconds for people: `0.82 s`, `34 s`, `17 min 30 s`, `2 h 5 min`; nothing of what is no time.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return String::new();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{} s", (seconds * 100.0).round() / 100.0),
        10..120 => format!("{whole} s"),
        120..7200 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lists_and_times_read_well() {
        let cases = [(0.0, "0 s"), (0.82, "0.82 s"), (4.1, "4.1 s"), (34.1, "34 s"), (1050.0, "17 min 30 s")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!((duration(7500.0), duration(f64::NAN)), ("2 h 5 min".into(), String::new()));
        let cases = [(9999, "9999"), (50_000, "50,000"), (1_234_567, "1,234,567")];
        for (n, text) in cases {
            assert_eq!(grouped(n), text);
        }
        assert_eq!((count(6), count(11), plural(1, "seed")), ("Six".into(), "11".into(), "1 seed".into()));
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
