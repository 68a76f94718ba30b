//! Where Metal is the driver there is no Vulkan to ask what it compiles.

use super::Program;
use crate::error::{Error, Result};

/// A compiled program by its driver's own words.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub subgroup: u32,
    pub ms: f64,
    pub statistics: Vec<(String, f64)>,
}

/// Nothing is one here.
pub enum Compiler {}

impl Compiler {
    /// # Errors
    /// Always.
    pub fn open(_: &str) -> Result<Self> {
        Err(Error::unfit("Metal doesn't tell what it compiles; ask a Vulkan driver, on Linux or Windows"))
    }

    pub fn name(&self) -> &str {
        match *self {}
    }

    pub fn driver(&self) -> &str {
        match *self {}
    }

    pub fn compile(&self, _: &Program) -> Result<Compiled> {
        match *self {}
    }
}
