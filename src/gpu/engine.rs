//! Executes recordings on one wgpu device.

mod fault;
mod limits;
mod pipelines;
mod readback;
mod timed;

pub use readback::ReadBack;
pub use timed::Launch;

use super::{AdapterSummary, Buffer, Dispatch, Recording, rounds};
use crate::error::{Error, Result};
use crate::interrupt::{self, Compiling};
use fault::{Failure, Fault};
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
    buffers: RefCell<HashMap<u64, (Buffer, wgpu::Buffer)>>,
    /// By program, and whether its indexes go unchecked.
    pipelines: RefCell<HashMap<(u64, bool), Rc<Pipeline>>>,
}

/// A launch made ready: bind group, pipeline, workgroups.
type Ready = (wgpu::BindGroup, Rc<Pipeline>, [u32; 3]);

impl Engine {
    pub(super) fn new(adapter: &wgpu::Adapter, wanted: wgpu::Features) -> Result<Self> {
        let summary = AdapterSummary::of(adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("floe"),
            required_features: adapter.features() & wanted,
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
            buffers: RefCell::default(),
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

    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Bytes that a uniform binding can have.
    pub fn uniform_bytes(&self) -> usize {
        self.limits.max_uniform_buffer_binding_size as usize
    }

    /// Writes words at the start of a buffer.
    ///
    /// # Panics
    /// If the buffer is smaller than the data.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &Buffer, data: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        assert!(bytes.len() as u64 <= buffer.bytes(), "write to buffer `{}`", buffer.label());
        let target = self.realize(buffer)?;
        self.queue.write_buffer(&target, 0, bytes);
        self.fault.check()
    }

    /// Submits a recording `times` times over, in one submission and one pass.
    ///
    /// # Errors
    /// A limit the adapter doesn't offer, with the kernel's name; a device failure.
    pub fn submit(&self, recording: &Recording, times: u64) -> Result<()> {
        let launches = self.launches(recording)?;
        let mut rounds = times;
        if times > 0 && launches.iter().any(|(_, pipeline, _)| !pipeline.launched.get()) {
            self.first_round(recording, &launches)?;
            rounds -= 1;
        }
        let all: Vec<&Ready> = (0..rounds).flat_map(|_| &launches).collect();
        if all.is_empty() { self.fault.check() } else { self.submit_launches(&all) }
    }

    /// The launches of a recording, each a submission that is waited for, since drivers compile kernels as they meet
    /// them: Ctrl-C is heard between two kernels. Only a recording's last launch may change what outlives it.
    fn first_round(&self, recording: &Recording, launches: &[Ready]) -> Result<()> {
        for (launch, dispatch) in launches.iter().zip(&recording.dispatches) {
            if launch.1.launched.get() {
                self.submit_launches(&[launch])?;
                continue;
            }
            interrupt::check(|| compilation(dispatch.program.kernel))?;
            let _compiling = Compiling::begin();
            self.submit_launches(&[launch])?;
            self.wait()?;
            launch.1.launched.set(true);
        }
        Ok(())
    }

    fn submit_launches(&self, launches: &[&Ready]) -> Result<()> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (group, pipeline, groups) in launches {
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
            }
        }
        self.queue.submit([encoder.finish()]);
        self.fault.check()
    }

    /// Checks every kernel of a recording against the adapter's limits, running nothing.
    pub fn check(&self, recording: &Recording) -> Result<()> {
        recording.dispatches.iter().try_for_each(|dispatch| self.check_limits(dispatch))
    }

    /// Bind groups, pipelines and workgroups of a recording's launches.
    fn launches(&self, recording: &Recording) -> Result<Vec<Ready>> {
        self.sweep();
        let launch = |dispatch: &Dispatch| {
            self.check_limits(dispatch)?;
            let pipeline = self.pipeline(&dispatch.program, dispatch.is_own())?;
            Ok((self.bind(dispatch, &pipeline)?, pipeline, dispatch.groups))
        };
        recording.dispatches.iter().map(launch).collect()
    }

    fn bind(&self, dispatch: &Dispatch, pipeline: &Pipeline) -> Result<wgpu::BindGroup> {
        let buffers = dispatch.buffers.iter().map(|b| self.realize(b)).collect::<Result<Vec<_>>>()?;
        let entries: Vec<wgpu::BindGroupEntry> = dispatch
            .program
            .bindings
            .iter()
            .zip(&buffers)
            .map(|(b, buffer)| wgpu::BindGroupEntry {
                binding: b.index,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.program.kernel),
            layout: &pipeline.layout,
            entries: &entries,
        }))
    }

    fn realize(&self, buffer: &Buffer) -> Result<wgpu::Buffer> {
        if let Some((_, made)) = self.buffers.borrow().get(&buffer.id()) {
            return Ok(made.clone());
        }
        if buffer.bytes() > self.limits.max_buffer_size {
            return Err(Error::OutOfMemory {
                what: format!("buffer `{}`", buffer.label()),
                need: Some(buffer.bytes()),
                have: Some(self.limits.max_buffer_size),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let uniform = if buffer.bytes() <= self.limits.max_uniform_buffer_binding_size {
            wgpu::BufferUsages::UNIFORM
        } else {
            wgpu::BufferUsages::empty()
        };
        let made = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(buffer.label()),
            size: buffer.bytes(),
            usage: usage | uniform,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&made, 0, bytemuck::cast_slice(buffer.contents()));
        self.fault.check()?;
        self.buffers.borrow_mut().insert(buffer.id(), (buffer.clone(), made.clone()));
        Ok(made)
    }

    /// Frees buffers whose handles are all gone.
    fn sweep(&self) {
        self.buffers.borrow_mut().retain(|_, (handle, _)| !handle.is_last());
    }
}
