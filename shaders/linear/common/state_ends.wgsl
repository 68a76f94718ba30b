// First or last states of sequences: an invocation has a vec4 of a key's row. The host side writes `end_of`, which puts or takes it.

@group(0) @binding(0) var<storage, read> sequences: array<vec4u>;   // slot of the first state, chunks, place of the first one

@compute @workgroup_size(WG)
fn state_ends(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let quad = group.x * WG + lane;
  let own = sequences[group.z];
  if (quad >= QUADS || own.y == 0u) { return; }
  let slot = own.x + select(0u, own.y, LAST == 1u);
  end_of(slot, slot / TURNS * KEYS + group.y, group.z * KEYS + group.y, quad);
}
