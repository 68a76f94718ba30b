// States from chunk to chunk: an invocation has a vec4 of a key's row of a sequence's state and takes the chunks in order.

@group(0) @binding(0) var<storage, read> sequences: array<vec4u>;   // slot of the first state, chunks, place of the first one

@compute @workgroup_size(WG)
fn state_scan(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let quad = group.x * WG + lane;
  let own = sequences[group.z];
  if (quad >= QUADS || own.y == 0u) { return; }
  let head = quad / V4;
  let key = group.y;
  let first = select(own.x, own.x + own.y, BACK == 1u);
  var state = get_added(first * KEYS + key, quad);
  put_states(first * KEYS + key, quad, state);
  for (var n = 0u; n < own.y; n++) {
    let chunk = select(n, own.y - 1u - n, BACK == 1u);
    let slot = own.x + select(chunk + 1u, chunk, BACK == 1u);
    state = state * carry(own.z + chunk, head) + get_added(slot * KEYS + key, quad);
    put_states(slot * KEYS + key, quad, state);
  }
}
