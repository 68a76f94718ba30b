// h = x / sqrt(mean(x²) + EPS) ∘ weight, row by row (Zhang & Sennrich 2019, arXiv 1910.07467): a workgroup a row.

@group(0) @binding(0) var<uniform> cursor: vec4u;                 // x: rows
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;    // [QUADS]

@compute @workgroup_size(WG)
fn rms_norm(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  // A row, or the last of them into the first place.
  let row = select(group.x, cursor.x - 1u, LAST == 1u);
  if (row >= cursor.x) { return; }
  var squares = vec4f();
  for (var quad = lane; quad < QUADS; quad += WG) {
    let v = get_x(row, quad);
    squares += v * v;
  }
  let sum = sum_all(lane, (squares.x + squares.y) + (squares.z + squares.w));
  let scale = 1.0 / sqrt(sum / COLS + EPS);
  for (var quad = lane; quad < QUADS; quad += WG) {
    put_h(group.x, quad, get_x(row, quad) * scale * weight[quad]);
  }
}
