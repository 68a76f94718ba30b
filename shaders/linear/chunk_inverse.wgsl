// T = (I + A)⁻¹ of a chunk and head: T_i = e_i − Σ_{j<i} A_ij T_j, rows in order. The host side writes out the rows
// (src/kernels/linear/chunk_inverse.rs), or a loop does (common/inverse_columns.wgsl).

fn columns(quad: u32) -> vec4u { return vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u); }

// A vec4 of a row of A: what is behind the last token is nothing.
fn below(row: u32, quad: u32) -> vec4f {
  let value = get_a(unit.x + min(row, unit.y - 1u), head * LENGTH / 4u + quad);
  return select(vec4f(), value, row < unit.y);
}

fn put(row: u32, quad: u32, value: vec4f) {
  if (row < unit.y) { put_inverse(unit.x + row, head * LENGTH / 4u + quad, value); }
}
