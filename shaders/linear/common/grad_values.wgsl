// With the delta rule: values stand in U.

@compute @workgroup_size(WG)
fn chunk_grad_values(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let token = group.x * WG + lane;
  if (!begin(group.z) || token >= unit.y) { return; }
  let row = unit.x + token;
  let beta = get_gates(gate_row, token).z;
  var share = vec4f();
  for (var i = 0u; i < V4; i++) {
    let own = head * V4 + i;
    let taken = get_tu(row, own);
    share += get_v(row, head / SHARING * V4 + i) * taken;
    put_dvalues(row, own, beta * taken);
  }
  put_marks(gate_row, token, vec4f(sum4(share), 0.0, 0.0, 0.0));
}
