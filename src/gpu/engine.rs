//! Executes recordings on one wgpu device.

use super::{Access, AdapterSummary, Buffer, Dispatch, Program, Recording, rounds};
use crate::error::{Error, Limit, Result};
use crate::interrupt::{self, Compiling};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// The first thing that went wrong on the device; wgpu reports from its own threads.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<Failure>>>);

enum Failure {
    Lost(String),
    Memory(String),
    Other(String),
}

impl Fault {
    fn set(&self, failure: Failure) {
        if let Ok(mut slot) = self.0.lock() {
            slot.get_or_insert(failure);
        }
    }

    fn check(&self) -> Result<()> {
        match self.0.lock().ok().as_deref() {
            Some(Some(Failure::Memory(m))) => {
                Err(Error::OutOfMemory { what: m.clone(), need: None, have: None })
            }
            Some(Some(Failure::Lost(m) | Failure::Other(m))) => Err(Error::Device(m.clone())),
            _ => Ok(()),
        }
    }
}

struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    /// It has been launched. Some drivers compile a kernel no sooner than that.
    launched: Cell<bool>,
}

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
type Ready = (wgpu::BindGroup, Rc<Pipeline>, [u32; 2]);

/// When a launch ran, by the device's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Launch {
    /// Nanoseconds, from an origin that all launches share.
    pub start_ns: f64,
    pub ns: f64,
}

/// A copy of a buffer on its way to the host.
pub struct ReadBack {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: futures_intrusive::channel::shared::OneshotReceiver<bool>,
}

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

    /// The whole of a buffer, once all work submitted so far is done.
    pub fn read<T: bytemuck::Pod>(&self, buffer: &Buffer) -> Result<Vec<T>> {
        let ticket = self.read_later(buffer)?;
        self.finish(ticket)
    }

    /// Starts to copy a buffer to the host as it is after the work submitted so far.
    pub fn read_later(&self, buffer: &Buffer) -> Result<ReadBack> {
        let source = self.realize(buffer)?;
        self.copy_to_host(&source, buffer.label())
    }

    fn copy_to_host(&self, source: &wgpu::Buffer, label: &str) -> Result<ReadBack> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: source.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, 0, &staging, 0, source.size());
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, mapped) = futures_intrusive::channel::shared::oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver may be gone when a run is torn down; nobody waits then.
            let _ = sender.send(result.is_ok());
        });
        self.fault.check()?;
        Ok(ReadBack { staging, submission, mapped })
    }

    /// Waits for a [`ReadBack`], and not for what was submitted after it, and returns the words.
    pub fn finish<T: bytemuck::Pod>(&self, ticket: ReadBack) -> Result<Vec<T>> {
        self.poll(Some(ticket.submission))?;
        if pollster::block_on(ticket.mapped.receive()) != Some(true) {
            self.fault.check()?;
            return Err(Error::Device("a buffer could not be mapped".into()));
        }
        let view = ticket.staging.get_mapped_range(..).map_err(|e| Error::Device(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    /// Waits for all submitted work.
    pub fn wait(&self) -> Result<()> {
        self.poll(None)
    }

    /// Waits for a submission, or for all.
    fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        self.fault.check()?;
        polled.map(|_| ()).map_err(|e| Error::Device(e.to_string()))
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
                pass.dispatch_workgroups(groups[0], groups[1], 1);
            }
        }
        self.queue.submit([encoder.finish()]);
        self.fault.check()
    }

    /// Submits a recording `times` times over with a pass a launch, and returns when each launch began and how long it
    /// took on the device, in launch order. Empty where the adapter has no timestamps, or none that move.
    pub fn submit_timed(&self, recording: &Recording, times: u64) -> Result<Vec<Launch>> {
        let count = recording.dispatches.len() as u64 * times;
        if !self.has_timestamps() || count == 0 || 2 * count > u64::from(wgpu::QUERY_SET_MAX_QUERIES) {
            self.submit(recording, times)?;
            return Ok(Vec::new());
        }
        let launches = self.launches(recording)?;
        let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * count as u32,
        });
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 16 * count,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let repeated = (0..times).flat_map(|_| &launches);
        for (i, (group, pipeline, groups)) in repeated.enumerate() {
            let at = 2 * i as u32;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(at),
                    end_of_pass_write_index: Some(at + 1),
                }),
            });
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(groups[0], groups[1], 1);
        }
        encoder.resolve_query_set(&queries, 0..2 * count as u32, &resolved, 0);
        self.queue.submit([encoder.finish()]);
        self.fault.check()?;
        let ticket = self.copy_to_host(&resolved, "timestamps")?;
        let ticks: Vec<[u64; 2]> = self.finish(ticket)?;
        let period = f64::from(self.queue.get_timestamp_period());
        let span = |[from, to]: [u64; 2]| Launch {
            start_ns: from as f64 * period,
            ns: to.saturating_sub(from) as f64 * period,
        };
        let timed: Vec<Launch> = ticks.into_iter().map(span).collect();
        Ok(if timed.iter().any(|l| l.ns > 0.0) { timed } else { Vec::new() })
    }

    fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
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

    fn pipeline(&self, program: &Program, own: bool) -> Result<Rc<Pipeline>> {
        if let Some(made) = self.pipelines.borrow().get(&(program.key(), own)) {
            return Ok(made.clone());
        }
        interrupt::check(|| compilation(program.kernel))?;
        let _compiling = Compiling::begin();
        let module = {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(program.kernel),
                source: wgpu::ShaderSource::Wgsl(program.wgsl.as_str().into()),
            };
            if own {
                // SAFETY: the text, its buffers and the number of workgroups were put together by a kernel of floe's own.
                // Every index is bounded by a constant or a compared count, and every loop by a constant or a uniform
                // count; parity runs with poisoned outputs and canaries.
                unsafe {
                    self.device
                        .create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
                }
            } else {
                self.device.create_shader_module(descriptor)
            }
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = program
            .bindings
            .iter()
            .map(|b| wgpu::BindGroupLayoutEntry {
                binding: b.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match b.access {
                        Access::Uniform => wgpu::BufferBindingType::Uniform,
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(program.kernel),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(program.entry),
            compilation_options: Default::default(),
            cache: None,
        });
        self.fault.check()?;
        let made = Rc::new(Pipeline { pipeline, layout, launched: Cell::new(false) });
        self.pipelines.borrow_mut().insert((program.key(), own), made.clone());
        Ok(made)
    }

    /// Compares what a launch needs with what the adapter offers.
    fn check_limits(&self, dispatch: &Dispatch) -> Result<()> {
        let (program, limits) = (&dispatch.program, &self.limits);
        let largest = |uniform: bool| {
            let sizes = program.bindings.iter().zip(&dispatch.buffers);
            let of_kind = sizes.filter(|(b, _)| (b.access == Access::Uniform) == uniform);
            of_kind.map(|(_, buffer)| buffer.bytes()).max().unwrap_or(0)
        };
        let storage = program.bindings.iter().filter(|b| b.access != Access::Uniform).count() as u64;
        let table = [
            (
                Limit::WorkgroupMemory,
                program.shared_bytes.into(),
                limits.max_compute_workgroup_storage_size.into(),
            ),
            (
                Limit::Invocations,
                program.workgroup.into(),
                limits.max_compute_invocations_per_workgroup.into(),
            ),
            (Limit::WorkgroupSize, program.workgroup.into(), limits.max_compute_workgroup_size_x.into()),
            (
                Limit::Workgroups,
                dispatch.groups[0].max(dispatch.groups[1]).into(),
                limits.max_compute_workgroups_per_dimension.into(),
            ),
            (Limit::StorageBuffers, storage, limits.max_storage_buffers_per_shader_stage.into()),
            (Limit::StorageBinding, largest(false), limits.max_storage_buffer_binding_size),
            (Limit::UniformBinding, largest(true), limits.max_uniform_buffer_binding_size),
            (Limit::Loops, program.loops, self.summary.loops),
        ];
        for (limit, need, have) in table {
            if need > have {
                let (kernel, device) = (program.kernel.into(), self.summary.name.clone());
                return Err(Error::Limit { kernel, limit, need, have, device });
            }
        }
        Ok(())
    }
}

/// Where an interruption is heard.
fn compilation(kernel: &str) -> String {
    format!("the compilation of kernel `{kernel}`")
}
