//! Buffers on their way to the host.

use super::Engine;
use crate::error::{Error, Result};
use crate::gpu::Buffer;

/// A copy of a buffer on its way to the host.
pub struct ReadBack {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: futures_intrusive::channel::shared::OneshotReceiver<bool>,
}

impl Engine {
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

    pub(super) fn copy_to_host(&self, source: &wgpu::Buffer, label: &str) -> Result<ReadBack> {
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
    pub(super) fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        self.fault.check()?;
        polled.map(|_| ()).map_err(|e| Error::Device(e.to_string()))
    }
}
