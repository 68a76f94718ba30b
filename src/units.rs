//! Numbers as people read them.

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in decimal units.
pub fn megabytes(bytes: u64) -> String {
    match bytes as f64 * 1e-6 {
        _ if bytes < 1000 => format!("{bytes} B"),
        least if least < 1.0 => format!("{:.0} kB", least * 1e3),
        small if small < 10.0 => format!("{small:.2} MB"),
        some if some < 1000.0 => format!("{some:.0} MB"),
        many => format!("{:.2} GB", many * 1e-3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1000, 134_515_008].map(grouped), ["0", "999", "1,000", "134,515,008"]);
        assert_eq!(
            [256, 196_608, 1_234_567, 98_362_432, 538_060_032, 1_100_000_000].map(megabytes),
            ["256 B", "197 kB", "1.23 MB", "98 MB", "538 MB", "1.10 GB"]
        );
    }
}
