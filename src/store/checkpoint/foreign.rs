//! What a file is instead of safetensors.

const SAVE: &str =
    "save its weights with `safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")`";

/// What a file that begins like this is, and the mend, if it is known and no safetensors.
pub(super) fn recognise(start: &[u8]) -> Option<String> {
    // A header's length, then its first brace: safetensors, whatever the length's first bytes look like.
    if start.get(4..9) == Some(b"\0\0\0\0{") {
        return None;
    }
    let begins = |magic: &[u8]| start.starts_with(magic);
    let text = String::from_utf8_lossy(start);
    let what = if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
        return Some(zip(start));
    } else if begins(b"\x80\x02") || begins(b"\x80\x03") || begins(b"\x80\x04") || begins(b"\x80\x05") {
        // The second byte is the protocol.
        format!("is a Python pickle, as old `torch.save` writes it, not safetensors; load it and {SAVE}")
    } else if begins(b"GGUF") {
        "is a GGUF file, not safetensors; convert it, or take the safetensors that it was made from".into()
    } else if begins(b"\x93NUMPY") {
        "is a NumPy array (.npy), not safetensors; save it with `safetensors.numpy.save_file({name: array}, …)`"
            .into()
    } else if begins(b"\x89HDF\r\n\x1a\n") {
        "is an HDF5 file, not safetensors; load it and save it with `safetensors.numpy.save_file`".into()
    } else if begins(&[0x1f, 0x8b]) {
        "is compressed with gzip; unpack it first".into()
    } else if begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "is compressed with zstd; unpack it first".into()
    } else if begins(b"version https://git-lfs") {
        "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`".into()
    } else if text.trim_start().to_ascii_lowercase().starts_with("<!doctype")
        || text.trim_start().to_ascii_lowercase().starts_with("<html")
    {
        "is a web page, not safetensors; the download went wrong, fetch the file itself".into()
    } else if begins(b"{") {
        "is JSON, not safetensors; give the .safetensors file itself, not its index".into()
    } else {
        return None;
    };
    Some(what)
}

/// A zip archive, by its first member.
fn zip(start: &[u8]) -> String {
    let length = start.get(26..28).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let name = start.get(30..).map(|rest| &rest[..length.min(rest.len())]).unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    if name.ends_with(".npy") {
        let mend = "save it with `safetensors.numpy.save_file(dict(numpy.load(…)), …)`";
        format!("is a NumPy archive (.npz), not safetensors; {mend}")
    } else if name.starts_with("[Content_Types]") || name.starts_with("xl/") {
        "is an Excel file or another office document, not safetensors".into()
    } else {
        format!("is a zip archive, as `torch.save` of PyTorch writes it, not safetensors; load it and {SAVE}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_shows_by_its_first_bytes() {
        let zip = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.resize(26, 0);
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name.as_bytes());
            bytes
        };
        for (start, word) in [
            (zip("archive/data.pkl"), "PyTorch"),
            (zip("weights.npy"), ".npz"),
            (zip("[Content_Types].xml"), "Excel"),
            (b"PK\x03\x04".to_vec(), "PyTorch"),
            (b"\x80\x02}q\x00(X\x05\x00".to_vec(), "pickle"),
            (b"GGUF\x03\x00\x00\x00".to_vec(), "GGUF"),
            (b"\x93NUMPY\x01\x00".to_vec(), "NumPy"),
            (b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5"),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "git lfs pull"),
            (b"  <!DOCTYPE html><html>".to_vec(), "web page"),
            (b"{\"metadata\": {\"total_size\": 1}}".to_vec(), "index"),
            (b"\x1f\x8b\x08\x00".to_vec(), "gzip"),
        ] {
            let said = recognise(&start).unwrap_or_else(|| panic!("{word} is not known"));
            assert!(said.contains(word), "{said}");
        }
        // Lengths of headers that begin with the same bytes: 640, 123.
        for length in [0x280u64, 0x7b, 0x8b1f, 512] {
            let start = [&length.to_le_bytes()[..], b"{\"a\":"].concat();
            assert_eq!(recognise(&start), None, "{length}");
        }
    }
}
