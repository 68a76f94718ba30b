//! One cell: a number, a gap, or what people write in place of a number.

use crate::config::Decimal;
use crate::error::shown;

/// What people and programs write where a value is missing; case does not count. An empty cell is one too.
const MISSING: &[&str] = &[
    "na", "n/a", "#n/a", "<na>", "#na", "nan", "-nan", "1.#qnan", "-1.#ind", "null", "nil", "none", "-",
    "--", "?", ".",
];

/// Whether a trimmed cell holds no value.
pub(super) fn is_missing(cell: &str) -> bool {
    // Numbers are most of a table and longer than a mark or begin with a digit.
    cell.is_empty()
        || (!cell.as_bytes()[0].is_ascii_digit() || cell.starts_with("1.#"))
            && cell.len() <= 7
            && MISSING.contains(&cell.to_ascii_lowercase().as_str())
}

/// The value of a trimmed cell, or what is wrong with it.
pub(super) fn number(cell: &str, log1p: bool, decimal: Decimal) -> Result<f64, String> {
    let value = match decimal {
        Decimal::Point => cell.parse(),
        // A point in it would be of thousands.
        Decimal::Comma if cell.contains('.') => "".parse(),
        Decimal::Comma => cell.replacen(',', ".", 1).parse(),
    };
    let value: f64 = value.map_err(|_| format!("`{}` {}", shown(cell), why(cell, decimal)))?;
    if !value.is_finite() {
        return Err(format!("`{}` is not finite; remove the row", shown(cell)));
    }
    if log1p && value <= -1.0 {
        return Err(format!("log(1 + {value}) does not exist; take the column out of `task.log1p`"));
    }
    Ok(if log1p { value.ln_1p() } else { value })
}

/// Why a cell that is there is no number, and the mend.
fn why(cell: &str, decimal: Decimal) -> String {
    let plain = if decimal == Decimal::Comma { "1234,5" } else { "1234.5" };
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let others = |allowed: &str| cell.chars().all(|c| c.is_ascii_digit() || allowed.contains(c));
    let lower = cell.to_lowercase();
    if ["true", "false", "yes", "no", "t", "f", "y", "n"].contains(&lower.as_str()) {
        return "is not a number; write 1 and 0 for yes and no".into();
    }
    if cell.starts_with('#') && (cell.ends_with('!') || cell.ends_with('?')) {
        return "is an error of the spreadsheet, not a number; mend it there".into();
    }
    if cell.contains(['"', '\'']) && digits > 0 && cell.starts_with(['"', '\'']) {
        return format!(
            "is not a number: its quotes do not count as such (a space before them?); write it like {plain}"
        );
    }
    if digits > 0 && cell.contains(['$', '€', '£', '¥', '₹', '₩', '₽']) {
        return format!("is not a number: it has a currency sign; write it like {plain}");
    }
    if digits > 0 && cell.ends_with(['%', '‰']) {
        return format!("is not a number: it has a percent sign; write it like {plain}");
    }
    if digits > 0 && cell.contains(['\u{2212}', '\u{2013}', '\u{2014}', '\u{ff0d}']) {
        return "is not a number: its minus is a dash of typesetting; write it with -".into();
    }
    if digits > 0 && others("+-eE.,") && cell.contains(',') {
        return commas(cell, decimal);
    }
    if decimal == Decimal::Comma && others("+-eE.") && cell.matches('.').count() == 1 && digits > 0 {
        return "has a point, but `task.decimal` is \",\"; write it like 1234,5, or set task.decimal = \".\""
            .into();
    }
    if digits > 0
        && others("+-.,' _\u{a0}\u{202f}\u{2009}’")
        && cell.contains([' ', '_', '\'', '’', '\u{a0}', '\u{202f}', '\u{2009}'])
    {
        return format!("is not a number: it has thousands separators; write it like {plain}");
    }
    let date = |c: char| cell.matches(c).count() == 2;
    if digits > 2
        && (date('-') || date('/') || date(':') || cell.contains(':') || date('.'))
        && others("-/:. TZ+")
    {
        return "is a date or a time, not a number; give it as one (days, seconds), or leave it out with `task.features`".into();
    }
    format!(
        "is not a number; write it like {plain}, or name the columns to use in `task.features` if this one holds text"
    )
}

/// Why digits with commas are no number: the comma of thousands, or of fractions.
fn commas(cell: &str, decimal: Decimal) -> String {
    let whole = cell.trim_start_matches(['+', '-']).split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let thousands = whole.contains(',') && (1..=3).contains(&first.len()) && groups.all(|g| g.len() == 3);
    let set = "if the comma is the decimal one, set task.decimal = \",\"";
    match decimal {
        Decimal::Comma => "is not a number: it has thousands separators; write it like 1234,5".into(),
        Decimal::Point if thousands && (cell.contains('.') || whole.matches(',').count() > 1) => {
            "is not a number: it has thousands separators; write it like 1234.5".into()
        }
        Decimal::Point if thousands => {
            format!("is not a number: it has thousands separators; write it like 1234.5; {set}")
        }
        Decimal::Point => format!("is not a number: it has a comma; write it like 1234.5; {set}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_gaps() {
        for (cell, value) in [("1", 1.0), ("-2.5e3", -2500.0), ("+.5", 0.5), ("5.", 5.0), ("1E-2", 0.01)] {
            assert_eq!(number(cell, false, Decimal::Point).unwrap(), value);
            assert!(!is_missing(cell));
        }
        assert_eq!(number("-1,5e2", false, Decimal::Comma).unwrap(), -150.0);
        assert_eq!(number("7", false, Decimal::Comma).unwrap(), 7.0);
        for gap in
            ["", "NA", "n/a", "NaN", "-nan", "null", "NULL", "None", "-", "?", "#N/A", "<NA>", "1.#QNAN"]
        {
            assert!(is_missing(gap), "{gap}");
        }
        for cell in ["-1", "0", "n", "nan1", "nana", "-.5"] {
            assert!(!is_missing(cell), "{cell}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_why() {
        let point = |cell: &str| number(cell, false, Decimal::Point).unwrap_err();
        for (cell, part) in [
            ("1,234.5", "thousands separators; write it like 1234.5"),
            ("1,234,567", "thousands separators"),
            ("1,234", "set task.decimal = \",\""),
            ("1,5", "set task.decimal = \",\""),
            ("-12,75", "a comma"),
            ("1 234.5", "thousands separators"),
            ("1'234", "thousands separators"),
            ("1\u{a0}234", "thousands separators"),
            ("1_000", "thousands separators"),
            ("$5", "currency sign"),
            ("5 €", "currency sign"),
            ("5%", "percent sign"),
            ("\u{2212}5", "write it with -"),
            ("TRUE", "write 1 and 0"),
            ("#DIV/0!", "error of the spreadsheet"),
            ("2020-01-31", "a date or a time"),
            ("31.12.2020", "a date or a time"),
            ("12:30", "a date or a time"),
            ("\"5\"", "quotes"),
            ("many", "`task.features`"),
            ("0x10", "is not a number"),
            ("inf", "not finite"),
            ("1e999", "not finite"),
        ] {
            assert!(point(cell).contains(part), "{cell}: {}", point(cell));
        }
        let comma = |cell: &str| number(cell, false, Decimal::Comma).unwrap_err();
        assert!(comma("1.234,5").contains("thousands separators; write it like 1234,5"));
        assert!(comma("1.5").contains("task.decimal = \".\""));
        assert!(comma("1,234,567").contains("thousands"));
        assert!(number("-1", true, Decimal::Point).unwrap_err().contains("task.log1p"));
    }
}
