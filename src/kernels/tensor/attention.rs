//! `attention`: causal softmax attention with grouped key/value heads, behind any number of tokens that came before.

mod cases;
mod one;
mod texel;
mod tile;

pub(in crate::kernels) use cases::{benches, cases};

use super::EXP;
use super::rope::{Cache, Heads};
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand, textured};
use crate::kernels::layout::starts::Starts;
use crate::kernels::{Entry, Tuning, program, write};

/// What a launch takes and where it goes.
pub struct Attention<'a> {
    /// `[rows, H D]`, turned by their positions.
    pub queries: &'a Operand,
    /// Those of the past and of these rows.
    pub cache: &'a Cache,
    /// `[rows, H D]`.
    pub out: &'a Operand,
    /// `[rows, H]`: takes the logarithms of the sums of exponentials of the scores, which a gradient asks for.
    pub sums: Option<&'a Buffer>,
    /// Where each row's sequence begins.
    pub starts: &'a Starts,
    /// Rows and past.
    pub cursor: &'a Cursor,
    /// How many rows there may be.
    pub rows: usize,
}

/// How a variant has queries and keys meet.
struct Form {
    text: String,
    workgroup: usize,
    /// Queries of a workgroup.
    queries: usize,
    /// Keys of a block.
    keys: usize,
    shared_bytes: usize,
}

/// Most rows that are taken one by one, a workgroup each.
const FEW: usize = 4;

/// A launch.
pub fn record(attention: &Attention, heads: Heads, tuning: &Tuning) -> Recording {
    let Attention { queries, cache, out, sums, starts, cursor, rows } = *attention;
    let form = match textured(tuning) {
        true => texel::form(heads, tuning.subgroup),
        false if rows <= FEW => one::form(heads),
        false => tile::form(heads, tuning.workgroup),
    };
    let cached = cache.keys.rows();
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .read(queries, 1, "queries", rows)
        .read(&cache.keys, 2, "keys", cached)
        .read(&cache.values, 3, "values", cached)
        .write(out, 4, "out", rows);
    let bound = with_sums(starts.bind(bound, 5, rows), sums, rows * heads.queries);
    let consts = Consts::default()
        .u32("D4", heads.dim / 4)
        .u32("HEADS", heads.queries)
        .u32("SHARING", heads.queries / heads.groups)
        .f32("SCALE", 1.0 / (heads.dim as f64).sqrt());
    let entry = Entry {
        kernel: "attention",
        name: "attention",
        workgroup: form.workgroup,
        shared_bytes: form.shared_bytes,
        loops: (cached.div_ceil(form.keys) * form.keys.div_ceil(4).max(1)) as u64,
    };
    let shader = include_str!("../../../shaders/tensor/attention.wgsl");
    let program = program(entry, &[&bound.text, EXP, shader, &form.text], consts, bound.bindings);
    let groups = [rows.div_ceil(form.queries) as u32, heads.queries as u32];
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, groups);
    recording
}

/// Declares `put_sum(row, head, value)`.
fn with_sums(mut bound: Bound, sums: Option<&Buffer>, words: usize) -> Bound {
    let Some(sums) = sums else {
        bound.text += "fn put_sum(row: u32, head: u32, value: f32) {}\n";
        return bound;
    };
    bound.text += "@group(0) @binding(6) var<storage, read_write> sums: array<f32>;   // [rows, HEADS]\n";
    bound.text += "fn put_sum(row: u32, head: u32, value: f32) { sums[row * HEADS + head] = value; }\n";
    bound.with(write(6, "sums").words(words), sums.clone())
}

/// Lines for every vec4 of a head.
fn each(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|i| line(i) + "\n").collect()
}

/// The entry point of a form whose workgroup has a query a lane: what `load` begins with and `block` does with the keys from
/// `j0` on, so many at a time.
fn query_a_lane(d4: usize, lanes: usize, keys: usize, load: &str, block: &str) -> String {
    format!(
        "@compute @workgroup_size({lanes})
fn attention(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  let first = group.x * {lanes}u;
  if (first >= cursor.x) {{ return; }}
  let row = min(first + lane, cursor.x - 1u);
  let own = group.y * D4;
  let shared_ = group.y / SHARING * D4;
{load}  let place = cursor.y + row;
  let start = start_of(row);
  // Sequences begin one behind the other: the first row's is the first.
  let from_ = start_of(first) / {keys}u;
  let last = cursor.y + min(first + {lanes}u, cursor.x) - 1u;
  var most = LEAST;
  var sum = 0.0;
{outs}  for (var block = 0u; block <= last / {keys}u - from_; block++) {{
    let j0 = (from_ + block) * {keys}u;
{block}  }}
  if (first + lane < cursor.x) {{
    put_sum(row, group.y, most + log(sum));
{put}  }}
}}
",
        outs = each(d4, |i| format!("  var o{i} = vec4f();")),
        put = each(d4, |i| format!("    put_out(row, own + {i}u, softmaxed(o{i}, sum));")),
    )
}

/// What scores of keys `j0 + 0 …` in `s0 …` do to the largest, the sum and `rescale`: `p0 …` are left, 0 of what is not seen.
fn softmax(keys: usize, j0: &str) -> String {
    let seen = each(keys, |j| format!("    let seen{j} = {j0} + {j}u <= place && {j0} + {j}u >= start;"));
    let most =
        (0..keys).fold("most".to_string(), |all, j| format!("max({all}, select(LEAST, s{j}, seen{j}))"));
    let p = each(keys, |j| format!("    let p{j} = select(0.0, exp1(s{j} - now), seen{j});"));
    let sum = (1..keys).fold("p0".to_string(), |all, j| format!("{all} + p{j}"));
    format!(
        "{seen}    let now = {most};\n    let rescale = exp1(most - now);\n    most = now;\n{p}    sum = sum * rescale + ({sum});\n"
    )
}
