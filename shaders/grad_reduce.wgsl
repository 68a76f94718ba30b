// grads[r] = sum over lanes of partials[r, lane], lanes in order; shape [ROWS].
// One invocation a row.

@group(0) @binding(0) var<storage, read> partials: array<f32>;     // [ROWS, LANES]
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;  // [ROWS, ...]

@compute @workgroup_size(WG)
fn grad_reduce(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ROWS) { return; }
  var sum = 0.0;
  for (var lane = 0u; lane < LANES; lane++) { sum += partials[id.x * LANES + lane]; }
  grads[id.x] = sum;
}
