// Gradient of rows taken from a table: rows that took the same one are added up in their order, so that the bits are the same
// every time. A row of workgroups a token that was taken; tokens FROM to TO of the table, which may be a piece of it.

@group(0) @binding(0) var<uniform> taken: vec4u;                  // x: different tokens
@group(0) @binding(1) var<storage, read> tokens: array<vec4u>;    // [tokens]: token, its first place in `order`, the one behind
@group(0) @binding(2) var<storage, read> order: array<u32>;       // [rows]: rows by their token

@compute @workgroup_size(WG)
fn embed_grad(@builtin(global_invocation_id) at: vec3u) {
  if (at.y >= taken.x || at.x >= QUADS) { return; }
  let own = tokens[at.y];
  if (own.x < FROM || own.x >= TO) { return; }
  var sum = vec4f();
  for (var i = 0u; i < own.z - own.y; i++) { sum += get_dx(order[own.y + i], at.x); }
  let place = (own.x - FROM) * PITCH + at.x;
  table[place] += sum;
}
