//! Numbers as people read them.

/// A number for people: four significant digits, `∞`, `NaN`, a power of ten when it is huge or tiny.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    let size = value.abs();
    let text = match size {
        0.0 => "0".into(),
        s if !(1e-4..1e5).contains(&s) => power(value),
        s if s >= 1000.0 => format!("{value:.0}"),
        s if s >= 100.0 => format!("{value:.1}"),
        s if s >= 10.0 => format!("{value:.2}"),
        s if s >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    };
    text.replace('-', "−")
}

fn power(value: f64) -> String {
    let text = format!("{value:.1e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let raise = |c: char| match c.to_digit(10) {
        Some(d) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][d as usize],
        None => '⁻',
    };
    format!("{mantissa}×10{}", exponent.chars().map(raise).collect::<String>())
}

/// A tick's label: `0.05`, `20`, `5k`, `1e6`.
pub(super) fn tick(value: f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        return "0".into();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = if size >= 1000.0 { format!("{:.1}", value / 1000.0) } else { format!("{value:.3}") };
    let text = text.trim_end_matches('0').trim_end_matches('.').to_string();
    if size >= 1000.0 { text + "k" } else { text }
}

/// A value as short as it can be written, nothing lost.
pub(super) fn shortest(value: f64) -> String {
    let (a, b) = (value.to_string(), format!("{value:e}"));
    if b.chars().count() < a.chars().count().saturating_sub(2) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [(0.34532, "0.345"), (1.0994, "1.099"), (212.43, "212.4"), (0.0, "0"), (-2.5, "−2.500")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(3.1e12), "3.1×10¹²");
        assert_eq!(number(2e-7), "2.0×10⁻⁷");
        assert_eq!((number(f64::NAN), number(f64::INFINITY)), ("NaN".into(), "∞".into()));
        assert_eq!((tick(5000.0), tick(0.05), tick(1e7)), ("5k".into(), "0.05".into(), "1e7".into()));
        assert_eq!((shortest(0.01), shortest(1e-9)), ("0.01".into(), "1e-9".into()));
    }
}
