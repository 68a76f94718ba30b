// An invocation has a chunk and head.

@compute @workgroup_size(WG)
fn chunk_gates(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= COUNT || !begin(at.x)) { return; }
  var all = 0.0;
  for (var i = 0u; i < unit.y; i++) { all += decay_of(unit.x + i, head); }
  var sum = 0.0;
  for (var quad = 0u; quad < LENGTH / 4u; quad++) {
    var four = vec4f();
    for (var j = 0u; j < 4u; j++) {
      let i = 4u * quad + j;
      // Behind the last token nothing decays, and nothing is there.
      var beta = 0.0;
      if (i < unit.y) {
        sum += decay_of(unit.x + i, head);
        beta = beta_of(unit.x + i, head);
      }
      four[j] = sum;
      put_gates(gate_row, i, vec4f(exp_of(sum), exp_of(all - sum), beta, sum));
    }
    put_decays(gate_row, quad, four);
  }
}
