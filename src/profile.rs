//! Where the device's time goes: a table of launches by time, and a trace for Perfetto or chrome://tracing.

use crate::gpu::{Launch, Ledger, Recording};
use std::collections::BTreeMap;

/// Launches of each phase that the trace holds; the table counts all.
const TRACED: usize = 3000;

/// Launches and nanoseconds by kernel.
type Totals = BTreeMap<String, (u64, f64)>;

/// Times of launches, gathered while a run trains.
#[derive(Debug, Default)]
pub struct Profile {
    /// By phase, in order.
    totals: Vec<(String, Totals)>,
    events: Vec<serde_json::Value>,
    traced: usize,
}

/// Rows of what the device held by label and how much it was at most, the largest first; the peak of all of it last.
pub fn memory(ledger: &Ledger) -> Vec<Vec<String>> {
    let kib = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0);
    let rows = ledger.rows().into_iter().map(|(label, held)| vec![label.to_string(), kib(held.peak)]);
    let header = ["device memory", "KiB at most"].map(String::from).to_vec();
    let all = vec!["all at a time".to_string(), kib(ledger.peak())];
    std::iter::once(header).chain(rows).chain([all]).collect()
}

impl Profile {
    /// Adds launches of a recording, in launch order, under the name of a phase.
    pub fn add(&mut self, phase: &str, recording: &Recording, launches: &[Launch]) {
        if self.totals.last().is_none_or(|(name, _)| name != phase) {
            self.totals.push((phase.to_string(), BTreeMap::new()));
            self.traced = 0;
        }
        let Some((_, kernels)) = self.totals.last_mut() else { return };
        for (launch, dispatch) in launches.iter().zip(recording.dispatches().cycle()) {
            let total = kernels.entry(dispatch.program.entry.to_string()).or_default();
            total.0 += 1;
            total.1 += launch.ns;
            if self.traced < TRACED {
                self.traced += 1;
                self.events.push(serde_json::json!({
                    "name": dispatch.program.entry, "cat": phase, "ph": "X", "pid": 1, "tid": 1,
                    "ts": launch.start_ns * 1e-3, "dur": launch.ns * 1e-3,
                    "args": { "phase": phase, "workgroups": dispatch.groups.iter().map(|&n| u64::from(n)).product::<u64>() },
                }));
            }
        }
    }

    /// Nothing was timed: the adapter has no timestamps.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// Rows phase, kernel, launches, milliseconds, microseconds a launch and share of the phase, the longest first.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows =
            vec![["phase", "kernel", "launches", "ms", "µs each", "share"].map(String::from).to_vec()];
        for (phase, kernels) in &self.totals {
            let whole: f64 = kernels.values().map(|(_, ns)| ns).sum();
            let mut sorted: Vec<_> = kernels.iter().collect();
            sorted.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
            for (kernel, (count, ns)) in sorted {
                rows.push(vec![
                    phase.clone(),
                    kernel.clone(),
                    count.to_string(),
                    format!("{:.1}", ns * 1e-6),
                    format!("{:.1}", ns * 1e-3 / *count as f64),
                    format!("{:.0} %", 100.0 * ns / whole),
                ]);
            }
        }
        rows
    }

    /// The trace, in Chrome's JSON format.
    pub fn trace(&self) -> String {
        serde_json::json!({ "traceEvents": self.events, "displayTimeUnit": "ms" }).to_string() + "\n"
    }
}
