//! The kernels: each a triple of the same stem, shader, host side and reference, and one line in [`KERNELS`].

mod case;
pub mod grad_reduce;
mod loops;
pub mod masked_update;
pub mod normal;
pub mod prompt_eval;
pub mod prompt_sample;
pub mod prompt_step;
pub mod qk;
pub mod roof;
mod source;
mod unroll;

pub use case::{Bench, CANARIES, Case, Expect, POISON, Values};
pub use source::Source;

use crate::gpu::SOFTWARE_LOOPS;
use crate::gpu::{Access, AdapterSummary, Binding, Consts, Program, ProgramDesc as Desc};
use unroll::unroll;

/// A kernel as parity, bench and shader validation see it.
pub struct Kernel {
    /// Names `shaders/<stem>.wgsl`, `src/kernels/<stem>.rs` and `src/reference/<stem>.rs`.
    pub stem: &'static str,
    /// Parity cases, odd sizes included.
    pub cases: fn(&Tuning) -> Vec<Case>,
    /// What is timed, at the paper's sizes.
    pub benches: fn(&Tuning) -> Vec<Bench>,
}

/// Every kernel. A line here is all that parity, bench and validation need.
pub const KERNELS: &[Kernel] = &[
    Kernel { stem: "roof", cases: roof::cases, benches: roof::benches },
    Kernel { stem: "normal", cases: normal::cases, benches: normal::benches },
    Kernel { stem: "prompt_sample", cases: prompt_sample::cases, benches: prompt_sample::benches },
    Kernel { stem: "prompt_step", cases: prompt_step::cases, benches: prompt_step::benches },
    Kernel { stem: "prompt_eval", cases: prompt_eval::cases, benches: prompt_eval::benches },
    Kernel { stem: "grad_reduce", cases: grad_reduce::cases, benches: grad_reduce::benches },
    Kernel { stem: "qk", cases: qk::cases, benches: qk::benches },
    Kernel { stem: "masked_update", cases: masked_update::cases, benches: masked_update::benches },
];

/// How work is split on a class of device. Different splits give different last bits, so a run records its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Invocations a workgroup.
    pub workgroup: usize,
    /// Most invocations that share a batch of prompts, unless their loops would go round too often.
    pub lanes: usize,
    /// Invocations of the single workgroup that updates parameters.
    pub update: usize,
    /// Most times that the loops of an invocation may go round between them.
    pub loops: u64,
}

impl Tuning {
    /// A processor: a workgroup is one vector register, and few long invocations are best, as each loads the weights.
    pub const SOFTWARE: Tuning = Tuning { workgroup: 8, lanes: 64, update: 8, loops: SOFTWARE_LOOPS };
    /// A GPU: enough invocations to fill it.
    pub const GPU: Tuning = Tuning { workgroup: 64, lanes: 2048, update: 256, loops: u64::MAX };

    pub fn of(adapter: &AdapterSummary) -> Self {
        if adapter.is_software() { Self::SOFTWARE } else { Self::GPU }
    }

    /// Invocations for a batch, in whole workgroups: as many as there are prompts, at most `lanes`; more if `loops` of
    /// a program for that many go round too often.
    fn lanes(&self, batch: usize, loops: impl Fn(usize) -> u64) -> usize {
        let most = batch.next_multiple_of(self.workgroup);
        let mut lanes = most.min(self.lanes.next_multiple_of(self.workgroup));
        while lanes < most && loops(lanes) > self.loops {
            lanes = (2 * lanes).min(most);
        }
        lanes
    }

    /// Workgroups of one invocation an item.
    pub fn groups(&self, items: usize) -> u32 {
        items.div_ceil(self.workgroup) as u32
    }
}

/// Innermost copies up to which a marked loop nest is unrolled: a D³ nest of the paper's D = 7, a D² one to D = 22.
const UNROLL: usize = 512;

const RANDOM: &str = include_str!("../shaders/common/random.wgsl");
const LINEAR_ATTENTION: &str = include_str!("../shaders/common/linear_attention.wgsl");

const fn uniform(index: u32, name: &'static str) -> Binding {
    Binding { index, name, access: Access::Uniform }
}

const fn read(index: u32, name: &'static str) -> Binding {
    Binding { index, name, access: Access::Read }
}

const fn write(index: u32, name: &'static str) -> Binding {
    Binding { index, name, access: Access::ReadWrite }
}

/// Constants, then the parts of a shader, unrolled: a program.
fn program(
    kernel: &'static str,
    entry: &'static str,
    parts: &[&str],
    consts: Consts,
    bindings: Vec<Binding>,
    workgroup: usize,
    shared_bytes: usize,
) -> Program {
    let consts = consts.u32("WG", workgroup);
    let text = unroll(&[&[consts.text()], parts].concat().concat(), UNROLL);
    let loops = loops::iterations(&text, entry);
    Program::new(Desc {
        kernel,
        entry,
        wgsl: text,
        bindings,
        workgroup: workgroup as u32,
        shared_bytes: shared_bytes as u32,
        loops,
    })
}
