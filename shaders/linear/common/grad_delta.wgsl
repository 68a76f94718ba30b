// With the delta rule: keys also stand in A and in Y.

@compute @workgroup_size(WG)
fn chunk_grad(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let token = group.x * WG + lane;
  if (!begin(group.z) || token >= unit.y) { return; }
  let row = unit.x + token;
  let gate = get_gates(gate_row, token);   // x: exp(b), z: β
  var decay = vec4f();
  var share = vec4f();
  for (var i = 0u; i < K4; i++) {
    let own = head * K4 + i;
    let key = get_k(row, head / SHARING * K4 + i);
    let later = get_dk(row, own);
    let met = get_nk(row, own) + gate.x * get_ty(row, own);
    decay += get_q(row, own) * get_dq(row, own) + key * (gate.z * met - later);
    share += key * met;
    put_dkeys(row, own, later + gate.z * met);
  }
  put_marks(gate_row, token, vec4f(sum4(decay), sum4(share), 0.0, 0.0));
}
