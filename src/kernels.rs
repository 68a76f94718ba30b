//! The kernels, in wings: each a shader and a host side of the same stem, and one line in [`KERNELS`].

pub mod backward;
mod case;
mod given;
mod lanes;
pub mod layout;
pub mod linear;
pub mod mixing;
pub mod prompt;
pub mod shared;
pub mod tensor;
mod tuning;
pub mod update;

pub use case::{Bench, CANARIES, Case, Expect, KEPT, POISON, Values};
pub use tuning::{Tuning, VARIANTS};

use crate::gpu::{Access, Binding, Consts, Program, ProgramDesc};
use backward::{
    attention_grad, col_sums, cross_entropy_grad, embed_grad, rms_norm_grad, rope_grad, swiglu_grad,
};
use linear::{chunk_gates, chunk_grad, chunk_inverse, chunk_product, feature_map, recurrent, state_scan};
use prompt::{prompt_eval, prompt_moments, prompt_sample, prompt_step, prompt_train, qk};
use shared::{grad_reduce, masked_update, normal, roof};
use tensor::{attention, cross_entropy, dropout, embed, matmul, matvec, rms_norm, rope, swiglu};
use update::{block_update, grad_norm, lone_update};

/// A kernel as parity, bench and shader validation see it.
pub struct Kernel {
    /// Where it stands: `shaders/<wing>/` and `src/kernels/<wing>/`.
    pub wing: &'static str,
    /// Names `<stem>.wgsl` and `<stem>.rs` there; the references of several are in `src/reference/`.
    pub stem: &'static str,
    /// Parity cases, odd sizes included.
    pub cases: fn(&Tuning) -> Vec<Case>,
    /// What is timed, at the paper's sizes.
    pub benches: fn(&Tuning) -> Vec<Bench>,
}

/// Every kernel. A line here is all that parity, bench and validation need.
pub const KERNELS: &[Kernel] = &[
    Kernel { wing: "shared", stem: "roof", cases: roof::cases, benches: roof::benches },
    Kernel { wing: "shared", stem: "normal", cases: normal::cases, benches: normal::benches },
    Kernel {
        wing: "prompt",
        stem: "prompt_sample",
        cases: prompt_sample::cases,
        benches: prompt_sample::benches,
    },
    Kernel {
        wing: "prompt",
        stem: "prompt_moments",
        cases: prompt_moments::cases,
        benches: prompt_moments::benches,
    },
    Kernel { wing: "prompt", stem: "prompt_step", cases: prompt_step::cases, benches: prompt_step::benches },
    Kernel {
        wing: "prompt",
        stem: "prompt_train",
        cases: prompt_train::cases,
        benches: prompt_train::benches,
    },
    Kernel { wing: "prompt", stem: "prompt_eval", cases: prompt_eval::cases, benches: prompt_eval::benches },
    Kernel { wing: "shared", stem: "grad_reduce", cases: grad_reduce::cases, benches: grad_reduce::benches },
    Kernel { wing: "prompt", stem: "qk", cases: qk::cases, benches: qk::benches },
    Kernel {
        wing: "shared",
        stem: "masked_update",
        cases: masked_update::cases,
        benches: masked_update::benches,
    },
    Kernel { wing: "tensor", stem: "matmul", cases: matmul::cases, benches: matmul::benches },
    Kernel { wing: "tensor", stem: "matvec", cases: matvec::cases, benches: matvec::benches },
    Kernel { wing: "tensor", stem: "embed", cases: embed::cases, benches: embed::benches },
    Kernel { wing: "tensor", stem: "rms_norm", cases: rms_norm::cases, benches: rms_norm::benches },
    Kernel { wing: "tensor", stem: "rope", cases: rope::cases, benches: rope::benches },
    Kernel { wing: "tensor", stem: "attention", cases: attention::cases, benches: attention::benches },
    Kernel { wing: "tensor", stem: "swiglu", cases: swiglu::cases, benches: swiglu::benches },
    Kernel { wing: "tensor", stem: "dropout", cases: dropout::cases, benches: dropout::benches },
    Kernel {
        wing: "tensor",
        stem: "cross_entropy",
        cases: cross_entropy::cases,
        benches: cross_entropy::benches,
    },
    Kernel {
        wing: "backward",
        stem: "rms_norm_grad",
        cases: rms_norm_grad::cases,
        benches: rms_norm_grad::benches,
    },
    Kernel { wing: "backward", stem: "rope_grad", cases: rope_grad::cases, benches: rope_grad::benches },
    Kernel {
        wing: "backward",
        stem: "attention_grad",
        cases: attention_grad::cases,
        benches: attention_grad::benches,
    },
    Kernel {
        wing: "backward",
        stem: "swiglu_grad",
        cases: swiglu_grad::cases,
        benches: swiglu_grad::benches,
    },
    Kernel {
        wing: "backward",
        stem: "cross_entropy_grad",
        cases: cross_entropy_grad::cases,
        benches: cross_entropy_grad::benches,
    },
    Kernel { wing: "backward", stem: "embed_grad", cases: embed_grad::cases, benches: embed_grad::benches },
    Kernel { wing: "backward", stem: "col_sums", cases: col_sums::cases, benches: col_sums::benches },
    Kernel { wing: "linear", stem: "chunk_gates", cases: chunk_gates::cases, benches: chunk_gates::benches },
    Kernel {
        wing: "linear",
        stem: "chunk_product",
        cases: chunk_product::cases,
        benches: chunk_product::benches,
    },
    Kernel {
        wing: "linear",
        stem: "chunk_inverse",
        cases: chunk_inverse::cases,
        benches: chunk_inverse::benches,
    },
    Kernel { wing: "linear", stem: "state_scan", cases: state_scan::cases, benches: state_scan::benches },
    Kernel { wing: "linear", stem: "chunk_grad", cases: chunk_grad::cases, benches: chunk_grad::benches },
    Kernel { wing: "linear", stem: "feature_map", cases: feature_map::cases, benches: feature_map::benches },
    Kernel { wing: "linear", stem: "recurrent", cases: recurrent::cases, benches: recurrent::benches },
    Kernel { wing: "update", stem: "grad_norm", cases: grad_norm::cases, benches: grad_norm::benches },
    Kernel {
        wing: "update",
        stem: "block_update",
        cases: block_update::cases,
        benches: block_update::benches,
    },
    Kernel { wing: "update", stem: "lone_update", cases: lone_update::cases, benches: lone_update::benches },
];

const fn uniform(index: u32, name: &'static str) -> Binding {
    Binding::new(index, name, Access::Uniform)
}

const fn read(index: u32, name: &'static str) -> Binding {
    Binding::new(index, name, Access::Read)
}

const fn write(index: u32, name: &'static str) -> Binding {
    Binding::new(index, name, Access::ReadWrite)
}

/// What an entry point is called, and what it takes of an adapter.
struct Entry {
    kernel: &'static str,
    name: &'static str,
    /// Invocations a workgroup.
    workgroup: usize,
    /// Bytes of workgroup memory.
    shared_bytes: usize,
    /// Most rounds of an invocation's loops, between them.
    loops: u64,
}

/// Constants, then the parts of a shader: a program.
fn program(entry: Entry, parts: &[&str], consts: Consts, bindings: Vec<Binding>) -> Program {
    let consts = consts.u32("WG", entry.workgroup);
    // Directives stand before all else.
    let enable = if parts.iter().any(|part| part.contains("<f16>")) { "enable f16;\n" } else { "" };
    written(entry, [&[enable, consts.text()], parts].concat().concat(), bindings)
}

/// A program of a whole text.
fn written(entry: Entry, wgsl: String, bindings: Vec<Binding>) -> Program {
    Program::new(ProgramDesc {
        kernel: entry.kernel,
        entry: entry.name,
        wgsl,
        bindings,
        workgroup: entry.workgroup as u32,
        shared_bytes: entry.shared_bytes as u32,
        loops: entry.loops,
    })
}
