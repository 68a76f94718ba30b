//! What is logged, as event files that TensorBoard reads.

use super::metrics::{LINE, Line};
use crate::bounded::Lines;
use crate::error::{Error, Result};
use crate::tfevents;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A directory of event files, a run of TensorBoard's for each method.
#[derive(Debug)]
pub struct Events {
    dir: PathBuf,
    files: BTreeMap<String, File>,
}

impl Events {
    /// Writes the events of a log anew, and takes more of them.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn open(dir: &Path, log: &Path) -> Result<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(|e| Error::file(dir, e))?;
        }
        let mut events = Events { dir: dir.to_path_buf(), files: BTreeMap::new() };
        if let Ok(mut lines) = Lines::open(log, LINE) {
            while let Some(text) = lines.next_line().map_err(|e| Error::file(log, e))? {
                if let Ok(line) = serde_json::from_str::<Line>(text) {
                    events.append(&[line])?;
                }
            }
        }
        Ok(events)
    }

    /// Adds what lines say.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn append(&mut self, lines: &[Line]) -> Result<()> {
        for line in lines {
            let judged = line.phase == "validate";
            let name =
                |name: &str| if judged { format!("validation/{name}") } else { format!("training/{name}") };
            let mut values = vec![(name("loss"), line.loss)];
            values.extend(line.parts.0.iter().filter_map(|(part, value)| Some((name(part), (*value)?))));
            if !judged {
                values.extend([(name("grad_norm"), line.grad_norm), (name("lr"), line.lr as f32)]);
            }
            let record = tfevents::scalars(line.step, &values);
            let path = self.dir.join(&line.method).join("events.out.tfevents.0.floe");
            let fail = |e| Error::file(&path, format!("can't write events: {e}"));
            let file = match self.files.entry(line.method.clone()) {
                std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    std::fs::create_dir_all(path.parent().expect("in a directory")).map_err(fail)?;
                    let mut file = File::create(&path).map_err(fail)?;
                    file.write_all(&tfevents::version()).map_err(fail)?;
                    free.insert(file)
                }
            };
            file.write_all(&record).map_err(fail)?;
        }
        Ok(())
    }
}
