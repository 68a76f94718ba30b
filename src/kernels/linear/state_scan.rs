//! `state_scan`: states from chunk to chunk, forward or back, where no delta rule ties them to what they meet; and what two
//! states have along each other.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::chunk_product::Gates;
use super::{Frame, units};
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, lanes, program, read, write};

/// Which way states go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// S_{n+1} = exp(b_c) S_n + what is added at n + 1.
    Forward,
    /// dS_n = exp(b_c) dS_{n+1} + what is added at n.
    Back,
}

const SHADER: &str = include_str!("../../../shaders/linear/state_scan.wgsl");
const ENDS: &str = include_str!("../../../shaders/linear/common/state_ends.wgsl");
const DOTS: &str = include_str!("../../../shaders/linear/common/state_dots.wgsl");

/// `[slots K, H V]`: states of what is added at each slot, the first of which is the first state (or the last one, the last).
pub fn record(
    added: &Operand,
    states: &Operand,
    way: Way,
    gates: Option<&Gates>,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let (sizes, room) = (frame.sizes, frame.chunks.room);
    let mut bound = Bound::default()
        .with(read(0, "sequences").words(4 * room.sequences), frame.chunks.sequences())
        .read(added, 1, "added", added.rows())
        .write(states, 2, "states", states.rows());
    let mut carry = "1.0".to_string();
    if let Some(gates) = gates.filter(|_| frame.rule.decay) {
        bound = bound.read(&gates.gates, 3, "gates", gates.gates.rows());
        carry = format!("get_gates(place * {}u + head, {}u).x", sizes.heads, frame.chunks.length - 1);
    }
    bound.text += &format!("fn carry(place: u32, head: u32) -> f32 {{ return {carry}; }}\n");
    let name = "state_scan";
    let loops = frame.chunks.steps() as u64;
    let entry = Entry { kernel: name, name, workgroup: tuning.workgroup, shared_bytes: 0, loops };
    let quads = sizes.heads * sizes.values / 4;
    let consts = Consts::default().u32("KEYS", sizes.keys).u32("V4", sizes.values / 4).u32("QUADS", quads);
    let consts = consts.u32("BACK", (way == Way::Back).into());
    let program = program(entry, &[&bound.text, SHADER], consts, bound.bindings);
    let mut recording = Recording::default();
    let groups = [tuning.groups(quads), sizes.keys as u32, room.sequences as u32];
    recording.launch(program, bound.resources, groups);
    recording
}

/// What becomes of the first or last states of sequences.
#[derive(Clone, Copy)]
pub enum Ends<'a> {
    /// They become what `[sequences K, H V]` holds, or zeros.
    Put(Option<&'a Operand>),
    /// `[sequences K, H V]` takes them.
    Take(&'a Operand),
}

/// First states where states go forward, or those behind the last chunks.
pub fn ends(states: &[Operand], ends: Ends, last: bool, frame: &Frame, tuning: &Tuning) -> Recording {
    let (sizes, room, turns) = (frame.sizes, frame.chunks.room, states.len());
    let mut bound =
        Bound::default().with(read(0, "sequences").words(4 * room.sequences), frame.chunks.sequences());
    let names = ["states", "others"];
    let text = match ends {
        Ends::Put(from) => {
            for (i, (array, name)) in states.iter().zip(names).enumerate().take(if last { 2 } else { 1 }) {
                bound = bound.write(array, 1 + i as u32, name, array.rows());
            }
            let value = match from {
                Some(from) => {
                    bound = bound.read(from, 3, "given", from.rows());
                    "get_given(end, quad)"
                }
                None => "vec4f()",
            };
            match turns == 2 && last {
                true => format!(
                    "if (slot % 2u == 0u) {{ put_states(row, quad, {value}); }} else {{ put_others(row, quad, {value}); }}"
                ),
                false => format!("put_states(row, quad, {value});"),
            }
        }
        Ends::Take(to) => {
            for (i, (array, name)) in states.iter().zip(names).enumerate().take(if last { 2 } else { 1 }) {
                bound = bound.read(array, 1 + i as u32, name, array.rows());
            }
            bound = bound.write(to, 3, "taken", to.rows());
            match turns == 2 && last {
                true => {
                    "if (slot % 2u == 0u) { put_taken(end, quad, get_states(row, quad)); } else { put_taken(end, quad, get_others(row, quad)); }"
                        .to_string()
                }
                false => "put_taken(end, quad, get_states(row, quad));".to_string(),
            }
        }
    };
    bound.text += &format!("fn end_of(slot: u32, row: u32, end: u32, quad: u32) {{ {text} }}\n");
    let name = "state_ends";
    let entry = Entry { kernel: "state_scan", name, workgroup: tuning.workgroup, shared_bytes: 0, loops: 0 };
    let quads = sizes.heads * sizes.values / 4;
    let consts = Consts::default()
        .u32("KEYS", sizes.keys)
        .u32("QUADS", quads)
        .u32("TURNS", turns)
        .u32("LAST", last.into());
    let program = program(entry, &[&bound.text, ENDS], consts, bound.bindings);
    let mut recording = Recording::default();
    let groups = [tuning.groups(quads), sizes.keys as u32, room.sequences as u32];
    recording.launch(program, bound.resources, groups);
    recording
}

/// `[chunks, H]`: what the state behind each chunk has along its gradient.
pub fn dots(
    states: &[Operand],
    dstates: &[Operand],
    out: &Buffer,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let (sizes, turns) = (frame.sizes, states.len());
    let mut recording = Recording::default();
    for odd in 0..turns {
        let chunks = if turns == 1 { frame.chunks.all() } else { frame.chunks.every_other(odd) };
        let after = (odd + 1) % turns;
        let bound = units(Bound::default(), &chunks, sizes.heads)
            .read(&states[after], 1, "states", states[after].rows())
            .read(&dstates[after], 2, "dstates", dstates[after].rows())
            .with(write(3, "dots").words(frame.gate_rows()), out.clone());
        let rounds = (sizes.keys * sizes.values / 4).div_ceil(tuning.workgroup);
        let name = "state_dots";
        let entry = Entry {
            kernel: "state_scan",
            name,
            workgroup: tuning.workgroup,
            shared_bytes: lanes::shared(tuning),
            loops: rounds as u64,
        };
        let consts =
            Consts::default().u32("KEYS", sizes.keys).u32("V4", sizes.values / 4).u32("TURNS", turns);
        let program = program(entry, &[&bound.text, &lanes::text(tuning), DOTS], consts, bound.bindings);
        recording.launch(program, bound.resources, [1, 1, (chunks.len() / 8 * sizes.heads) as u32]);
    }
    recording
}
