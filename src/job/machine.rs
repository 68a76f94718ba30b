//! What a job runs on.

use crate::gpu::Engine;
use crate::kernels::Tuning;
use crate::profile::Profile;
use crate::store::records::{Device, Facts};
use crate::store::rundir::Chosen;
use std::cell::RefCell;

/// A device and how kernels split their work on it.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// The device.
    pub engine: &'a Engine,
    /// The split.
    pub tuning: Tuning,
    /// Who chose the split, for the record.
    pub chosen: Chosen,
    /// Times every launch of training if given.
    pub profile: Option<&'a RefCell<Profile>>,
}

impl<'a> Machine<'a> {
    /// A device, with the split that its kind gets where nobody chose.
    pub fn of(engine: &'a Engine) -> Self {
        Machine::new(engine, Tuning::of(engine.adapter()))
    }

    /// A device and a split that nobody chose, without timing.
    pub fn new(engine: &'a Engine, tuning: Tuning) -> Self {
        Machine { engine, tuning, chosen: Chosen::Default, profile: None }
    }
}

/// What is noted of the device.
pub fn device(machine: Machine) -> Device {
    let adapter = machine.engine.adapter().clone();
    Device {
        name: adapter.name,
        backend: adapter.backend,
        kind: adapter.kind,
        driver: adapter.driver,
        driver_info: adapter.driver_info,
    }
}

/// What is noted of how kernels split their work.
pub fn variant(machine: Machine) -> Facts {
    let tuning = machine.tuning;
    let noted: [(&str, serde_json::Value); 12] = [
        ("name", tuning.name.into()),
        ("chosen", serde_json::to_value(machine.chosen).expect("a word")),
        ("workgroup", tuning.workgroup.into()),
        ("lanes", tuning.lanes.into()),
        ("update", tuning.update.into()),
        ("subgroup", tuning.subgroup.into()),
        ("shared", tuning.shared.into()),
        ("group", tuning.group.into()),
        ("resident", tuning.resident.into()),
        ("compile", tuning.compile.into()),
        ("fused", tuning.fused.into()),
        ("moments", tuning.moments.into()),
    ];
    noted.map(|(name, value)| (name.to_string(), value)).into()
}
