//! What a command reads and what it writes are different files.

use crate::config::{Config, Covariance, Task};
use crate::error::{Error, Result};
use crate::store::rundir::FILES;
use std::path::{Path, PathBuf};

/// Files of a command, each with what the command line calls it.
#[derive(Default)]
pub struct Places {
    reads: Vec<(String, PathBuf)>,
    writes: Vec<(String, PathBuf)>,
}

impl Places {
    /// A file that is read.
    pub fn read(mut self, what: &str, path: &Path) -> Self {
        self.reads.push((what.into(), path.to_path_buf()));
        self
    }

    /// The file that an experiment comes from, if it comes from one.
    pub fn read_source(self, source: &str) -> Self {
        let path = Path::new(source);
        if path.is_file() { self.read("the experiment", path) } else { self }
    }

    /// The files of an experiment's data.
    pub fn read_data(self, config: &Config) -> Self {
        match &config.task {
            Task::Tables(tables) => self.read("`task.path`", &tables.path),
            Task::Regression(task) => match &task.covariance {
                Covariance::File(path) => self.read("`task.covariance`", path),
                Covariance::Identity | Covariance::Diagonal(_) => self,
            },
            Task::Own(_) => self,
        }
    }

    /// A file that is written.
    pub fn write(mut self, what: &str, path: &Path) -> Self {
        self.writes.push((what.into(), path.to_path_buf()));
        self
    }

    /// What a run or sweep into a directory writes at its top.
    pub fn write_run(self, root: &Path) -> Self {
        FILES.iter().fold(self, |all, name| all.write("--out", &root.join(name)))
    }

    /// Holds that no file is written over one that is read, or written twice.
    ///
    /// # Errors
    /// [`Error::Usage`] with both names.
    pub fn check(&self) -> Result<()> {
        for (i, (what, out)) in self.writes.iter().enumerate() {
            if let Some((input, path)) = self.reads.iter().find(|(_, path)| same(path, out)) {
                let (out, path) = (out.display(), path.display());
                return Err(Error::Usage(format!(
                    "{what} would write {out} over what is read: {path} ({input}); write to another file"
                )));
            }
            if let Some((other, _)) = self.writes[..i].iter().find(|(_, path)| same(path, out)) {
                let out = out.display();
                return Err(Error::Usage(format!(
                    "{what} and {other} would both write {out}; name two files"
                )));
            }
        }
        Ok(())
    }
}

/// Whether two paths lead to one file, by whatever links, or would if it were there.
fn same(a: &Path, b: &Path) -> bool {
    if let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) {
        // What is no file keeps nothing that could be lost.
        if !a.is_file() || !b.is_file() {
            return false;
        }
        if hard_linked(&a, &b) {
            return true;
        }
    }
    matches!((place(a), place(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(unix)]
fn hard_linked(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Elsewhere the standard library can't tell; renaming over one of two names keeps the other's contents.
#[cfg(not(unix))]
fn hard_linked(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    false
}

/// The file's own path; of one that is not there yet, its name in its directory's.
fn place(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(parent.canonicalize().ok()?.join(path.file_name()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_by_many_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir(root.join("sub")).unwrap();
        let file = root.join("m.safetensors");
        std::fs::write(&file, "x").unwrap();
        std::fs::write(root.join("other"), "x").unwrap();
        let mut names = vec![file.clone(), root.join("./m.safetensors"), root.join("sub/../m.safetensors")];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, root.join("soft")).unwrap();
            std::os::unix::fs::symlink(root, root.join("sub/up")).unwrap();
            std::fs::hard_link(&file, root.join("hard")).unwrap();
            names.extend([root.join("soft"), root.join("sub/up/m.safetensors"), root.join("hard")]);
        }
        for name in &names {
            assert!(same(name, &file) && same(&file, name), "{}", name.display());
            let places = Places::default().read("--from", &file).write("--out", name);
            let message = places.check().unwrap_err().to_string();
            assert!(message.contains("--out would write") && message.contains("(--from)"), "{message}");
            assert!(!same(name, &root.join("other")) && !same(name, &root.join("new")));
        }
        // Two that are not there yet.
        assert!(same(&root.join("new"), &root.join("sub/../new")));
        assert!(!same(&root.join("new"), &root.join("sub/new")));
        let both = Places::default().write("--json", &root.join("f")).write("--csv", &root.join("./f"));
        assert!(both.check().unwrap_err().to_string().contains("--csv and --json would both write"));
        #[cfg(unix)]
        assert!(!same(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}
