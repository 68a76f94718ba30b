//! A workgroup has a query an invocation; blocks of keys and values pass through workgroup memory.

use super::{Form, each, query_a_lane, softmax};
use crate::kernels::tensor::rope::Heads;

/// Bytes of workgroup memory for a block: what every device has.
const ROOM: usize = 16 << 10;
/// Keys whose scores are taken together.
const TOGETHER: usize = 4;

pub(super) fn form(heads: Heads, workgroup: usize) -> Form {
    let d4 = heads.dim / 4;
    let keys = (ROOM / (32 * d4) / TOGETHER * TOGETHER).clamp(TOGETHER, 32);
    // A query's vec4 are loaded again for each few keys, from the nearest cache: beside the sums, registers have no place.
    let start = each(TOGETHER, |j| format!("    var s{j} = 0.0;"));
    let scores = (0..d4).fold(start, |all, i| {
        let dots = each(TOGETHER, |j| format!("    s{j} += dot(q{i}, block_keys[(j + {j}u) * D4 + {i}u]);"));
        format!("{all}    let q{i} = get_queries(row, own + {i}u) * SCALE;\n{dots}")
    });
    let sums = each(d4, |i| {
        let terms = (0..TOGETHER)
            .map(|j| format!(" + p{j} * block_values[(j + {j}u) * D4 + {i}u]"))
            .collect::<String>();
        format!("    o{i} = o{i} * rescale{terms};")
    });
    let (room, softmax) = (keys * d4, softmax(TOGETHER, "j0 + j"));
    let block = format!(
        "    workgroupBarrier();
    for (var i = lane; i < {room}u; i += WG) {{
      let key = min(j0 + i / D4, last);
      block_keys[i] = get_keys(key, shared_ + i % D4);
      block_values[i] = get_values(key, shared_ + i % D4);
    }}
    workgroupBarrier();
    for (var turn = 0u; turn < {turns}u; turn++) {{
    let j = turn * {TOGETHER}u;
{scores}{softmax}{sums}    }}
",
        turns = keys / TOGETHER,
    );
    let shared = format!(
        "var<workgroup> block_keys: array<vec4f, {room}>;     // [{keys}, D4]
var<workgroup> block_values: array<vec4f, {room}>;   // [{keys}, D4]
"
    );
    let text = shared + &query_a_lane(d4, workgroup, keys, "", &block);
    Form { text, workgroup, queries: workgroup, keys, shared_bytes: 32 * keys * d4 }
}
