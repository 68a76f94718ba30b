//! A report in memory, and how it comes to disk: all of it or nothing.

use super::file_stem;
use crate::error::{Error, Result};
use crate::escape;
use crate::plot::Figure;
use crate::store::atomic::{Staged, remove_torn, sync};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most characters of a figure's name, which may have come from a file.
const LONGEST: usize = 120;

/// A page and its figures, nothing of them written yet.
pub struct Drawn {
    dir: PathBuf,
    /// File names and contents.
    figures: Vec<(String, String)>,
    html: String,
}

impl Drawn {
    pub(super) fn new<'f>(dir: &Path, all: impl Iterator<Item = &'f Figure>, html: &str) -> Drawn {
        // Here all text passes, whatever file a name in it came from.
        let figures = named(all.map(|figure| (figure.stem.as_str(), figure)))
            .map(|(name, figure)| (name, escape::lines(&figure.standalone()).into_owned()))
            .collect();
        Drawn { dir: dir.to_path_buf(), figures, html: escape::lines(html).into_owned() }
    }

    /// Writes `report.html` and `figures/*.svg`. Every file is written whole under another name before the first
    /// appears, and the page, which has the figures in it, appears last: a process killed on the way, or a full disk,
    /// leaves the report that was there before. Nothing else may be writing there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self) -> Result<()> {
        let figures = self.dir.join("figures");
        let there = figures.exists();
        std::fs::create_dir_all(&figures).map_err(|e| Error::file(&figures, e))?;
        remove_torn(&figures, |name| name.ends_with(".svg"))?;
        remove_torn(&self.dir, |name| name == "report.html")?;
        let staged = self.stage(&figures).inspect_err(|_| {
            if !there {
                // Empty, or it stays.
                let _ = std::fs::remove_dir(&figures);
            }
        })?;
        staged.into_iter().try_for_each(Staged::appear)?;
        sync(&figures.join("x"))?;
        sync(&self.dir.join("report.html"))
    }

    fn stage(&self, figures: &Path) -> Result<Vec<Staged>> {
        let pages = self.figures.iter().map(|(name, svg)| (figures.join(name), svg));
        let all = pages.chain([(self.dir.join("report.html"), &self.html)]);
        all.map(|(path, text)| Staged::write(&path, text.as_bytes())).collect()
    }
}

/// File names of figures, distinct on any file system and in the directory whatever a stem holds.
fn named<'f, T>(all: impl Iterator<Item = (&'f str, T)>) -> impl Iterator<Item = (String, T)> {
    let mut taken = BTreeSet::new();
    all.map(move |(stem, figure)| {
        let stem: String = file_stem(stem).chars().take(LONGEST).collect();
        let name = |n: u32| if n == 1 { stem.clone() } else { format!("{stem}-{n}") };
        let free = (1..).map(name).find(|name| taken.insert(name.to_ascii_lowercase())).expect("a free name");
        (format!("{free}.svg"), figure)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_stay_in_the_directory() {
        let stems = ["shots-a/b", "shots-a_b", "loss-A", "loss-a", "shots-../../x", &"x".repeat(500), "é"];
        let names: Vec<String> =
            named(stems.into_iter().map(|stem| (stem, ()))).map(|(name, ())| name).collect();
        let long = format!("{}.svg", "x".repeat(LONGEST));
        let wanted = [
            "shots-a_b.svg",
            "shots-a_b-2.svg",
            "loss-A.svg",
            "loss-a-2.svg",
            "shots-.._.._x.svg",
            &long,
            "_.svg",
        ];
        assert_eq!(names, wanted);
    }
}
