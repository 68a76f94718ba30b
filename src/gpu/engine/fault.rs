//! What goes wrong on the device, heard from wgpu's own threads.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex};

/// The first thing that went wrong on the device; wgpu reports from its own threads.
#[derive(Clone, Default)]
pub struct Fault(Arc<Mutex<Option<Failure>>>);

pub enum Failure {
    Lost(String),
    Memory(String),
    Other(String),
}

impl Fault {
    pub fn set(&self, failure: Failure) {
        if let Ok(mut slot) = self.0.lock() {
            slot.get_or_insert(failure);
        }
    }

    pub fn check(&self) -> Result<()> {
        match self.0.lock().ok().as_deref() {
            Some(Some(Failure::Memory(m))) => {
                Err(Error::OutOfMemory { what: m.clone(), need: None, have: None })
            }
            Some(Some(Failure::Lost(m) | Failure::Other(m))) => Err(Error::Device(m.clone())),
            _ => Ok(()),
        }
    }
}
