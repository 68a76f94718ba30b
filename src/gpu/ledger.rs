//! What is allocated on a device, by label.

use std::collections::BTreeMap;

/// Buffers and textures of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many there are.
    pub count: usize,
    /// Of all of them.
    pub bytes: u64,
    /// The most that they were at a time.
    pub peak: u64,
}

/// Buffers and textures by label, now and at most. What a device needs beside them (programs, copies on their way to the
/// host) is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    labels: BTreeMap<&'static str, Held>,
    bytes: u64,
    peak: u64,
}

impl Ledger {
    /// Counts one.
    pub fn add(&mut self, label: &'static str, bytes: u64) {
        let held = self.labels.entry(label).or_default();
        held.count += 1;
        held.bytes += bytes;
        held.peak = held.peak.max(held.bytes);
        self.bytes += bytes;
        self.peak = self.peak.max(self.bytes);
    }

    /// One of those counted is gone.
    pub(super) fn remove(&mut self, label: &'static str, bytes: u64) {
        let Some(held) = self.labels.get_mut(label) else { return };
        held.count -= 1;
        held.bytes -= bytes;
        self.bytes -= bytes;
    }

    /// By label, what was largest first.
    pub fn rows(&self) -> Vec<(&'static str, Held)> {
        let mut rows: Vec<_> = self.labels.iter().map(|(label, held)| (*label, *held)).collect();
        rows.sort_by_key(|(_, held)| std::cmp::Reverse(held.peak));
        rows
    }

    /// What a label has; zeros of one that has nothing.
    pub fn of(&self, label: &str) -> Held {
        self.labels.get(label).copied().unwrap_or_default()
    }

    /// Of all labels, now.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most of all labels at a time.
    pub fn peak(&self) -> u64 {
        self.peak
    }
}
