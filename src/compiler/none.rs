//! Where Metal is the driver there is no Vulkan to ask what it compiles.

use crate::error::{Error, Result};
use crate::gpu::Program;

/// A compiled program by its driver's own words.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Invocations in a subgroup.
    pub subgroup: u32,
    /// How long it took.
    pub ms: f64,
    /// By the driver's names.
    pub statistics: Vec<(String, f64)>,
}

/// Nothing is one here.
pub enum Compiler {}

impl Compiler {
    /// The compiler of a device.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &str) -> Result<Self> {
        Err(Error::unfit("Metal doesn't tell what it compiles; ask a Vulkan driver, on Linux or Windows"))
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        match *self {}
    }

    /// Its driver, with the version.
    pub fn driver(&self) -> &str {
        match *self {}
    }

    /// Compiles a program and says what came out.
    ///
    /// # Errors
    /// The driver's.
    pub fn compile(&self, _: &Program) -> Result<Compiled> {
        match *self {}
    }
}
