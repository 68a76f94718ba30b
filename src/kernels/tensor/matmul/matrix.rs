//! The product by cooperative matrices, which tensor units multiply: a subgroup has four times two of them, 16 × 16 each, of C;
//! blocks of A and B pass through workgroup memory as f16, sums stay f32.
//!
//! A module of its own, as one driver can't take it beside arithmetic of subgroups (blade #333).

use super::{Form, Parts, Product};
use crate::gpu::Recording;
use crate::kernels::{Entry, written};

/// Invocations of a subgroup on the adapters that have these.
const SUBGROUP: usize = 32;
/// Subgroups of a workgroup, along rows and columns of C.
const HIGH: usize = 2;
const WIDE: usize = 4;
/// Matrices of a subgroup, along rows and columns of C.
const DOWN: usize = 4;
const ACROSS: usize = 2;
/// Rows and columns of a matrix.
const SIDE: usize = 16;
/// k's of a block.
const DEPTH: usize = 32;
/// Between a row's start in workgroup memory and the next one's: 16 bytes more than a row, for the banks.
const STRIDE: usize = DEPTH + 8;

const WORKGROUP: usize = SUBGROUP * HIGH * WIDE;
const ROWS: usize = SIDE * HIGH * DOWN;
const COLS: usize = SIDE * WIDE * ACROSS;

/// Whether a product is large enough for its tiles, and of the form that they are made for.
pub(super) fn fits(product: &Product) -> bool {
    product.form == Form::Nt && product.c.rows() >= ROWS / 2
}

pub(super) fn record(product: &Product) -> Recording {
    let parts = Parts::of(product);
    let [m, n, k] = parts.sizes;
    let blocks = k.div_ceil(DEPTH);
    // The sums go through the same memory as the blocks did.
    let words = (ROWS + COLS) * STRIDE / 2;
    let sums = HIGH * WIDE * SIDE * SIDE;
    let entry = Entry {
        kernel: "matmul",
        name: "matmul",
        workgroup: WORKGROUP,
        shared_bytes: 4 * (words + sums),
        loops: (blocks + DOWN * ACROSS) as u64,
    };
    let consts = parts.consts.clone().u32("BLOCKS", blocks).u32("COLS", n).u32("K4", k.div_ceil(4));
    let enable = include_str!("../../../../shaders/tensor/common/matrices.wgsl");
    let wgsl = [enable, consts.text(), &parts.text(), &text()].concat();
    let program = written(entry, wgsl, parts.bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, parts.bound.resources, [n.div_ceil(COLS) as u32, m.div_ceil(ROWS) as u32]);
    recording
}

fn text() -> String {
    let each = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let loads = |name: &str, rows: usize| {
        // vec4 of a block's rows, eight a row, neighbours along k.
        each(rows * DEPTH / 4 / WORKGROUP, &|i| {
            format!("    put_{name}(lane + {}u, block, start_{name});\n", i * WORKGROUP)
        })
    };
    let put = |name: &str, last: &str, guard: &str| {
        format!(
            "fn put_{name}(at: u32, block: u32, start: u32) {{
  let row = at / {quads}u;
  let quad = at % {quads}u;
  let k = block * {quads}u + quad;
  let there = k < K4{guard};
  let value = select(vec4f(), get_{name}(min(start + row, {last}), min(k, K4 - 1u)), there);
  let to = row * {STRIDE}u + 4u * quad;
  block_{name}[to] = f16(value.x);
  block_{name}[to + 1u] = f16(value.y);
  block_{name}[to + 2u] = f16(value.z);
  block_{name}[to + 3u] = f16(value.w);
}}
",
            quads = DEPTH / 4
        )
    };
    let sums = each(DOWN * ACROSS, &|i| format!("  var c{i} = coop_mat16x16<f32, C>();\n"));
    let steps = each(DEPTH / SIDE, &|s| {
        let a = each(DOWN, &|i| {
            let at = format!("({}u * high + {}u) * {STRIDE}u + {}u", SIDE * DOWN, SIDE * i, SIDE * s);
            format!("    let a{s}_{i} = coopLoadT<coop_mat16x16<f16, A>>(&block_a[{at}], {STRIDE}u);\n")
        });
        let b = each(ACROSS, &|j| {
            let at = format!("({}u * wide + {}u) * {STRIDE}u + {}u", SIDE * ACROSS, SIDE * j, SIDE * s);
            format!("    let b{s}_{j} = coopLoad<coop_mat16x16<f16, B>>(&block_b[{at}], {STRIDE}u);\n")
        });
        let multiply = each(DOWN * ACROSS, &|i| {
            format!("    c{i} = coopMultiplyAdd(a{s}_{}, b{s}_{}, c{i});\n", i / ACROSS, i % ACROSS)
        });
        a + &b + &multiply
    });
    let out = each(DOWN * ACROSS, &|i| {
        let (down, across) = (i / ACROSS, i % ACROSS);
        format!(
            "  workgroupBarrier();
  coopStoreT(c{i}, &sums[own * {size}u], {SIDE}u);
  workgroupBarrier();
  for (var i = 0u; i < {turns}u; i++) {{
    let at = own * {size}u + 4u * (turn + {SUBGROUP}u * i);
    let row = (turn + {SUBGROUP}u * i) / 4u;
    let value = vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
    finish(start_a + {rows}u * high + {down_}u + row, (start_b + {cols}u * wide + {across_}u) / 4u + turn % 4u, value);
  }}
",
            size = SIDE * SIDE,
            turns = SIDE * SIDE / 4 / SUBGROUP,
            rows = SIDE * DOWN,
            cols = SIDE * ACROSS,
            down_ = SIDE * down,
            across_ = SIDE * across
        )
    });
    format!(
        "var<workgroup> block_a: array<f16, {a}>;   // [{ROWS}, {STRIDE}]
var<workgroup> block_b: array<f16, {b}>;   // [{COLS}, {STRIDE}]
var<workgroup> sums: array<f32, {c}>;      // a matrix a subgroup
{put_a}{put_b}@compute @workgroup_size({WORKGROUP})
fn matmul(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  let own = lane / {SUBGROUP}u;
  let turn = lane % {SUBGROUP}u;
  let high = own / {WIDE}u;
  let wide = own % {WIDE}u;
  let start_a = group.y * {ROWS}u;
  let start_b = group.x * {COLS}u;
{sums}  for (var block = 0u; block < BLOCKS; block++) {{
    workgroupBarrier();
{load_a}{load_b}    workgroupBarrier();
{steps}  }}
{out}}}
",
        a = ROWS * STRIDE,
        b = COLS * STRIDE,
        c = HIGH * WIDE * SIDE * SIDE,
        put_a = put("a", "rows() - 1u", ""),
        put_b = put("b", "COLS - 1u", " && start + row < COLS"),
        load_a = loads("a", ROWS),
        load_b = loads("b", COLS),
    )
}
