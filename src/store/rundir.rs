//! The run directory: what `floe run` and `floe sweep` write and others read.

use crate::bounded;
use crate::error::{Error, Mend, Result, shown};
use crate::fingerprint::Identity;
use crate::lock::Lock;
use crate::store::atomic::{atomic_write, remove_torn};
use crate::store::methods::Methods;
use crate::store::records::{self, Facts, PhaseInfo, RunInfo, SweepInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod compare;

pub use compare::{same, same_but_steps};

/// Name of the pre-trained model in every file of a run, from which every method starts.
pub const PRETRAINED: &str = "pretrained";

const CONFIG: &str = "config.toml";
const SWEEP: &str = "sweep.toml";
const RUN_INFO: &str = "run.json";
const SWEEP_INFO: &str = "sweep.json";
const METHODS: &str = "methods.json";

/// What is done with a directory that may hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must hold none of floe's files.
    New,
    /// What it holds is gone on with, if it is of the same experiment.
    Resume,
    /// The same, but phases may have become longer.
    Extend,
}

/// A run's files, or a sweep's.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
    /// No other process writes here as long as one of these lives; none where nothing is written.
    _lock: Option<Arc<Lock>>,
}

/// What a run, a sweep or a report writes at a directory's top.
pub const FILES: [&str; 13] = [
    METHODS,
    "methods.csv",
    CONFIG,
    SWEEP,
    RUN_INFO,
    SWEEP_INFO,
    "metrics.jsonl",
    "eval.csv",
    "baselines.csv",
    "results.csv",
    "summary.csv",
    "report.html",
    "trace.json",
];

/// Who chose a run's variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// `--variant`.
    Flag,
    /// `floe tune`, earlier.
    Tuned,
    /// The kind of device.
    Default,
}

/// The variant that unfinished work began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its name.
    pub variant: String,
    /// Who chose it.
    pub chosen: Chosen,
}

impl RunDir {
    /// Creates the directory for a run, or opens it again.
    ///
    /// # Errors
    /// It can't be written; it holds files of a run already and is to be new; it holds a run of another
    /// configuration or of other data.
    pub fn open(root: &Path, identity: &Identity, how: Open) -> Result<Self> {
        Self::hold(root, ([CONFIG, SWEEP], RUN_INFO), identity, how)
    }

    /// [`RunDir::open`] of a sweep.
    pub fn open_sweep(root: &Path, identity: &Identity, how: Open) -> Result<Self> {
        Self::hold(root, ([SWEEP, CONFIG], SWEEP_INFO), identity, how)
    }

    /// The directory of what is configured by a file of the first name; those of the other have the other's.
    fn hold(
        root: &Path,
        ([own, other], json): ([&str; 2], &str),
        identity: &Identity,
        how: Open,
    ) -> Result<Self> {
        let create = |needed: &Path| {
            std::fs::create_dir_all(needed)
                .map_err(|e| Error::file(needed, format!("can't be created: {e}")).mend(Mend::Elsewhere))
        };
        create(root)?;
        // Before anything is looked at, so that of two processes one finds what the other made.
        let dir = RunDir { root: root.to_path_buf(), _lock: Some(Arc::new(Lock::directory(root)?)) };
        let path = root.join(own);
        let called = |file: &str| if file == SWEEP { "a sweep" } else { "a run" };
        if root.join(other).exists() {
            let what = called(other);
            let message = format!("{}: holds {what}", root.display());
            return Err(Error::Usage(message).mend(Mend::Elsewhere));
        }
        if how == Open::New
            && let Some(held) = dir.held()?
        {
            let what = called(own);
            let message = format!("{}: holds {what} already ({held})", root.display());
            return Err(Error::Usage(message).mend(Mend::GoOn));
        }
        if how != Open::New {
            compare::directory(&dir, (own, json), identity, how == Open::Extend)?;
        }
        let checkpoints = root.join("checkpoints");
        create(&checkpoints)?;
        remove_torn(root, |name| FILES.contains(&name))?;
        remove_torn(&checkpoints, |name| name.ends_with(".safetensors"))?;
        atomic_write(&path, identity.config.as_bytes())?;
        Ok(dir)
    }

    /// A file of a run or a sweep that the directory has.
    fn held(&self) -> Result<Option<String>> {
        let top = FILES.into_iter().find(|name| self.root.join(name).exists());
        if let Some(name) = top {
            return Ok(Some(name.to_string()));
        }
        let checkpoints = self.root.join("checkpoints");
        if !checkpoints.is_dir() {
            return Ok(None);
        }
        for entry in std::fs::read_dir(&checkpoints).map_err(|e| Error::file(&checkpoints, e))? {
            let name = entry.map_err(|e| Error::file(&checkpoints, e))?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".safetensors") {
                return Ok(Some(format!("checkpoints/{}", shown(&name))));
            }
        }
        Ok(None)
    }

    /// The files of a directory that may be there, to look at.
    pub fn at(root: &Path) -> Self {
        RunDir { root: root.to_path_buf(), _lock: None }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the log of training is.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Where a model's checkpoint is.
    pub fn checkpoint(&self, model: &str) -> PathBuf {
        self.root.join("checkpoints").join(format!("{model}.safetensors"))
    }

    /// The resumable state of a phase under way.
    pub fn state(&self, model: &str) -> PathBuf {
        self.root.join("checkpoints").join(format!("{model}.state.safetensors"))
    }

    /// The phases that `run.json` has; none if there is no such file yet.
    pub fn phases(&self) -> Vec<PhaseInfo> {
        self.known::<RunInfo>(RUN_INFO).phases
    }

    /// What `methods.json` says; nothing if there is no such file yet.
    pub fn methods(&self) -> Methods {
        self.known(METHODS)
    }

    /// Writes `methods.json`.
    pub fn write_methods(&self, record: &Methods) -> Result<()> {
        self.write(METHODS, &records::text(&self.root.join(METHODS), record)?)
    }

    /// What `sweep.json` says; nothing if there is no such file yet.
    pub fn sweep(&self) -> SweepInfo {
        self.known(SWEEP_INFO)
    }

    /// A record to go on from. Times and divergences alone are lost with a file that another hand has changed.
    fn known<T: Default + DeserializeOwned>(&self, name: &str) -> T {
        let path = self.root.join(name);
        let text = bounded::text(&path, bounded::TABLE).unwrap_or_default();
        records::parse(&path, &text).unwrap_or_default()
    }

    /// Writes `run.json`.
    pub fn write_info(&self, info: &RunInfo) -> Result<()> {
        self.write(RUN_INFO, &records::text(&self.root.join(RUN_INFO), info)?)
    }

    /// Writes `sweep.json`.
    pub fn write_sweep(&self, info: &SweepInfo) -> Result<()> {
        self.write(SWEEP_INFO, &records::text(&self.root.join(SWEEP_INFO), info)?)
    }

    /// Writes a file of the directory's top whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        atomic_write(&self.root.join(name), text.as_bytes())
    }
}

/// The variant that the run or sweep in a directory began with, by its `run.json` or `sweep.json`; none, with a warning
/// if there is one, where that does not say.
pub fn begun(root: &Path) -> Option<Begun> {
    let dir = RunDir::at(root);
    let name = [RUN_INFO, SWEEP_INFO].into_iter().find(|name| root.join(name).exists())?;
    let variant = match name {
        RUN_INFO => dir.known::<RunInfo>(name).variant,
        _ => dir.sweep().variant,
    };
    let found = Begun::noted(&variant);
    if found.is_none() {
        let mend = "name that one if it was not the default";
        log::warn!("{} does not say which variant it began with; {mend}", root.join(name).display());
    }
    found
}

impl Begun {
    /// As a record has it; files from before it was written do not say who chose.
    fn noted(variant: &Facts) -> Option<Begun> {
        let chosen: Option<Chosen> = match variant.get("chosen") {
            Some(chosen) => Deserialize::deserialize(chosen).ok()?,
            None => None,
        };
        let variant = shown(variant.get("name")?.as_str()?);
        Some(Begun { variant, chosen: chosen.unwrap_or(Chosen::Default) })
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    match bounded::text(path, bounded::SMALL) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file(path, e)),
    }
}
