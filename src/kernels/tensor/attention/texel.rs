//! A subgroup has a query a lane; it loads a block of keys, and of values, side by side, and hands them round by shuffles
//! between constant lanes.

use super::{Form, each, query_a_lane, softmax};
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
    let queries = each(d4, |i| format!("  let q{i} = get_queries(row, own + {i}u) * SCALE;"));
    let block = [load("keys", "k"), scores, softmax(keys, "j0"), load("values", "v"), sums].concat();
    let text = query_a_lane(d4, lanes, keys, &queries, &block);
    Form { text, workgroup: lanes, queries: lanes, keys, shared_bytes: 0 }
}
