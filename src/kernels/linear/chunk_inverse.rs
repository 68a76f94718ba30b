//! `chunk_inverse`: the inverse of I + A of each chunk and head, A below the diagonal, by forward substitution.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::{Frame, units};
use crate::gpu::{Consts, Recording};
use crate::kernels::layout::operand::{Bound, Operand, textured};
use crate::kernels::{Entry, Tuning, program};

/// `[rows, H c]`: `inverse` of what `a` has below the diagonal.
pub fn record(a: &Operand, inverse: &Operand, frame: &Frame, tuning: &Tuning) -> Recording {
    let (length, heads) = (frame.chunks.length, frame.sizes.heads);
    let bound = units(Bound::default(), &frame.chunks.all(), heads).read(a, 1, "a", a.rows()).write(
        inverse,
        2,
        "inverse",
        inverse.rows(),
    );
    let (workgroup, across, shared_bytes, loops, own) = if textured(tuning) {
        (tuning.subgroup, length / 4, 0, 0, substituted(length, tuning.subgroup))
    } else {
        // As many columns as a workgroup's memory has room for.
        let columns = (ROOM / length).min(length);
        let loops = length * (length / 4 + 4);
        (columns, length / columns, 4 * columns * length, loops as u64, COLUMNS.to_string())
    };
    let name = "chunk_inverse";
    let entry = Entry { kernel: name, name, workgroup, shared_bytes, loops };
    let consts = Consts::default().u32("LENGTH", length);
    let shader = include_str!("../../../shaders/linear/chunk_inverse.wgsl");
    let program = program(entry, &[&bound.text, shader, &own], consts, bound.bindings);
    let mut recording = Recording::default();
    let batches = frame.gate_rows() as u32;
    recording.launch(program, bound.resources, [across as u32, 1, batches]);
    recording
}

/// Words of workgroup memory that every device has.
const ROOM: usize = 4096;

const COLUMNS: &str = include_str!("../../../shaders/linear/common/inverse_columns.wgsl");

/// A row a lane, in groups of as many as there are lanes; a vec4 of columns of each. What is known of row k is taken from all rows
/// below it as soon as it is known.
fn substituted(length: usize, lanes: usize) -> String {
    let groups = length / lanes;
    let mut text = format!(
        "@compute @workgroup_size({lanes})
fn chunk_inverse(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  if (!begin(group.z)) {{ return; }}
"
    );
    for r in 0..groups {
        text += &format!("  var t{r} = vec4f(vec4u(lane + {}u) == columns(group.x));\n", r * lanes);
    }
    for own in 0..groups {
        // Blocks of a lane's rows that meet rows of this group.
        for r in own..groups {
            for q in 0..lanes / 4 {
                text += &format!(
                    "  let a{own}_{r}_{q} = below(lane + {}u, {}u);\n",
                    r * lanes,
                    own * lanes / 4 + q
                );
            }
        }
        for k in 0..lanes {
            text += &format!("  let k{own}_{k} = subgroupBroadcast(t{own}, {k}u);\n");
            for r in own..groups {
                let x = ["x", "y", "z", "w"][k % 4];
                text += &format!("  t{r} -= a{own}_{r}_{}.{x} * k{own}_{k};\n", k / 4);
            }
        }
    }
    for r in 0..groups {
        text += &format!("  put(lane + {}u, group.x, t{r});\n", r * lanes);
    }
    text + "}\n"
}
