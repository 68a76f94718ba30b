// Gradient of h = x r ∘ weight, r = 1 / sqrt(mean(x²) + EPS), row by row: dx = r (weight ∘ dy) - r³ mean(weight ∘ dy ∘ x) x, plus
// another gradient of x. A workgroup a row; r is left for the weight's own gradient.

@group(0) @binding(0) var<uniform> cursor: vec4u;                        // x: rows
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;           // [QUADS]
@group(0) @binding(6) var<storage, read_write> scales: array<f32>;       // [rows]: r

@compute @workgroup_size(WG)
fn rms_norm_grad(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.x;
  if (row >= cursor.x) { return; }
  var squares = vec4f();
  var pulls = vec4f();
  for (var quad = lane; quad < QUADS; quad += WG) {
    let v = get_x(row, quad);
    squares += v * v;
    pulls += v * get_dy(row, quad) * weight[quad];
  }
  let sum = sum_all(lane, (squares.x + squares.y) + (squares.z + squares.w));
  let along = sum_all(lane, (pulls.x + pulls.y) + (pulls.z + pulls.w));
  let scale = 1.0 / sqrt(sum / COLS + EPS);
  let pull = along * scale * scale * scale / COLS;
  for (var quad = lane; quad < QUADS; quad += WG) {
    let own = get_dy(row, quad) * weight[quad] * scale - get_x(row, quad) * pull;
    put_dx(row, quad, own + other_of(row, quad));
  }
  if (lane == 0u) { scales[row] = scale; }
}
