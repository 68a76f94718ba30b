// Sums over rows, column by column: gradients of a bias, and of a norm's weight. An invocation has a vec4 of columns and takes the
// rows in their order. The host side writes `term(row, quad)`: src/kernels/backward/col_sums.rs.

@group(0) @binding(0) var<uniform> cursor: vec4u;                     // x: rows
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;    // [QUADS]

@compute @workgroup_size(WG)
fn col_sums(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= QUADS) { return; }
  var sum = vec4f();
  for (var row = 0u; row < cursor.x; row++) { sum += term(row, at.x); }
  if (ADD == 1u) { sum += sums[at.x]; }
  sums[at.x] = sum;
}
