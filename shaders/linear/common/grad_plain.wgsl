// Without the delta rule: what b has, from queries and keys.
@compute @workgroup_size(WG)
fn chunk_grad(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let token = group.x * WG + lane;
  if (!begin(group.z) || token >= unit.y) { return; }
  let row = unit.x + token;
  var sum = vec4f();
  for (var i = 0u; i < K4; i++) {
    let own = head * K4 + i;
    sum += get_q(row, own) * get_dq(row, own) - get_k(row, head / SHARING * K4 + i) * get_dk(row, own);
  }
  put_marks(gate_row, token, vec4f(sum4(sum), 0.0, 0.0, 0.0));
}
