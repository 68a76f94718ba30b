// silu(gate) ∘ up (Shazeer 2020, arXiv 2002.05202).

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows

@compute @workgroup_size(WG)
fn swiglu(@builtin(global_invocation_id) at: vec3u) {
  if (at.y >= cursor.x || at.x >= QUADS) { return; }
  let gate = get_gate(at.y, at.x);
  // Of a large negative number the exponential is infinite, and the quotient zero as it should be.
  put_act(at.y, at.x, gate / (1.0 + exp4(-gate)) * get_up(at.y, at.x));
}
