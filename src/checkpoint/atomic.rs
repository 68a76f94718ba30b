//! A file is there whole or not at all.

use crate::error::{Error, Result};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes `bytes` to `path`: a temporary file beside it, synced, renamed over it, the directory synced.
///
/// A reader sees the old file or the new one, also after a crash. A process killed on the way leaves a
/// `.<name>.*.tmp` file behind, never a torn `path`.
///
/// # Errors
/// [`Error::File`] when the directory is missing or cannot be written to, or the disk is full; `path` is then what it was.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = directory_of(path);
    let Some(name) = path.file_name() else {
        return Err(Error::file(path, "cannot be written: it names no file; give a file name"));
    };
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{}.", name.to_string_lossy());
    builder.prefix(&prefix).suffix(".tmp");
    // Temporary files are private by default; the result gets what the umask leaves, like any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory).map_err(|e| unwritable(path, directory, &e))?;
    let write = |file: &mut tempfile::NamedTempFile| {
        file.write_all(bytes)?;
        file.as_file().sync_all()
    };
    write(&mut file).map_err(|e| unwritable(path, directory, &e))?;
    file.persist(path).map_err(|e| unwritable(path, directory, &e.error))?;
    sync_directory(directory)
        .map_err(|e| Error::file(directory, format!("cannot be synced to disk: {}", plain(&e))))
}

/// Removes what processes killed within [`atomic_write`] have left in a directory. Nothing else may be writing there.
///
/// # Errors
/// [`Error::File`] when the directory cannot be read or a file cannot be removed.
pub fn remove_torn(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(|e| Error::file(directory, e))? {
        let path = entry.map_err(|e| Error::file(directory, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            std::fs::remove_file(&path).map_err(|e| Error::file(&path, e))?;
        }
    }
    Ok(())
}

/// Sees that [`atomic_write`] to `path` will find its directory, so that a mistake shows before hours of work.
///
/// # Errors
/// Those of [`atomic_write`].
pub fn check_writable(path: &Path) -> Result<()> {
    let directory = directory_of(path);
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
