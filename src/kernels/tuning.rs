//! How work is split on a class of device: the variants.

use super::tensor::matmul::Cut;
use crate::error::{Error, Result};
use crate::gpu::AdapterSummary;
use crate::prompt::shape::Models;

/// How work is split on a class of device: a named variant. Different splits give different last bits, so a run
/// records its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// What `--variant` and a run's record call it.
    pub name: &'static str,
    /// Invocations a workgroup.
    pub workgroup: usize,
    /// Most invocations that share a batch of prompts, unless their loops would go round too often.
    pub lanes: usize,
    /// Invocations of the single workgroup that updates parameters.
    pub update: usize,
    /// Neighbouring invocations whose sums a subgroup operation adds up: the adapter's subgroup size, or 1 for none.
    pub subgroup: usize,
    /// Gradients are added up in workgroup memory before they are written; `subgroup` is then 1.
    pub shared: bool,
    /// Most models that an invocation works through with each prompt it draws.
    pub group: usize,
    /// Most operations of a step of a model on its own up to which many steps run in one launch, by a subgroup; 0 for
    /// never.
    pub resident: f64,
    /// Seconds that a byte of a program of many steps takes to compile beyond the two that it replaces: what the steps of a
    /// phase must repay. 0 takes it wherever it fits.
    pub compile: f64,
    /// The update sums the partial sums itself: a launch less, by a single workgroup.
    pub fused: bool,
    /// Most workgroups that share the blocks of an update, unless their loops would go round too often.
    pub spread: usize,
    /// Training draws the second moments of Gaussian demonstrations from their law instead of the demonstrations.
    pub moments: bool,
    /// How products of matrices are cut where they are not made of texels.
    pub cut: Cut,
    /// Tokens of a chunk of linear attention.
    pub chunk: usize,
    /// Weights of language models are kept in half precision.
    pub half: bool,
    /// Large products are made by cooperative matrices, which round what they multiply to half precision.
    pub matrices: bool,
    /// Most times that the loops of an invocation may go round between them: the adapter's, not the variant's.
    pub loops: u64,
}

const CPU: Tuning = Tuning {
    name: "cpu",
    workgroup: 8,
    lanes: 64,
    update: 8,
    subgroup: 8,
    shared: false,
    group: 8,
    resident: 8e6,
    compile: 1e-6,
    fused: true,
    spread: 256,
    moments: true,
    cut: Cut { most: 3, fill: 160 },
    chunk: 64,
    half: false,
    matrices: false,
    loops: u64::MAX,
};
const GPU: Tuning = Tuning {
    name: "gpu",
    workgroup: 64,
    lanes: 2048,
    update: 256,
    subgroup: 1,
    shared: true,
    group: 1,
    resident: 0.0,
    compile: 0.0,
    fused: false,
    spread: 1 << 20,
    moments: true,
    cut: Cut { most: 3, fill: 160 },
    chunk: 64,
    half: false,
    matrices: false,
    loops: u64::MAX,
};

/// Every variant. Each goes through parity; [`Tuning::of`] chooses one for an adapter, `--variant` another.
pub const VARIANTS: &[Tuning] = &[
    CPU,
    // The same where a vector register holds 4 (WARP, 128 bits) or 16.
    Tuning { name: "cpu-4", workgroup: 4, update: 4, subgroup: 4, ..CPU },
    Tuning { name: "cpu-16", workgroup: 16, update: 16, subgroup: 16, ..CPU },
    Tuning { name: "cpu-lane", subgroup: 1, resident: 0.0, fused: false, ..CPU },
    Tuning { name: "cpu-tokens", moments: false, ..CPU },
    // Two cores need no more than four workgroups; thirty-two can use as many.
    Tuning { name: "cpu-32", lanes: 32, ..CPU },
    Tuning { name: "cpu-256", lanes: 256, ..CPU },
    GPU,
    Tuning { name: "gpu-lane", shared: false, ..GPU },
    Tuning { name: "gpu-fused", lanes: 1024, fused: true, ..GPU },
    Tuning { name: "gpu-32", workgroup: 32, ..GPU },
    Tuning { name: "gpu-wide", lanes: 8192, ..GPU },
    // These compute something else, and are taken by name alone.
    Tuning { name: "gpu-half", half: true, ..GPU },
    Tuning { name: "gpu-matrix", half: true, matrices: true, ..GPU },
];

impl Tuning {
    /// The first variant for the adapter's class that it has the means for: a processor wants a workgroup to be one
    /// vector register and few long invocations, as each loads the weights; a GPU wants enough of them to fill it.
    pub fn of(adapter: &AdapterSummary) -> Self {
        *Tuning::of_class(adapter).first().expect("each class has a variant without needs")
    }

    /// All variants for the adapter's class that it has the means for, the one to take unmeasured first.
    pub fn of_class(adapter: &AdapterSummary) -> Vec<Self> {
        let class = if adapter.is_software() { "cpu" } else { "gpu" };
        // `cpu-tokens` is for comparison.
        let own = |v: &&Tuning| v.fits(adapter) && v.moments && !v.half && v.name.starts_with(class);
        VARIANTS.iter().filter(own).map(|v| Tuning { loops: adapter.loops, ..*v }).collect()
    }

    /// Whether the adapter has what the variant needs.
    pub fn fits(&self, adapter: &AdapterSummary) -> bool {
        let sums = self.subgroup == 1 || adapter.subgroup == Some(self.subgroup as u32);
        let has = |wanted: bool, feature: &str| !wanted || adapter.features.contains(&feature);
        sums && has(self.half, "f16") && has(self.matrices, "matrices")
    }

    /// The variant of that name, bounded by what the adapter can do.
    ///
    /// # Errors
    /// There is none, or the adapter lacks what it needs.
    pub fn named(name: &str, adapter: &AdapterSummary) -> Result<Self> {
        let fitting: Vec<&Tuning> = VARIANTS.iter().filter(|v| v.fits(adapter)).collect();
        let Some(found) = fitting.iter().find(|v| v.name == name) else {
            let names: Vec<&str> = fitting.iter().map(|v| v.name).collect();
            return Err(Error::Usage(format!(
                "variant `{name}` is none of this adapter's: {}",
                names.join(", ")
            )));
        };
        Ok(Tuning { loops: adapter.loops, ..**found })
    }

    /// Partial sums that so many lanes make.
    pub fn parts(&self, lanes: usize) -> usize {
        lanes / if self.shared { self.workgroup } else { self.subgroup }
    }

    /// Invocations for a batch, in whole workgroups: as many as there are prompts, at most `lanes`; more if `loops` of
    /// a program for that many go round too often.
    pub(super) fn lanes(&self, batch: usize, loops: impl Fn(usize) -> u64) -> usize {
        let most = batch.next_multiple_of(self.workgroup);
        let mut lanes = most.min(self.lanes.next_multiple_of(self.workgroup));
        while lanes < most && loops(lanes) > self.loops {
            lanes = (2 * lanes).min(most);
        }
        lanes
    }

    /// Invocations of a workgroup that is alone: more where `rounds` of so many go round too often.
    pub(super) fn single(&self, rounds: impl Fn(usize) -> u64) -> usize {
        let mut workgroup = self.update;
        while rounds(workgroup) > self.loops && workgroup < 1024 {
            workgroup *= 2;
        }
        workgroup
    }

    /// How `count` models of `room` words each share the drawing of prompts: in even groups, each of at most `group`
    /// models and of no more words than compile in seconds and stay in a processor's first cache.
    pub fn models(&self, count: usize, room: usize) -> Models {
        let most = self.group.min(GROUP_ROOM / room.max(1)).max(1);
        let groups = count.div_ceil(most).max(1);
        Models { count, group: count.div_ceil(groups) }
    }

    /// Workgroups of one invocation an item.
    pub fn groups(&self, items: usize) -> u32 {
        items.div_ceil(self.workgroup) as u32
    }
}

/// Words of weights and gradients of an invocation's models, twice where they descend two losses: eight of the paper's, or
/// four. Five with two losses take the software adapter's compiler more than a minute and a gigabyte.
const GROUP_ROOM: usize = 8 * (98 + 58);
