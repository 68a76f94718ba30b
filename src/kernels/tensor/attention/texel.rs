//! A subgroup has a query a lane; it loads a block of keys, and of values, side by side, and hands them round by shuffles
//! between constant lanes.

use super::{Form, each, softmax};
use crate::kernels::tensor::rope::Heads;

pub(super) fn form(heads: Heads, lanes: usize) -> Form {
    // As many keys as lanes: their vec4 then are whole loads whatever the width of a head.
    let (keys, d4) = (lanes, heads.dim / 4);
    let load = |of: &str, name: &str| {
        each(d4, |i| {
            let flat = format!("({}u + lane)", i * lanes);
            format!("    let {name}{i} = get_{of}(j0 + {flat} / {d4}u, shared_ + {flat} % {d4}u);")
        })
    };
    let handed = |name: &str, j: usize, i: usize| {
        let flat = j * d4 + i;
        format!("subgroupBroadcast({name}{}, {}u)", flat / lanes, flat % lanes)
    };
    let mut scores = String::new();
    for j in 0..keys {
        scores += &format!("    var s{j} = 0.0;\n");
        scores += &each(d4, |i| format!("    s{j} += dot(q{i}, {});", handed("k", j, i)));
    }
    let mut sums = String::new();
    for i in 0..d4 {
        sums += &format!("    o{i} *= rescale;\n");
        sums += &each(keys, |j| format!("    o{i} += p{j} * {};", handed("v", j, i)));
    }
    let text = format!(
        "@compute @workgroup_size({lanes})
fn attention(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  let first = group.x * {lanes}u;
  if (first >= cursor.x) {{ return; }}
  let row = min(first + lane, cursor.x - 1u);
  let own = group.y * D4;
  let shared_ = group.y / SHARING * D4;
{queries}  let place = cursor.y + row;
  let start = start_of(row);
  // Sequences begin one behind the other: the first row's is the first.
  let from_ = start_of(first) / {keys}u;
  let last = cursor.y + min(first + {lanes}u, cursor.x) - 1u;
  var most = LEAST;
  var sum = 0.0;
{outs}  for (var block = 0u; block <= last / {keys}u - from_; block++) {{
    let j0 = (from_ + block) * {keys}u;
{load_k}{scores}{softmax}{load_v}{sums}  }}
  if (first + lane < cursor.x) {{
{put}  }}
}}
",
        queries = each(d4, |i| format!("  let q{i} = get_queries(row, own + {i}u) * SCALE;")),
        outs = each(d4, |i| format!("  var o{i} = vec4f();")),
        load_k = load("keys", "k"),
        load_v = load("values", "v"),
        softmax = softmax(keys, "j0"),
        put = each(d4, |i| format!("    put_out(row, own + {i}u, softmaxed(o{i}, sum));")),
    );
    Form { text, workgroup: lanes, queries: lanes, keys, shared_bytes: 0 }
}
