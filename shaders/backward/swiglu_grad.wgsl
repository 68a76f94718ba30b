// Gradient of silu(gate) ∘ up: with s = 1 / (1 + exp4(-gate)), dgate = dact ∘ up ∘ s (1 + gate (1 - s)) and dup = dact ∘ gate s.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows

@compute @workgroup_size(WG)
fn swiglu_grad(@builtin(global_invocation_id) at: vec3u) {
  if (at.y >= cursor.x || at.x >= QUADS) { return; }
  let gate = get_gate(at.y, at.x);
  let dact = get_dact(at.y, at.x);
  // Of a large negative number the exponential is infinite, and s zero as it should be.
  let s = 1.0 / (1.0 + exp4(-gate));
  put_dgate(at.y, at.x, dact * get_up(at.y, at.x) * (s + gate * s * (1.0 - s)));
  put_dup(at.y, at.x, dact * gate * s);
}
