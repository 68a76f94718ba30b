//! What people save, fetch or pick by mistake in place of a text of numbers, told by how it begins.

/// How a file of another format begins, what it is, and the mend.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"PK\x05\x06", "is an empty zip file", "give the CSV file itself"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "is an old Excel (.xls) or other Office file",
        "save its sheet as CSV",
    ),
    (
        b"PAR1",
        "is a Parquet file",
        "write it as CSV, in Python: pandas.read_parquet(…).to_csv(…, index=False)",
    ),
    (
        b"ARROW1",
        "is an Arrow or Feather file",
        "write it as CSV, in Python: pandas.read_feather(…).to_csv(…, index=False)",
    ),
    (
        b"FEA1",
        "is a Feather file",
        "write it as CSV, in Python: pandas.read_feather(…).to_csv(…, index=False)",
    ),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd", "unpack it (zstd -d), or pack it with gzip"),
    (b"BZh", "is packed with bzip2", "unpack it (bunzip2), or pack it with gzip"),
    (b"\xfd7zXZ\0", "is packed with xz", "unpack it (unxz), or pack it with gzip"),
    (b"\x04\x22\x4d\x18", "is packed with lz4", "unpack it (lz4 -d), or pack it with gzip"),
    (b"\x1f\x9d", "is packed with compress", "unpack it (uncompress), or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "unpack it and give the CSV file in it"),
    (b"Rar!\x1a\x07", "is a RAR archive", "unpack it and give the CSV file in it"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file", "write the table in it as CSV"),
    (b"CDF\x01", "is a NetCDF file", "write the table in it as CSV"),
    (b"CDF\x02", "is a NetCDF file", "write the table in it as CSV"),
    (
        b"SQLite format 3\0",
        "is an SQLite database",
        "write a table of it as CSV: sqlite3 -header -csv FILE \"select …\"",
    ),
    (
        b"\x93NUMPY",
        "is a NumPy array (.npy)",
        "write it as CSV: numpy.savetxt(\"x.csv\", numpy.load(…), delimiter=\",\")",
    ),
    (b"MATLAB 5.0 MAT-file", "is a MATLAB file", "write the matrix as CSV: writematrix(x, \"x.csv\")"),
    (b"RDX2\n", "is an R data file", "write it as CSV: write.csv(x, \"x.csv\", row.names = FALSE)"),
    (b"RDX3\n", "is an R data file", "write it as CSV: write.csv(x, \"x.csv\", row.names = FALSE)"),
    (b"X\n\0\0\0", "is an R object (.rds)", "write it as CSV: write.csv(x, \"x.csv\", row.names = FALSE)"),
    (b"<stata_dta>", "is a Stata file", "write it as CSV (export delimited)"),
    (b"$FL2", "is an SPSS file", "save it as CSV"),
    (b"Obj\x01", "is an Avro file", "write it as CSV"),
    (b"ORC", "is an ORC file", "write it as CSV"),
    (b"%PDF", "is a PDF", "give a CSV file"),
    (b"\x89PNG", "is a picture", "give a CSV file"),
    (b"{\\rtf", "is a rich text document", "save it as plain text"),
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the data",
        "fetch it: git lfs pull",
    ),
    (b"\x7fELF", "is a program", "give a CSV file"),
];

/// What the bytes are if they are no plain text of numbers, and the mend: "is a Parquet file; …".
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    let told = |what: &str, mend: &str| Some(format!("{what}; {mend}"));
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(zip(bytes));
    }
    // `ORC` and the like may also begin a column's name; a binary file has control characters near.
    let binary = bytes.iter().take(512).any(|b| *b < 9 || (14..32).contains(b) || *b == 127);
    let by_magic = MAGIC
        .iter()
        .find(|(magic, ..)| bytes.starts_with(magic) && (binary || magic.len() > 4 || magic[0] == b'%'));
    if let Some((_, what, mend)) = by_magic {
        return told(what, mend);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return told("is a tar archive", "unpack it and give the CSV file in it");
    }
    if let Some(encoding) = wide(bytes) {
        let mend = format!("save it as UTF-8 (\"CSV UTF-8\" in Excel), or: iconv -f {encoding} -t UTF-8");
        return told(&format!("is {encoding} text, not UTF-8"), &mend);
    }
    if bytes.first().is_some_and(|b| *b == 0x80) && bytes.get(1).is_some_and(|b| *b <= 5) {
        return told(
            "is a Python pickle",
            "write it as CSV, in Python: pandas.read_pickle(…).to_csv(…, index=False)",
        );
    }
    if bytes.iter().take(4096).any(|b| *b == 0) {
        return told("is a binary file, no text", "give a CSV file, which may be packed with gzip");
    }
    markup(bytes)
}

/// What kind of zip it is, by the names in it.
fn zip(bytes: &[u8]) -> String {
    let has = |name: &[u8]| bytes.windows(name.len()).any(|w| w == name);
    let excel = has(b"xl/") || has(b"[Content_Types].xml");
    let (what, mend) = if excel {
        ("is an Excel file (.xlsx)", "save its sheet as CSV")
    } else if has(b"opendocument.spreadsheet") {
        ("is a spreadsheet of LibreOffice (.ods)", "save its sheet as CSV")
    } else if has(b".npy") {
        ("is a NumPy archive (.npz)", "write the array as CSV: numpy.savetxt(\"x.csv\", x, delimiter=\",\")")
    } else {
        ("is a zip file (or an Excel file)", "unpack it and give the CSV file in it, or pack that with gzip")
    };
    format!("{what}; {mend}")
}

/// The name of the encoding of text whose characters take two or four bytes.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        _ => {}
    }
    // Without a mark: every other byte is 0, as far as the text is Latin.
    let head = &bytes[..bytes.len().min(256) & !1];
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let most = |n: usize| n > 1 && 4 * n >= 3 * (head.len() / 2);
    match (most(zeros(1)), most(zeros(0))) {
        (true, false) => Some("UTF-16LE"),
        (false, true) => Some("UTF-16BE"),
        _ => None,
    }
}

/// JSON, web pages and the like.
fn markup(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let head = bytes[..bytes.len().min(64)].to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|w| head.starts_with(w.as_bytes()));
    let next = bytes.get(1..).unwrap_or_default().trim_ascii_start().first();
    if begins(&["<!doctype html", "<html", "<head", "<body", "<!--", "<script"]) {
        return Some(
            "is a web page, not a table; fetch the raw file (its \"download\" or \"raw\" link)".into(),
        );
    }
    if begins(&["<?xml", "<"]) {
        return Some("is XML; write the table in it as CSV".into());
    }
    if begins(&["@relation", "% "]) && bytes.windows(9).any(|w| w.eq_ignore_ascii_case(b"@relation")) {
        return Some("is an ARFF file; write it as CSV".into());
    }
    match (bytes.first(), next) {
        (Some(b'{'), Some(b'"' | b'}' | b'\'')) => Some("is JSON; write the table in it as CSV".into()),
        (Some(b'['), Some(b'{' | b'[' | b'"' | b'-' | b'+' | b'.' | b'0'..=b'9')) => {
            Some("is a list in brackets (JSON or Python), not CSV; write a row a line, numbers with commas between".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn files_of_other_kinds_are_named_with_a_mend() {
        let xlsx = b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml and xl/workbook.xml";
        let tar = [&[b'a'; 257][..], b"ustar\x0000"].concat();
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let marked = [&[0xff, 0xfe][..], &wide("task,a,y\n")].concat();
        let big: Vec<u8> = "task,a,y\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, what, mend) in [
            (&xlsx[..], "Excel", "save its sheet as CSV"),
            (b"PK\x03\x04\x14\0\0\0\x08\0base.csv", "zip", "unpack"),
            (
                b"PK\x03\x04\x14\0\0\0\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                ".ods",
                "CSV",
            ),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", ".xls", "CSV"),
            (b"PAR1\x15\x04\x15\0", "Parquet", "to_csv"),
            (b"ARROW1\0\0", "Arrow", "to_csv"),
            (b"\x28\xb5\x2f\xfd\x04\0", "zstd", "zstd -d"),
            (b"BZh91AY&SY\0", "bzip2", "bunzip2"),
            (b"\xfd7zXZ\0\0", "xz", "unxz"),
            (b"\x89HDF\r\n\x1a\n", "HDF5", "CSV"),
            (b"SQLite format 3\0", "SQLite", "sqlite3"),
            (b"\x93NUMPY\x01\0", ".npy", "savetxt"),
            (b"\x80\x04\x95\0", "pickle", "to_csv"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "LFS", "git lfs pull"),
            (b"\n<!DOCTYPE html>\n<html>", "web page", "raw"),
            (b"<?xml version=\"1.0\"?>", "XML", "CSV"),
            (b"[{\"task\": \"a\"}]", "JSON", "a row a line"),
            (b"{\n  \"task\": 1}", "JSON", "CSV"),
            (b"[[1, 0],\n [0, 1]]", "Python", "a row a line"),
            (&tar, "tar", "unpack"),
            (&marked, "UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
            (&wide("task,a,y\n"), "UTF-16LE text", "iconv"),
            (&big, "UTF-16BE text", "iconv"),
            (b"task,a\0,y\n", "binary", "gzip"),
        ] {
            let told = name(bytes).unwrap_or_else(|| panic!("{} is taken", bytes.escape_ascii()));
            assert!(told.contains(what) && told.contains(mend), "{}: {told}", bytes.escape_ascii());
        }
    }

    #[test]
    fn text_is_text_whatever_its_first_column_is_called() {
        for text in [
            "task,a,y\n",
            "ORC,a\n",
            "PAR1,a\n",
            "BZh,x\n",
            "FEA1;b",
            "",
            "1,2\n",
            "\u{feff}task\n",
            "[task],a\n",
            "é,a\n",
        ] {
            assert_eq!(name(text.as_bytes()), None, "{text:?}");
        }
    }
}
