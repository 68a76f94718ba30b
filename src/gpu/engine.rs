//! Executes recordings on one wgpu device.

mod encode;
mod fault;
mod limits;
mod memory;
mod pipelines;
mod readback;
mod timed;

pub use readback::ReadBack;
pub use timed::Launch;

use super::{AdapterSummary, Recording, rounds};
use crate::error::{Error, Result};
use crate::interrupt::{self, Compiling};
use encode::Ready;
use fault::{Failure, Fault};
use memory::Memory;
use pipelines::{Pipeline, compilation};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A device with its buffers and compiled kernels.
pub struct Engine {
    device: wgpu::Device,
    queue: wgpu::Queue,
    summary: AdapterSummary,
    limits: wgpu::Limits,
    fault: Fault,
    memory: RefCell<Memory>,
    /// By program, and whether its indexes go unchecked.
    pipelines: RefCell<HashMap<(u64, bool), Rc<Pipeline>>>,
}

/// A recording made ready: [`Engine::prepare`].
pub struct Prepared {
    ready: Vec<Ready>,
    /// Its handles keep what it binds.
    _recording: Recording,
}

impl Engine {
    pub(super) fn new(adapter: &wgpu::Adapter, wanted: wgpu::Features) -> Result<Self> {
        let summary = AdapterSummary::of(adapter);
        let mut features = adapter.features() & wanted;
        let matrices = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        features.set(matrices, features.contains(matrices) && summary.features.contains(&"matrices"));
        let experimental_features = match features.contains(matrices) {
            // SAFETY: of what is experimental floe's own kernels use cooperative matrices alone, and go through parity.
            true => unsafe { wgpu::ExperimentalFeatures::enabled() },
            false => wgpu::ExperimentalFeatures::disabled(),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("floe"),
            required_features: features,
            experimental_features,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::unfit(format!("{} can't be opened: {e}", summary.name)))?;
        let fault = Fault::default();
        let seen = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            seen.set(match error {
                wgpu::Error::OutOfMemory { source } => Failure::Memory(source.to_string()),
                other => Failure::Other(other.to_string().replace('\n', " ")),
            });
        }));
        let seen = fault.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                seen.set(Failure::Lost(message));
            }
        });
        let limits = device.limits();
        let mut engine = Engine {
            device,
            queue,
            summary,
            limits,
            fault,
            memory: RefCell::default(),
            pipelines: RefCell::default(),
        };
        engine.summary.loops = rounds::measure(&engine).map_err(|e| match e {
            Error::Interrupted(_) => {
                Error::Interrupted("the opening of the device, before anything was done".into())
            }
            other => other,
        })?;
        Ok(engine)
    }

    /// Takes it that an invocation's loops go round at most so often between them, whatever was measured.
    pub fn assume_loops(&mut self, rounds: u64) {
        self.summary.loops = rounds;
    }

    /// What was opened.
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Bytes that a uniform binding can have.
    pub fn uniform_bytes(&self) -> usize {
        self.limits.max_uniform_buffer_binding_size as usize
    }

    /// Submits a recording `times` times over, in one submission.
    ///
    /// # Errors
    /// A limit the adapter doesn't offer, with the kernel's name; a device failure.
    pub fn submit(&self, recording: &Recording, times: u64) -> Result<()> {
        self.submit_ready(&self.ready(recording)?, times)
    }

    fn submit_ready(&self, ready: &[Ready], times: u64) -> Result<()> {
        let mut rounds = times;
        if times > 0 && ready.iter().any(|command| command.fresh().is_some()) {
            self.first_round(ready)?;
            rounds -= 1;
        }
        let all: Vec<&Ready> = (0..rounds).flat_map(|_| ready).collect();
        if all.is_empty() { self.fault.check() } else { self.submit_all(&all) }
    }

    /// The commands of a recording, each launch a submission that is waited for, since drivers compile kernels as they
    /// meet them: Ctrl-C is heard between two kernels. Only a recording's last command may change what outlives it.
    fn first_round(&self, ready: &[Ready]) -> Result<()> {
        for command in ready {
            let Some((kernel, pipeline)) = command.fresh() else {
                self.submit_all(&[command])?;
                continue;
            };
            interrupt::check(|| compilation(kernel))?;
            let _compiling = Compiling::begin();
            self.submit_all(&[command])?;
            self.wait()?;
            pipeline.launched.set(true);
        }
        Ok(())
    }

    /// A recording with what the device has for it, to be run many times.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub fn prepare(&self, recording: Recording) -> Result<Prepared> {
        Ok(Prepared { ready: self.ready(&recording)?, _recording: recording })
    }

    /// Submits a prepared recording.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub fn run(&self, prepared: &Prepared) -> Result<()> {
        self.submit_ready(&prepared.ready, 1)
    }

    fn submit_all(&self, commands: &[&Ready]) -> Result<()> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encode::all(&mut encoder, commands);
        self.queue.submit([encoder.finish()]);
        self.fault.check()
    }

    /// Checks every kernel of a recording against the adapter's limits, running nothing.
    ///
    /// # Errors
    /// A limit the adapter doesn't offer, with the kernel's name.
    pub fn check(&self, recording: &Recording) -> Result<()> {
        recording.dispatches().try_for_each(|dispatch| self.check_limits(dispatch))
    }
}
