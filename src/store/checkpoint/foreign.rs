//! Weights as other programs save them: what a file is instead of safetensors, and names and shapes made to fit.

use super::{Checkpoint, MOMENTS};
use crate::error::{Error, Result, shown};
use std::path::Path;

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

impl Checkpoint {
    /// Makes what a program saved the tensors of the `expected` names and shapes: takes off a prefix that all names
    /// share, such as `model.` or `_orig_mod.`, and gives a matrix the axis of its one head. An optimizer's moments
    /// are left out. `path` is the file they came from.
    ///
    /// # Errors
    /// As [`Checkpoint::expect_shapes`].
    pub fn fit(&mut self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<()> {
        self.tensors.remove(MOMENTS);
        if let Some(prefix) = self.prefix(path, expected)? {
            log::info!("{}: the prefix `{}` is taken off the names", path.display(), shown(&prefix));
            let tensors = std::mem::take(&mut self.tensors);
            let bare = |name: String| name.strip_prefix(&prefix).map(String::from).unwrap_or(name);
            self.tensors = tensors.into_iter().map(|(name, tensor)| (bare(name), tensor)).collect();
        }
        for (name, shape) in expected {
            if let Some(tensor) = self.tensors.get_mut(name)
                && shape.first() == Some(&1)
                && tensor.shape[..] == shape[1..]
            {
                tensor.shape.clone_from(shape);
            }
        }
        self.expect_shapes(path, expected)
    }

    /// What stands before every expected name, if something does.
    fn prefix(&self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<Option<String>> {
        let Some((first, _)) = expected.first() else { return Ok(None) };
        if expected.iter().all(|(name, _)| self.tensors.contains_key(name)) {
            return Ok(None);
        }
        let fits = |prefix: &&str| {
            expected.iter().all(|(name, _)| self.tensors.contains_key(&format!("{prefix}{name}")))
        };
        let before = self.tensors.keys().filter_map(|name| name.strip_suffix(first.as_str()));
        let found: Vec<&str> = before.filter(fits).collect();
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.to_string())),
            [a, b, ..] => {
                let message = format!(
                    "holds the weights more than once, under `{}` and `{}`; save one of them",
                    shown(a),
                    shown(b)
                );
                Err(Error::file(path, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tensor;
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

    #[test]
    fn a_prefix_of_all_names_is_taken_off_and_no_other() {
        let expected = [("layers.0.attn.v".to_string(), vec![1, 2, 2])];
        let holding = |names: &[(&str, &[usize])]| Checkpoint {
            tensors: names
                .iter()
                .map(|(name, shape)| (name.to_string(), Tensor { shape: shape.to_vec(), data: vec![0.5; 4] }))
                .collect(),
            ..Checkpoint::default()
        };
        let path = Path::new("w.safetensors");
        for prefix in ["", "model.", "module._orig_mod.", "x/y."] {
            for shape in [&[1, 2, 2][..], &[2, 2]] {
                let mut found = holding(&[(&format!("{prefix}layers.0.attn.v"), shape)]);
                found.fit(path, &expected).unwrap_or_else(|e| panic!("{prefix}: {e}"));
                assert_eq!(found.tensors["layers.0.attn.v"].shape, [1, 2, 2]);
            }
        }
        let refused =
            |names: &[(&str, &[usize])]| holding(names).fit(path, &expected).unwrap_err().to_string();
        let more = refused(&[("m.layers.0.attn.v", &[1, 2, 2]), ("m.layers.1.attn.v", &[1, 2, 2])]);
        assert!(more.contains("`layers.1.attn.v` unexpected"), "{more}");
        let twice = refused(&[("a.layers.0.attn.v", &[1, 2, 2]), ("b.layers.0.attn.v", &[1, 2, 2])]);
        assert!(twice.contains("more than once, under `a.` and `b.`"), "{twice}");
        let shape = refused(&[("layers.0.attn.v", &[4])]);
        assert!(shape.contains("[4] instead of [1, 2, 2]"), "{shape}");
    }
}
