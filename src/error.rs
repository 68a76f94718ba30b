//! One error enum, for callers: a kind, and in fields what one may act on.
//!
//! Every message is one line that names the file, field, kernel, buffer or shape. What is wrong with a file that a user
//! wrote is told with its mend; what a device or a training lacks is told in numbers, and the command line adds in words
//! what a user of it can do ([`crate::cli::say`]).

use crate::escape;
use std::fmt;
use std::path::{Path, PathBuf};

/// What can go wrong, from a mistyped key to a lost device.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a `--set` is off; the message says what would be right.
    #[error("{0}")]
    Usage(String),
    /// A configuration file or value is off.
    #[error("{origin}: {message}")]
    Config {
        /// The file, preset or `--set` it came from.
        origin: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A file or directory could not be read, written or understood.
    #[error("{}: {message}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, and the mend.
        message: String,
    },
    /// A cell of a table is off.
    #[error("{}, line {line}, column `{column}`: {message}", path.display())]
    Cell {
        /// The table.
        path: PathBuf,
        /// From 1, the header included.
        line: u64,
        /// As the header has it.
        column: String,
        /// What is wrong, and the mend.
        message: String,
    },
    /// There is no adapter, or the one asked for can't be used.
    #[error("{message}")]
    NoDevice {
        /// What was found out.
        message: String,
        /// Whose fault that is.
        absence: Absence,
    },
    /// A kernel needs more than the adapter offers.
    #[error("kernel `{kernel}` needs {limit} >= {need}, but {device} offers {have}")]
    Limit {
        /// The kernel.
        kernel: String,
        /// Which of the adapter's limits.
        limit: Limit,
        /// In the limit's unit.
        need: u64,
        /// In the limit's unit.
        have: u64,
        /// The adapter's name.
        device: String,
    },
    /// The device failed while work was under way; its engine is of no more use.
    #[error("the device failed: {0}")]
    Device(String),
    /// The device has no memory left; its engine is of no more use.
    #[error("the device is out of memory ({what}{})", bytes(.need, .have))]
    OutOfMemory {
        /// The buffer, or the driver's words.
        what: String,
        /// Bytes asked for, where they are known.
        need: Option<u64>,
        /// Bytes that there are, where they are known.
        have: Option<u64>,
    },
    /// A loss or gradient is not finite.
    #[error("{phase} `{method}`: the loss is {loss} at step {step}{place}")]
    Diverged {
        /// `pretrain` or `finetune`.
        phase: &'static str,
        /// The model that was trained.
        method: String,
        /// The step, from 0.
        step: u64,
        /// Its loss.
        loss: f32,
        /// Its learning rate.
        lr: f32,
        /// Where it began, in words behind a comma, if that is known.
        place: String,
    },
    /// A parameter is not finite after a step whose loss was.
    #[error("{phase} `{method}`: a parameter overflows at step {step}")]
    Overflow {
        /// `pretrain` or `finetune`.
        phase: &'static str,
        /// The model that was trained.
        method: String,
        /// The step, from 0.
        step: u64,
        /// Its learning rate.
        lr: f32,
    },
    /// Ctrl-C, after the checkpoint was saved.
    #[error("interrupted at {0}")]
    Interrupted(String),
    /// A parity check did not pass.
    #[error("{0}")]
    Parity(String),
    /// One of the others, with what a caller could do about it.
    #[error("{error}")]
    Mendable {
        /// What is wrong.
        error: Box<Error>,
        /// What could be done.
        mend: Mend,
    },
}

/// What a caller could do about an error; the command line says it by its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mend {
    /// Write into another directory.
    Elsewhere,
    /// Go on with what is there, or write into another directory.
    GoOn,
    /// Give the experiment that the directory is of, or write into another directory.
    Same,
    /// The same, and finished phases can be trained for longer.
    SameOrLonger,
    /// Start the phase again instead of going on with it.
    Restart,
    /// Give the experiment that the state is of, or start the phase again.
    SameOrRestart,
    /// End the phase first, and give the checkpoint that it ends with.
    Finish,
    /// If another program wrote the file, name the experiment that its weights are of.
    Origin,
    /// Use an earlier checkpoint; or the file without its metadata, with the experiment that its weights are of.
    EarlierOrOrigin,
}

/// What kind of thing went wrong, for a caller that goes on by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`Error::Usage`].
    Usage,
    /// [`Error::Config`].
    Config,
    /// [`Error::File`].
    File,
    /// [`Error::Cell`].
    Cell,
    /// [`Error::NoDevice`].
    NoDevice,
    /// [`Error::Limit`].
    Limit,
    /// [`Error::Device`].
    Device,
    /// [`Error::OutOfMemory`].
    OutOfMemory,
    /// [`Error::Diverged`].
    Diverged,
    /// [`Error::Overflow`].
    Overflow,
    /// [`Error::Interrupted`].
    Interrupted,
    /// [`Error::Parity`].
    Parity,
}

/// Why there is no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// No driver is installed, or none that works.
    Driver,
    /// The environment names drivers that can't be loaded, or keeps the loader from all.
    Environment,
    /// There is one, and it can't be used for this.
    Unfit,
}

/// A limit of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Bytes of workgroup memory.
    WorkgroupMemory,
    /// Invocations in a workgroup.
    Invocations,
    /// Invocations of a workgroup in its first dimension.
    WorkgroupSize,
    /// Workgroups of a launch in one dimension.
    Workgroups,
    /// Storage buffers that a kernel binds.
    StorageBuffers,
    /// Storage textures that a kernel binds.
    StorageTextures,
    /// Bytes of a storage buffer's binding.
    StorageBinding,
    /// Bytes of a uniform buffer's binding.
    UniformBinding,
    /// Times that the loops of an invocation go round between them.
    Loops,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Limit::WorkgroupMemory => "workgroup memory in bytes",
            Limit::Invocations => "invocations a workgroup",
            Limit::WorkgroupSize => "workgroup size in x",
            Limit::Workgroups => "workgroups in a dimension",
            Limit::StorageBuffers => "storage buffers a kernel",
            Limit::StorageTextures => "storage textures a kernel",
            Limit::StorageBinding => "storage binding in bytes",
            Limit::UniformBinding => "uniform binding in bytes",
            Limit::Loops => "loop iterations an invocation",
        })
    }
}

/// ` of 12 bytes is over the device's 10`, as far as that is known.
fn bytes(need: &Option<u64>, have: &Option<u64>) -> String {
    match (need, have) {
        (Some(need), Some(have)) => format!(" of {need} bytes is over the device's {have}"),
        (Some(need), None) => format!(" of {need} bytes"),
        (None, Some(have)) => format!("; the device has {have} bytes"),
        (None, None) => String::new(),
    }
}

/// `std::result::Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Usage(_) => Kind::Usage,
            Error::Config { .. } => Kind::Config,
            Error::File { .. } => Kind::File,
            Error::Cell { .. } => Kind::Cell,
            Error::NoDevice { .. } => Kind::NoDevice,
            Error::Limit { .. } => Kind::Limit,
            Error::Device(_) => Kind::Device,
            Error::OutOfMemory { .. } => Kind::OutOfMemory,
            Error::Diverged { .. } => Kind::Diverged,
            Error::Overflow { .. } => Kind::Overflow,
            Error::Interrupted(_) => Kind::Interrupted,
            Error::Parity(_) => Kind::Parity,
            Error::Mendable { error, .. } => error.kind(),
        }
    }

    /// 2 for what the user typed (arguments and configuration), 130 for Ctrl-C, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Config { .. } => 2,
            Error::Interrupted(_) => 130,
            Error::Mendable { error, .. } => error.exit_code(),
            _ => 1,
        }
    }

    /// The same, with what could be done about it.
    pub fn mend(self, mend: Mend) -> Self {
        Error::Mendable { error: Box::new(self), mend }
    }

    /// A [`Error::File`] from anything that can be printed.
    pub fn file(path: impl AsRef<Path>, message: impl std::fmt::Display) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), message: message.to_string() }
    }

    /// A [`Error::NoDevice`] of a device that is there and can't be used for this.
    pub fn unfit(message: impl Into<String>) -> Self {
        Error::NoDevice { message: message.into(), absence: Absence::Unfit }
    }

    /// A [`Error::Config`] from anything that can be printed.
    pub fn config(origin: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Error::Config { origin: origin.into(), message: message.to_string() }
    }
}

/// Words that a file or a user has chosen, as a message can show them: no control or direction characters, not long.
pub fn shown(words: &str) -> String {
    escape::short(words, 120)
}
