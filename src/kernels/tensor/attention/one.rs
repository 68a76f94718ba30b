//! A workgroup has one query, for decoding: each invocation takes each so-manieth key, and what they found is brought
//! together two by two.

use super::{Form, each, softmax};
use crate::kernels::tensor::rope::Heads;

/// Bytes of workgroup memory for what half of the invocations found.
const ROOM: usize = 8 << 10;

pub(super) fn form(heads: Heads) -> Form {
    let d4 = heads.dim / 4;
    let most = (2 * ROOM / (16 * d4)).clamp(2, 128);
    let workgroup = 1usize << most.ilog2();
    let half = workgroup / 2;
    let dots =
        each(d4, |i| format!("    s0 += dot(get_queries(row, own + {i}u), get_keys(j0, shared_ + {i}u));"))
            + "    s0 *= SCALE;\n";
    let sums = each(d4, |i| format!("    o{i} = o{i} * rescale + p0 * get_values(j0, shared_ + {i}u);"));
    let merge = |half: usize| {
        format!(
            "  workgroupBarrier();
  if (lane >= {half}u && lane < {whole}u) {{
    found[lane - {half}u] = vec2f(most, sum);
{give}  }}
  workgroupBarrier();
  if (lane < {half}u) {{
    let other = found[lane];
    let now = max(most, other.x);
    let mine = exp1(most - now);
    let theirs = exp1(other.x - now);
    most = now;
    sum = sum * mine + other.y * theirs;
{take}  }}
",
            whole = 2 * half,
            give = each(d4, |i| format!("    outs[(lane - {half}u) * D4 + {i}u] = o{i};")),
            take = each(d4, |i| format!("    o{i} = o{i} * mine + outs[lane * D4 + {i}u] * theirs;")),
        )
    };
    let stages: String = (0..workgroup.ilog2()).map(|stage| merge(half >> stage)).collect();
    let text = format!(
        "var<workgroup> found: array<vec2f, {half}>;        // largest score and sum
var<workgroup> outs: array<vec4f, {room}>;         // [{half}, D4]
@compute @workgroup_size({workgroup})
fn attention(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  let row = group.x;
  if (row >= cursor.x) {{ return; }}
  let own = group.y * D4;
  let shared_ = group.y / SHARING * D4;
  let place = cursor.y + row;
  let start = start_of(row);
  var most = LEAST;
  var sum = 0.0;
{outs}  for (var turn = 0u; turn * {workgroup}u + start <= place; turn++) {{
    let j = start + turn * {workgroup}u + lane;
    // The last turn may have fewer keys than lanes: these load one that is there, and don't see it.
    let j0 = min(j, place);
    var s0 = 0.0;
{dots}{softmax}{sums}  }}
{stages}  if (lane == 0u) {{
    put_sum(row, group.y, most + log(sum));
{put}  }}
}}
",
        room = half * d4,
        outs = each(d4, |i| format!("  var o{i} = vec4f();")),
        softmax = softmax(1, "j"),
        put = each(d4, |i| format!("    put_out(row, own + {i}u, softmaxed(o{i}, sum));")),
    );
    Form { text, workgroup, queries: 1, keys: workgroup, shared_bytes: (8 + 16 * d4) * half }
}
