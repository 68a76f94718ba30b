//! Launches timed by the device's clock.

use super::Engine;
use crate::error::Result;
use crate::gpu::Recording;

/// When a launch ran, by the device's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Launch {
    /// Nanoseconds, from an origin that all launches share.
    pub start_ns: f64,
    /// How long it took.
    pub ns: f64,
}

impl Engine {
    /// Submits a recording `times` times over with a pass a launch, and returns when each launch began and how long it
    /// took on the device, in launch order. Empty where the adapter has no timestamps, or none that move.
    /// Copies are not timed.
    ///
    /// # Errors
    /// What [`Engine::submit`] gives.
    pub fn submit_timed(&self, recording: &Recording, times: u64) -> Result<Vec<Launch>> {
        let count = recording.dispatches().count() as u64 * times;
        if !self.has_timestamps() || count == 0 || 2 * count > u64::from(wgpu::QUERY_SET_MAX_QUERIES) {
            self.submit(recording, times)?;
            return Ok(Vec::new());
        }
        let ready = self.ready(recording)?;
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
        let mut at = 0;
        for command in (0..times).flat_map(|_| &ready) {
            let Some(launch) = command.launch() else {
                command.copy(&mut encoder);
                continue;
            };
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(at),
                    end_of_pass_write_index: Some(at + 1),
                }),
            });
            launch.dispatch(&mut pass);
            at += 2;
        }
        encoder.resolve_query_set(&queries, 0..2 * count as u32, &resolved, 0);
        self.queue.submit([encoder.finish()]);
        self.fault.check()?;
        let ticket = self.copy_bytes(&resolved, (0, resolved.size()), "timestamps")?;
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
}
