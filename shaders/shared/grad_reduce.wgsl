// grads[m, r] = sum over lanes of partials[m, r, lane], lanes in order; shape [MODELS, ROWS] in rows of GRADS.
// One invocation a row.

@group(0) @binding(0) var<storage, read> partials: array<f32>;     // [MODELS, ROWS, LANES]
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;  // [MODELS, GRADS]

@compute @workgroup_size(WG)
fn grad_reduce(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= MODELS * ROWS) { return; }
  var sum = 0.0;
  for (var lane = 0u; lane < LANES; lane++) { sum += partials[id.x * LANES + lane]; }
  grads[id.x / ROWS * GRADS + id.x % ROWS] = sum;
}
