//! Numbers on their way to the host.

use super::Engine;
use super::memory::PIECE;
use crate::error::{Error, Result};
use crate::gpu::View;

/// A copy of a view on its way to the host.
pub struct ReadBack {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: futures_intrusive::channel::shared::OneshotReceiver<bool>,
    /// Of the numbers, without what fills up a word.
    bytes: usize,
    /// Bytes of one number.
    number: usize,
}

impl Engine {
    /// The numbers of a view, once all work submitted so far is done. Much of it comes in pieces, so that no second copy of
    /// the whole is made.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If a `T` is not some whole numbers of the view's type.
    pub fn read<T: bytemuck::Pod>(&self, from: impl Into<View>) -> Result<Vec<T>> {
        let from = from.into();
        if from.bytes() <= PIECE {
            return self.finish(self.read_later(from)?);
        }
        // Of whole words and whole numbers.
        let unit = 4 * size_of::<T>() as u64;
        let mut all = Vec::with_capacity(from.bytes() as usize / size_of::<T>());
        for piece in from.pieces(PIECE / unit * unit) {
            all.extend(self.finish::<T>(self.read_later(piece)?)?);
        }
        Ok(all)
    }

    /// Starts to copy a view to the host as it is after the work submitted so far.
    ///
    /// # Errors
    /// A device failure.
    pub fn read_later(&self, from: impl Into<View>) -> Result<ReadBack> {
        let from = from.into();
        let source = self.realize(from.buffer())?;
        self.copy_to_host(&source, &from)
    }

    fn copy_to_host(&self, source: &wgpu::Buffer, from: &View) -> Result<ReadBack> {
        self.copy_bytes(source, (from.offset(), from.bytes()), from.buffer().label()).map(|ticket| ReadBack {
            bytes: (from.len() as u64 * from.dtype().bytes()) as usize,
            number: from.dtype().bytes() as usize,
            ..ticket
        })
    }

    /// Starts to copy so many bytes from an offset on.
    pub(super) fn copy_bytes(
        &self,
        source: &wgpu::Buffer,
        (offset, size): (u64, u64),
        label: &str,
    ) -> Result<ReadBack> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, offset, &staging, 0, size);
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, mapped) = futures_intrusive::channel::shared::oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver may be gone when a run is torn down; nobody waits then.
            let _ = sender.send(result.is_ok());
        });
        self.fault.check()?;
        Ok(ReadBack { staging, submission, mapped, bytes: size as usize, number: 1 })
    }

    /// Waits for a [`ReadBack`], and not for what was submitted after it, and returns the numbers.
    ///
    /// # Errors
    /// A device failure.
    ///
    /// # Panics
    /// If a `T` is not some whole numbers of the view's type.
    pub fn finish<T: bytemuck::Pod>(&self, ticket: ReadBack) -> Result<Vec<T>> {
        assert_eq!(
            size_of::<T>() % ticket.number,
            0,
            "numbers of {} bytes are read as others",
            ticket.number
        );
        self.poll(Some(ticket.submission))?;
        if pollster::block_on(ticket.mapped.receive()) != Some(true) {
            self.fault.check()?;
            return Err(Error::Device("a buffer could not be mapped".into()));
        }
        let view = ticket.staging.get_mapped_range(..).map_err(|e| Error::Device(e.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view[..ticket.bytes]))
    }

    /// Waits for all submitted work.
    ///
    /// # Errors
    /// A device failure.
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
