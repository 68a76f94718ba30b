//! The covariance of the covariates: the identity, a diagonal, or a matrix in a text file.

use super::input;
use crate::config::Covariance;
use crate::error::{Error, Result};
use crate::escape::short;
use crate::fingerprint::FileRead;
use crate::linalg::semidefinite;
use std::path::Path;

/// Mirrored entries differ by at most this share of the larger: rounding of a file's digits.
const ASYMMETRY: f64 = 1e-6;

/// Largest entry: a gradient has its third power in it and the squared norm its sixth, which single precision holds.
const MOST: f64 = 1e6;

/// A covariance as the task takes it.
#[derive(Debug)]
pub(super) struct Opened {
    /// Σ, [d, d].
    pub matrix: Vec<f64>,
    /// Its lower Cholesky factor [d, d] as the device sees it; none for the identity.
    pub factor: Option<Vec<f32>>,
    /// The file that it was read from, if it was.
    pub files: Vec<FileRead>,
}

/// Reads the covariance of d covariates and takes its factor.
///
/// # Errors
/// What is wrong with the file, by line and column, or with the matrix.
pub(super) fn open(covariance: &Covariance, d: usize) -> Result<Opened> {
    let mut files = Vec::new();
    let diagonal = |values: &[f64]| {
        let mut matrix = vec![0.0; d * d];
        for (i, &value) in values.iter().enumerate() {
            matrix[i * d + i] = value;
        }
        matrix
    };
    let (matrix, lines) = match covariance {
        Covariance::Identity => {
            return Ok(Opened { matrix: diagonal(&vec![1.0; d]), factor: None, files });
        }
        Covariance::Diagonal(values) => (diagonal(values), Vec::new()),
        Covariance::File(path) => {
            let bytes = input::read(path, "task.covariance.file")?;
            files.push(FileRead::of(path, &bytes));
            parse(&bytes, path, d)?
        }
    };
    let bad = |message: String| match covariance {
        Covariance::File(path) => Error::file(path, message),
        _ => Error::config("task.covariance", message),
    };
    if let Some(at) = (0..d * d).find(|at| matrix[*at].abs() > MOST) {
        let what = format!("{:e} is too large for single precision, at most {MOST:e}", matrix[at]);
        let mend = "scale the covariates down";
        return Err(match covariance {
            Covariance::File(path) => cell(path, lines[at / d], at % d, format!("{what}; {mend}")),
            _ => bad(format!("entry {}: {what}; {mend}", at / d + 1)),
        });
    }
    if matrix.iter().all(|x| *x == 0.0) {
        return Err(bad("is all zero, so every x would be 0; give some covariate a variance".into()));
    }
    let factor = semidefinite(&matrix, d).map_err(|least| {
        let negative = (0..d).find(|i| matrix[i * d + i] < 0.0);
        let where_ = negative.map(|i| format!(", the variance in row {} is {}", i + 1, matrix[i * d + i]));
        let what = format!(
            "is no covariance: it has the negative eigenvalue {least:.3e}{}",
            where_.unwrap_or_default()
        );
        bad(format!("{what}; all eigenvalues must be 0 or above"))
    })?;
    let factor = Some(factor.into_iter().map(|x| x as f32).collect());
    Ok(Opened { matrix, factor, files })
}

fn cell(path: &Path, line: u64, column: usize, message: String) -> Error {
    Error::Cell { path: path.into(), line, column: (column + 1).to_string(), message }
}

/// The symmetric matrix of d rows of d numbers in a file, and the line of each row. Numbers are separated by commas,
/// semicolons, tabs or spaces; blank lines and what follows a `#` do not count.
fn parse(bytes: &[u8], path: &Path, d: usize) -> Result<(Vec<f64>, Vec<u64>)> {
    let text = input::text(bytes, path)?;
    let text = std::str::from_utf8(&text).map_err(|e| {
        let line = 1 + text[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        Error::file(path, format!("line {line} is not UTF-8; save the file as UTF-8"))
    })?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut matrix, mut lines) = (Vec::new(), Vec::new());
    for (line, row) in (1..).zip(text.split('\n')) {
        let row = row.split('#').next().unwrap_or_default().trim();
        if row.is_empty() {
            continue;
        }
        let cells = split(row);
        lines.push(line);
        if lines.len() == 1 && cells.iter().all(|cell| cell.parse::<f64>().is_err()) && cells.len() >= d {
            let what = format!(
                "line {line} holds names (`{}`), but a covariance has no header",
                short(cells[0], 60)
            );
            return Err(Error::file(path, format!("{what}; remove the line, and names before the rows")));
        }
        if cells.len() != d {
            let what = format!("line {line} has {} numbers", cells.len());
            let mend = format!("`task.dim` = {d} needs {d} rows of {d}");
            return Err(Error::file(path, format!("{what}; {mend}{}", hint(&text, d))));
        }
        for (column, text) in cells.iter().enumerate() {
            matrix.push(number(text).map_err(|message| cell(path, line, column, message))?);
        }
    }
    if lines.len() != d {
        let what = if lines.is_empty() {
            "is empty".to_string()
        } else {
            format!("has {} rows of {d}", lines.len())
        };
        return Err(Error::file(
            path,
            format!("{what}; `task.dim` = {d} needs {d} rows of {d}{}", hint(&text, d)),
        ));
    }
    symmetric(&mut matrix, path, &lines)?;
    Ok((matrix, lines))
}

/// The cells of a row, by the separator that is in it.
fn split(row: &str) -> Vec<&str> {
    let by = |c: char| -> Vec<&str> {
        let row = row.strip_suffix(c).unwrap_or(row);
        row.split(c).map(|cell| cell.trim().trim_matches('"')).collect()
    };
    match row {
        _ if row.contains(';') => by(';'),
        _ if row.contains(',') => by(','),
        _ => row.split_whitespace().map(|cell| cell.trim_matches('"')).collect(),
    }
}

fn number(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(format!("`{}` is not finite; every entry is a number", short(text, 60))),
        Err(_) if text.is_empty() => Err("the entry is missing; every entry is a number".into()),
        Err(_) if text.contains(',') && text.replacen(',', ".", 1).parse::<f64>().is_ok() => {
            Err(format!("`{}` has a decimal comma; write it like 0.5", short(text, 60)))
        }
        Err(_) => Err(format!("`{}` is no number; write it like 0.5", short(text, 60))),
    }
}

/// What the file would fit, if it is a matrix of another size: `, but the file has 3 rows of 3; set task.dim = 3`.
fn hint(text: &str, d: usize) -> String {
    let rows = || {
        text.split('\n')
            .map(|row| row.split('#').next().unwrap_or_default().trim())
            .filter(|row| !row.is_empty())
    };
    let count = rows().count();
    let widths: Vec<usize> = rows().map(|row| split(row).len()).collect();
    match widths.first() {
        Some(width) if widths.iter().all(|w| w == width) && *width == count && count != d => {
            format!(
                ", and the file has {count} of {count}: set task.dim = {count}, or give the matrix of that size"
            )
        }
        Some(width) if widths.iter().all(|w| w == width) => format!(", and the file has {count} of {width}"),
        _ => String::new(),
    }
}

/// Replaces mirrored entries by their mean where they differ by rounding.
fn symmetric(matrix: &mut [f64], path: &Path, lines: &[u64]) -> Result<()> {
    let d = lines.len();
    for i in 0..d {
        for j in 0..i {
            let (a, b) = (matrix[i * d + j], matrix[j * d + i]);
            // Beside the variances that they belong to: what is 0 but for rounding has no size of its own.
            let scale = a.abs().max(b.abs()).max((matrix[i * d + i] * matrix[j * d + j]).abs().sqrt());
            if (a - b).abs() > ASYMMETRY * scale {
                let mirror = format!("its mirror in line {}, column {} is {b}", lines[j], i + 1);
                return Err(cell(
                    path,
                    lines[i],
                    j,
                    format!("is {a}, but {mirror}; a covariance is symmetric"),
                ));
            }
            let mean = 0.5 * (a + b);
            (matrix[i * d + j], matrix[j * d + i]) = (mean, mean);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, d: usize) -> std::result::Result<Vec<f64>, String> {
        parse(text.as_bytes(), Path::new("s.csv"), d).map(|m| m.0).map_err(|e| e.to_string())
    }

    #[test]
    fn separators_comments_and_line_ends_do_not_matter() {
        let want = [1.0, 0.5, 0.5, 2.0];
        for text in [
            "1,0.5\n0.5,2\n",
            "1;0.5\n0.5;2",
            "1.0e+00 5.0e-01\n5.0e-01 2.0e+00\n",
            "  1\t0.5\r\n 0.5\t2\r\n",
            "# a comment\n\n1, 0.5 # more\n\n0.5, 2\n\n",
            "1,0.5,\n0.5,2,\n",
            "\"1\",\"0.5\"\r\"0.5\",\"2\"\r",
            "\u{feff}1,0.5\n0.5,2",
        ] {
            assert_eq!(of(text, 2).unwrap(), want, "{text:?}");
        }
        let mean = of("1,0.3333333\n0.33333334,1", 2).unwrap();
        assert_eq!((mean[1], mean[1]), (mean[2], 0.5 * (0.3333333 + 0.33333334)));
        of("1,1e-12\n0,1", 2).unwrap();
    }

    #[test]
    fn mistakes_are_named_by_line_and_column() {
        for (text, d, parts) in [
            ("\n\n1,0.5\n0.5,x\n", 2, ["s.csv, line 4, column `2`", "`x` is no number"]),
            ("# c\n1,0.5\n\n0.5,\n", 2, ["line 4 has 1 numbers", "2 rows of 2"]),
            ("1,inf\n0,1", 2, ["line 1, column `2`", "not finite"]),
            ("1;0,5\n0,5;1", 2, ["line 1, column `2`", "decimal comma"]),
            ("1,,\n0,1,\n", 2, ["line 1, column `2`", "missing"]),
            ("1,0.5\n0.4,1", 2, ["line 2, column `1`", "is 0.4, but its mirror in line 1, column 2 is 0.5"]),
            ("a,b\n1,0\n0,1", 2, ["line 1 holds names (`a`)", "no header"]),
            ("1,0\n0,1", 3, ["line 1 has 2 numbers", "set task.dim = 2"]),
            ("1,0\n0,1\n0,0", 2, ["has 3 rows of 2", "`task.dim` = 2 needs 2 rows of 2"]),
            ("", 2, ["is empty", "2 rows of 2"]),
            ("[[1, 0], [0, 1]]", 2, ["list in brackets", "a row a line"]),
            ("\u{fffd}\u{93}", 2, ["line 1 has 1 numbers", ""]),
        ] {
            let message = of(text, d).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{text:?}: {message}");
        }
        let npy = parse(b"\x93NUMPY\x01\0v\0", Path::new("s.npy"), 2).unwrap_err().to_string();
        assert!(npy.contains(".npy") && npy.contains("savetxt"), "{npy}");
        let latin = parse(b"1,0\n0,1 # \xe9", Path::new("s.csv"), 2).unwrap_err().to_string();
        assert!(latin.contains("line 2 is not UTF-8"), "{latin}");
    }

    #[test]
    fn matrices_without_inverse_are_taken_and_others_named() {
        let diagonal = |values: &[f64]| open(&Covariance::Diagonal(values.to_vec()), values.len());
        let Opened { matrix, factor, .. } = diagonal(&[4.0, 0.0]).unwrap();
        assert_eq!((matrix, factor.unwrap()), (vec![4.0, 0.0, 0.0, 0.0], vec![2.0, 0.0, 0.0, 0.0]));
        assert!(diagonal(&[0.0, 0.0]).unwrap_err().to_string().contains("all zero"));
        let large = diagonal(&[1.0, 1e38]).unwrap_err().to_string();
        assert!(large.contains("entry 2: 1e38 is too large for single precision"), "{large}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.csv");
        let file = |text: &str| {
            std::fs::write(&path, text).unwrap();
            open(&Covariance::File(path.clone()), 2)
        };
        assert_eq!(file("1,1\n1,1").unwrap().factor.unwrap(), [1.0, 0.0, 1.0, 0.0]);
        let negative = file("1,2\n2,1").unwrap_err().to_string();
        assert!(negative.contains("negative eigenvalue -1.000e0"), "{negative}");
        let negative = file("1,0\n0,-0.5").unwrap_err().to_string();
        assert!(
            negative.contains("negative eigenvalue -5.000e-1, the variance in row 2 is -0.5"),
            "{negative}"
        );
        let large = file("\n1e38,0\n0,1e38").unwrap_err().to_string();
        assert!(large.contains("line 2, column `1`: 1e38 is too large for single precision"), "{large}");
    }
}
