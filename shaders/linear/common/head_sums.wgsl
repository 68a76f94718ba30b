// Sums over heads that share keys and values, in their order.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows

@compute @workgroup_size(WG)
fn head_sums(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let quad = group.x * WG + lane;
  if (quad >= QUADS || group.y >= cursor.x) { return; }
  var sum = vec4f();
  for (var i = 0u; i < SHARING; i++) {
    sum += get_x(group.y, (quad / D4 * SHARING + i) * D4 + quad % D4);
  }
  put_y(group.y, quad, sum);
}
