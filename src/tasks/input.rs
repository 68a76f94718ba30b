//! Data files as people have them: found, unpacked and known to be text, before anything reads numbers in them.

mod foreign;

use crate::config::missing_file;
use crate::error::{Error, Result};
use flate2::bufread::GzDecoder;
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes of a data file, packed or not: 4 GiB.
const MOST: u64 = 1 << 32;
/// A gzip file unpacks to at most so many times its size, and to [`FREE`] in any case. Numbers pack three- to twentyfold.
const RATIO: u64 = 100;
const FREE: u64 = 64 << 20;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes of the file that the setting `key` names.
pub(super) fn read(path: &Path, key: &str) -> Result<Vec<u8>> {
    let cannot = |e: std::io::Error| {
        let why = missing_file(path, &e).map(|why| format!("; {why}")).unwrap_or_default();
        Error::file(path, format!("cannot be read ({e}){why}; `{key}` must name a CSV file"))
    };
    let about = std::fs::metadata(path).map_err(cannot)?;
    if about.is_dir() {
        return Err(Error::file(path, format!("is a directory; `{key}` must name a CSV file")));
    }
    let mut bytes = Vec::new();
    if about.len() <= MOST {
        File::open(path).map_err(cannot)?.take(MOST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if about.len().max(bytes.len() as u64) > MOST {
        return Err(Error::file(
            path,
            format!("is larger than {}, the most that floe reads; keep fewer rows", size(MOST)),
        ));
    }
    Ok(bytes)
}

/// The text in a file's bytes: what gzip packed, without a byte order mark. Bytes that are no text are named.
pub(super) fn text<'b>(bytes: &'b [u8], path: &Path) -> Result<Cow<'b, [u8]>> {
    let mut text =
        if bytes.starts_with(&GZIP) { Cow::Owned(unpack(bytes, path)?) } else { Cow::Borrowed(bytes) };
    if text.starts_with(&GZIP) {
        return Err(Error::file(path, "is gzip within gzip; unpack it once (gunzip)"));
    }
    if let Some(what) = foreign::name(&text) {
        let packed = if bytes.starts_with(&GZIP) { "unpacks to what " } else { "" };
        return Err(Error::file(path, format!("{packed}{what}")));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        match &mut text {
            Cow::Borrowed(bytes) => *bytes = &bytes[3..],
            Cow::Owned(bytes) => drop(bytes.drain(..3)),
        }
    }
    Ok(text)
}

/// Every member of a gzip file, one behind the other, as `cat a.gz b.gz` and bgzip make them. Zeros behind the last
/// are padding.
fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    let most = (bytes.len() as u64).saturating_mul(RATIO).clamp(FREE, MOST);
    let mut plain = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(&GZIP) {
        let left = most + 1 - plain.len() as u64;
        GzDecoder::new(&mut rest)
            .take(left)
            .read_to_end(&mut plain)
            .map_err(|e| Error::file(path, format!("is a damaged gzip file ({e}); fetch or make it anew")))?;
        if plain.len() as u64 > most {
            let bound =
                format!("the larger of {RATIO} times its size and {}, at most {}", size(FREE), size(MOST));
            let mend = "if it is what you want to read, unpack it yourself (gunzip)";
            return Err(Error::file(path, format!("unpacks to more than {} ({bound}); {mend}", size(most))));
        }
    }
    if rest.iter().any(|byte| *byte != 0) {
        let at = bytes.len() - rest.len();
        let what = format!("is a gzip file with something else behind byte {at}, where its data ends");
        return Err(Error::file(path, format!("{what}; fetch or make it anew")));
    }
    Ok(plain)
}

/// A number of bytes for a reader.
fn size(bytes: u64) -> String {
    let gib = (1 << 30) as f64;
    let (value, unit) = if bytes as f64 >= gib {
        (bytes as f64 / gib, "GiB")
    } else {
        (bytes as f64 / (1 << 20) as f64, "MiB")
    };
    let shown = format!("{value:.1}");
    format!("{} {unit}", shown.strip_suffix(".0").unwrap_or(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn of(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
        text(bytes, Path::new("x")).map(Cow::into_owned).map_err(|e| e.to_string())
    }

    #[test]
    fn all_members_are_read_and_padding_is_none() {
        let two = [pack(b"a,b\n"), pack(b""), pack(b"1,2\n")].concat();
        assert_eq!(of(&two).unwrap(), b"a,b\n1,2\n");
        assert_eq!(of(&[two.clone(), vec![0; 512]].concat()).unwrap(), b"a,b\n1,2\n");
        let odd = of(&[two.clone(), b"more".to_vec()].concat()).unwrap_err();
        assert!(odd.contains(&format!("behind byte {}", two.len())), "{odd}");
        for cut in 2..two.len() {
            // A cut between members can't be seen.
            if let Ok(part) = of(&two[..cut]) {
                assert!(part == b"a,b\n" || cut < 3, "{cut}: {part:?}");
            }
        }
        assert_eq!(of(&pack(b"\xef\xbb\xbfa,b\n")).unwrap(), b"a,b\n");
        assert!(of(&pack(&two)).unwrap_err().contains("gzip within gzip"));
    }

    #[test]
    fn a_bomb_is_refused_at_its_bound() {
        let bomb = pack(&vec![b'1'; (FREE + 1) as usize]);
        assert!(bomb.len() < 1 << 20);
        let refused = of(&bomb).unwrap_err();
        assert!(
            refused.starts_with("x: unpacks to more than 64 MiB (the larger of 100 times its size"),
            "{refused}"
        );
        // Of many members too.
        let part = pack(&vec![b'1'; (FREE / 4) as usize]);
        assert_eq!(of(&part.repeat(4)).unwrap().len() as u64, FREE);
        assert!(of(&part.repeat(5)).unwrap_err().contains("more than 64 MiB"));
        assert_eq!((size(MOST).as_str(), size(3 << 29).as_str()), ("4 GiB", "1.5 GiB"));
    }
}
