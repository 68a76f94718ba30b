//! A file is there whole or not at all.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The ending of temporary files. With the name of the file that is to be and eight letters and digits it tells floe's
/// own from everybody else's: `.eval.csv.k3J9xQ2b.floe-tmp`.
const TEMPORARY: &str = ".floe-tmp";
const RANDOM: usize = 8;

/// Most bytes of a name that a temporary file repeats, so that its own name fits wherever the name does.
const REPEATED: usize = 160;

/// Writes `bytes` to `path`: a temporary file beside it, synced, renamed over it, the directory synced.
///
/// A reader sees the old file or the new one, also after a crash. A process killed on the way leaves a
/// `.<name>.<random>.floe-tmp` file behind, never a torn `path`. What is no file of its own (`/dev/null`, a pipe) is
/// written to and not replaced.
///
/// # Errors
/// [`Error::File`] when the directory is missing or cannot be written to, or the disk is full; `path` is then what it was.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_special(path) {
        let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes));
        return written.map_err(|e| unwritable(path, directory_of(path), &e));
    }
    Staged::write(path, bytes)?.appear()?;
    sync(path)
}

/// A file that is written whole and does not appear yet; dropped, it leaves nothing.
pub struct Staged {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Writes and syncs a temporary file beside `path`.
    ///
    /// # Errors
    /// Those of [`atomic_write`].
    pub fn write(path: &Path, bytes: &[u8]) -> Result<Staged> {
        Staged::fill(path, |file| file.write_all(bytes))
    }

    /// [`Staged::write`] of what `fill` writes.
    ///
    /// # Errors
    /// Those of [`atomic_write`] and of `fill`.
    pub fn fill(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<Staged> {
        let directory = directory_of(path);
        let Some(name) = path.file_name() else {
            return Err(Error::file(path, "cannot be written: it names no file; give a file name"));
        };
        if path.is_dir() {
            return Err(unwritable(path, directory, &ErrorKind::IsADirectory.into()));
        }
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{}.", start(&name.to_string_lossy()));
        builder.prefix(&prefix).suffix(TEMPORARY).rand_bytes(RANDOM);
        // Temporary files are private by default; the result gets what the umask leaves, like any other file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(directory).map_err(|e| unwritable(path, directory, &e))?;
        let write = |file: &mut tempfile::NamedTempFile| {
            fill(file)?;
            file.as_file().sync_all()
        };
        write(&mut file).map_err(|e| unwritable(path, directory, &e))?;
        Ok(Staged { file, path: path.to_path_buf() })
    }

    /// Renames it over its path.
    ///
    /// # Errors
    /// Those of [`atomic_write`].
    pub fn appear(self) -> Result<()> {
        let Staged { file, path } = self;
        file.persist(&path).map(drop).map_err(|e| unwritable(&path, directory_of(&path), &e.error))
    }
}

/// Makes that a file has appeared durable.
///
/// # Errors
/// [`Error::File`] of its directory.
pub fn sync(path: &Path) -> Result<()> {
    let directory = directory_of(path);
    sync_directory(directory)
        .map_err(|e| Error::file(directory, format!("cannot be synced to disk: {}", plain(&e))))
}

/// Whether something that is neither a file nor a directory is there.
pub fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Removes what processes killed within [`atomic_write`] have left in a directory of the files that `ours` tells by
/// name. Nothing else may be writing those.
///
/// # Errors
/// [`Error::File`] when the directory cannot be read or a file cannot be removed.
pub fn remove_torn(directory: &Path, ours: impl Fn(&str) -> bool) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(|e| Error::file(directory, e))? {
        let entry = entry.map_err(|e| Error::file(directory, e))?;
        let (name, path) = (entry.file_name(), entry.path());
        let ours = name.to_str().and_then(meant).is_some_and(&ours);
        // A link or a directory of such a name is not floe's.
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::remove_file(&path).map_err(|e| Error::file(&path, e))?;
        }
    }
    Ok(())
}

/// The name that a temporary file was to get; none if its own is no temporary file's.
fn meant(name: &str) -> Option<&str> {
    let (meant, random) = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?.rsplit_once('.')?;
    let drawn = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
    (drawn && !meant.is_empty()).then_some(meant)
}

fn start(name: &str) -> &str {
    &name[..name.floor_char_boundary(REPEATED)]
}

/// Sees that [`atomic_write`] to `path` will find its directory, so that a mistake shows before hours of work.
///
/// # Errors
/// Those of [`atomic_write`].
pub fn check_writable(path: &Path) -> Result<()> {
    let directory = directory_of(path);
    if is_special(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(unwritable(path, directory, &ErrorKind::IsADirectory.into()));
    }
    tempfile::tempfile_in(directory).map(drop).map_err(|e| unwritable(path, directory, &e))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the rename itself durable. Some file systems refuse to sync a directory and need no such call.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    match std::fs::File::open(directory)?.sync_all() {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn unwritable(path: &Path, directory: &Path, error: &std::io::Error) -> Error {
    let directory = directory.display();
    let message = match error.kind() {
        ErrorKind::NotFound => format!("cannot be written: there is no directory {directory}; create it"),
        ErrorKind::NotADirectory => format!("cannot be written: {directory} is not a directory"),
        ErrorKind::IsADirectory => "cannot be written: it is a directory; name a file in it".to_string(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!(
                "cannot be written: no permission to write in {directory}; choose another directory or change its mode"
            )
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("cannot be written: no space left in {directory}; free some and try again")
        }
        _ => format!("cannot be written: {}", plain(error)),
    };
    Error::file(path, message)
}

/// The operating system's words without the paths that `tempfile` adds.
fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_are_told_by_their_whole_name() {
        let dir = tempfile::tempdir().unwrap();
        let staged = Staged::write(&dir.path().join("a.b.csv"), b"x").unwrap();
        let name = staged.file.path().file_name().unwrap().to_str().unwrap().to_string();
        assert_eq!(meant(&name), Some("a.b.csv"), "{name}");
        assert_eq!(meant(".run.json.aB3dE6gH.floe-tmp"), Some("run.json"));
        for other in [
            ".notes.tmp",
            ".run.json.abcdef.tmp",
            "run.json.aB3dE6gH.floe-tmp",
            ".run.json.aB3dE6g.floe-tmp",
            ".run.json.aB3dE6gHi.floe-tmp",
            ".run.json.aB3-E6gH.floe-tmp",
            ".run.json.aB3dE6gH.floe-tmp.bak",
            ".run.json.floe-tmp",
            ".aB3dE6gH.floe-tmp",
            "..aB3dE6gH.floe-tmp",
            ".floe-tmp",
        ] {
            assert_eq!(meant(other), None, "{other}");
        }
        drop(staged);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "what does not appear is gone");
    }

    #[test]
    fn a_name_as_long_as_a_name_can_be_is_written() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["n".repeat(255), "ü".repeat(127)] {
            let path = dir.path().join(&name);
            atomic_write(&path, b"x").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"x");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let null = Path::new("/dev/null");
        check_writable(null).unwrap();
        atomic_write(null, b"x").unwrap();
        assert!(std::fs::metadata(null).unwrap().file_type().is_char_device());
    }
}
