//! One error enum. Every message is one line that names the file, field, kernel, buffer or shape, and the mend.

use crate::escape;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What can go wrong, from a mistyped key to a lost device.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a `--set` is off; the message says what would be right.
    #[error("{0}")]
    Usage(String),
    /// A configuration file or value is off. `origin` is the file, preset or `--set` it came from.
    #[error("{origin}: {message}")]
    Config { origin: String, message: String },
    /// A file or directory could not be read, written or understood.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
    /// A cell of a table is off. `line` counts from 1, the header included.
    #[error("{}, line {line}, column `{column}`: {message}", path.display())]
    Cell { path: PathBuf, line: u64, column: String, message: String },
    /// No adapter, or none that fits `--device`.
    #[error("{0}")]
    NoDevice(String),
    /// A kernel needs more than the adapter offers.
    #[error("kernel `{kernel}` needs {limit} >= {need}, but {device} offers {have}; {mend}")]
    Limit { kernel: String, limit: &'static str, need: u64, have: u64, device: String, mend: &'static str },
    /// The device failed while work was under way.
    #[error("the device failed: {0}; the last checkpoint is intact, go on with --resume")]
    Device(String),
    /// The device has no memory left.
    #[error(
        "the device is out of memory ({0}); lower `batch`, the shots or the model's size; the last checkpoint is intact"
    )]
    OutOfMemory(String),
    /// A loss or gradient is not finite.
    #[error(
        "{phase}: the loss is {loss} at step {step}; lower the learning rate (now {lr}) or set a gradient clip; the last good checkpoint is intact"
    )]
    Diverged { phase: String, step: u64, loss: f32, lr: f32 },
    /// A parameter is not finite after a step whose loss was.
    #[error(
        "{phase}: a parameter overflows at step {step}; lower the learning rate (now {lr:?}) or set a gradient clip; what was finished before is intact"
    )]
    Overflow { phase: String, step: u64, lr: f32 },
    /// Ctrl-C, after the checkpoint was saved.
    #[error("interrupted at {0}")]
    Interrupted(String),
    /// A parity check did not pass.
    #[error("{0}")]
    Parity(String),
}

/// `std::result::Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// 2 for what the user typed (arguments and configuration), 130 for Ctrl-C, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Config { .. } => 2,
            Error::Interrupted(_) => 130,
            _ => 1,
        }
    }

    /// A [`Error::File`] from anything that can be printed.
    pub fn file(path: impl AsRef<Path>, message: impl std::fmt::Display) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), message: message.to_string() }
    }

    /// A [`Error::Config`] from anything that can be printed.
    pub fn config(origin: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Error::Config { origin: origin.into(), message: message.to_string() }
    }
}

/// Words that a file or a user has chosen, as a message can show them: no control or direction characters, not long.
pub fn shown(words: &str) -> String {
    const MOST: usize = 120;
    let short = match words.char_indices().nth(MOST) {
        Some((end, _)) => Cow::Owned(words[..end].to_string() + "…"),
        None => Cow::Borrowed(words),
    };
    escape::line(&short).into_owned()
}
