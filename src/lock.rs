//! One process at a time writes to a place.
//!
//! The operating system holds the lock, on a file that is locked for as long as the process lives: what a killed process
//! leaves behind is unlocked and in nobody's way. A second file says who holds it, since a locked file can't be read on
//! every system.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The right to write to a place; given up when dropped.
#[derive(Debug)]
pub struct Lock {
    /// None once given up.
    file: Option<File>,
    path: PathBuf,
}

/// Who holds a lock.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: Option<String>,
    /// What it was started as: `run`, `sweep` …
    command: String,
    /// Seconds since 1970.
    since: u64,
}

impl Lock {
    /// Of a directory that is there.
    ///
    /// # Errors
    /// Another process holds it, named in the message; the lock's file can't be made.
    pub fn directory(root: &Path) -> Result<Lock> {
        Lock::take(root, root.join(".floe-lock"))
    }

    /// Of a file that may not be there yet.
    ///
    /// # Errors
    /// As [`Lock::directory`].
    pub fn file(path: &Path) -> Result<Lock> {
        // Of a long name the start: the lock's has to fit as well.
        let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(50).collect();
        Lock::take(path, path.with_file_name(format!(".{name}.floe-lock")))
    }

    fn take(what: &Path, path: PathBuf) -> Result<Lock> {
        // Whoever gives a lock up removes its file, perhaps between the two calls here: then the next file counts.
        for _ in 0..100 {
            let file = match open(&path) {
                Ok(file) => file,
                // On Windows, while another process removes it.
                Err(e) if cfg!(windows) && matches!(e.raw_os_error(), Some(5 | 32)) => {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
                Err(e) => {
                    return Err(Error::file(
                        what,
                        format!("can't be written to ({e}); choose another place"),
                    ));
                }
            };
            match file.try_lock() {
                Ok(()) if !is_at(&file, &path) => continue,
                Ok(()) => {
                    // To name the holder is a courtesy: the lock holds without.
                    let _ = std::fs::write(note(&path), Holder::this());
                    return Ok(Lock { file: Some(file), path });
                }
                Err(TryLockError::WouldBlock) => return Err(held(what, &path)),
                Err(TryLockError::Error(e)) => {
                    let (what, mend) = (what.display(), "let no second floe write there");
                    log::warn!("{what}: this file system has no locks ({e}); {mend}");
                    let _ = std::fs::remove_file(&path);
                    return Ok(Lock { file: None, path });
                }
            }
        }
        Err(Error::file(what, "can't be locked: others come and go there; try again"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        let _ = std::fs::remove_file(note(&self.path));
        // Elsewhere a file can be removed while it is open, and who waits for it sees that it is gone. Windows refuses
        // as long as anybody has it open, so that it is never removed from under a new holder.
        if cfg!(windows) {
            drop(file);
            let _ = std::fs::remove_file(&self.path);
        } else {
            let _ = std::fs::remove_file(&self.path);
            drop(file);
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // To read and write, not to remove.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 3);
    options.open(path)
}

/// Whether the path still leads to the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn note(lock: &Path) -> PathBuf {
    let name = lock.file_name().unwrap_or_default().to_string_lossy();
    lock.with_file_name(format!("{name}.json"))
}

fn held(what: &Path, lock: &Path) -> Error {
    let noted = || {
        let text = std::fs::read(note(lock)).ok()?;
        serde_json::from_slice::<Holder>(&text).ok().filter(|holder| !holder.is_gone())
    };
    // Who has just come may still have to put its name down over that of one who was killed.
    let holder = noted().or_else(|| {
        std::thread::sleep(Duration::from_millis(100));
        noted()
    });
    let who = holder.map_or("another process is writing there".to_string(), |holder| holder.words());
    Error::file(what, format!("{who}; wait for it or stop it"))
}

impl Holder {
    /// This process, as text.
    fn this() -> String {
        let command = std::env::args().nth(1).unwrap_or_default();
        let holder = Holder { pid: std::process::id(), host: host(), command, since: now() };
        serde_json::to_string(&holder).unwrap_or_default() + "\n"
    }

    /// Whether it is known to run no longer: it was killed, and its note stayed.
    fn is_gone(&self) -> bool {
        let processes = Path::new("/proc");
        let here = self.host == host() && processes.join("self").exists();
        here && !processes.join(self.pid.to_string()).exists()
    }

    fn words(&self) -> String {
        let place = self.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        let Holder { pid, command, .. } = self;
        let past = now().saturating_sub(self.since);
        let time = match past {
            0..120 => format!("{past} s"),
            120..7200 => format!("{} min", past / 60),
            _ => format!("{} h", past / 3600),
        };
        format!("process {pid}{place} (`floe {command}`) has been writing there for {time}")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// What this computer is called, where that costs nothing to find out: a directory may lie on a shared disk.
fn host() -> Option<String> {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let variable = || ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    told.or_else(variable).map(|name| name.trim().to_string()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_holds_it_and_the_next_when_that_one_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::directory(dir.path()).unwrap();
        let message = Lock::directory(dir.path()).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(message.contains(&format!("process {pid}")) && message.contains(" for 0 s; "), "{message}");
        assert!(!message.contains('\n'), "{message}");
        // Another place is free.
        let other = Lock::file(&dir.path().join("m.safetensors")).unwrap();
        assert_eq!(names(dir.path()).len(), 4);
        drop((lock, other));
        assert_eq!(names(dir.path()), [""; 0], "nothing is left");
        drop(Lock::directory(dir.path()).unwrap());
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{\"pid\": 1, \"command\": \"run\", \"since\": 0}", "\u{0}\u{1}"] {
            std::fs::write(dir.path().join(".floe-lock"), text).unwrap();
            std::fs::write(dir.path().join(".floe-lock.json"), text).unwrap();
            drop(Lock::directory(dir.path()).unwrap());
            assert_eq!(names(dir.path()), [""; 0]);
        }
        // A holder whose note can't be read holds it all the same.
        let lock = Lock::directory(dir.path()).unwrap();
        std::fs::write(dir.path().join(".floe-lock.json"), "{").unwrap();
        let message = Lock::directory(dir.path()).unwrap_err().to_string();
        assert!(message.contains("another process is writing there"), "{message}");
        drop(lock);
    }

    #[test]
    fn of_many_at_once_one_has_it_at_a_time() {
        use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
        let dir = tempfile::tempdir().unwrap();
        let (inside, held) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let Ok(_lock) = Lock::directory(dir.path()) else { continue };
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two hold it");
                        held.fetch_add(1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(held.into_inner() > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_was_killed_is_not_named() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::directory(dir.path()).unwrap();
        let path = dir.path().join(".floe-lock");
        assert!(note(&path).exists());
        let refused = || Lock::directory(dir.path()).err().unwrap().to_string();
        assert!(refused().contains(&format!("process {}", std::process::id())));
        // Above what any process of Linux has for a number.
        let gone = Holder { pid: 1 << 30, host: host(), command: "run".into(), since: now() };
        std::fs::write(note(&path), serde_json::to_string(&gone).unwrap()).unwrap();
        assert!(refused().contains("another process is writing there"), "{}", refused());
        let elsewhere = Holder { host: Some("elsewhere".into()), ..gone };
        std::fs::write(note(&path), serde_json::to_string(&elsewhere).unwrap()).unwrap();
        assert!(refused().contains("on elsewhere"), "{}", refused());
    }
}
