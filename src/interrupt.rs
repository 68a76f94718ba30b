//! Whether the user has asked to stop (Ctrl-C, a termination signal). A signal is the process's, and so is this: loops
//! that may take seconds ask here, and end with [`Error::Interrupted`].

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);
static COMPILING: AtomicUsize = AtomicUsize::new(0);

/// Asks to stop. Whether that had been asked before.
pub fn ask() -> bool {
    ASKED.swap(true, Ordering::Relaxed)
}

/// Whether the user has asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Goes on unless the user has asked to stop.
///
/// # Errors
/// [`Error::Interrupted`] at what `place` says.
pub fn check(place: impl FnOnce() -> String) -> Result<()> {
    if asked() { Err(Error::Interrupted(place())) } else { Ok(()) }
}

/// Whether the driver is compiling a kernel, which can't be broken off.
pub fn compiling() -> bool {
    COMPILING.load(Ordering::Relaxed) > 0
}

/// Held while the driver may be compiling a kernel.
pub struct Compiling(());

impl Compiling {
    /// Says so until it is dropped.
    pub fn begin() -> Self {
        COMPILING.fetch_add(1, Ordering::Relaxed);
        Compiling(())
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        COMPILING.fetch_sub(1, Ordering::Relaxed);
    }
}
