// What the state behind a chunk has along its gradient: exp(b_c) is in all of it.

@group(0) @binding(3) var<storage, read_write> dots: array<f32>;   // [chunks, HEADS]

@compute @workgroup_size(WG)
fn state_dots(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  if (!begin(group.z)) { return; }
  let from_ = (unit.z + 1u) / TURNS * KEYS;
  var sum = vec4f();
  for (var at = lane; at < KEYS * V4; at += WG) {
    let row = from_ + at / V4;
    let quad = head * V4 + at % V4;
    sum += get_states(row, quad) * get_dstates(row, quad);
  }
  let all = sum_all(lane, (sum.x + sum.y) + (sum.z + sum.w));
  if (lane == 0u) { dots[gate_row] = all; }
}
