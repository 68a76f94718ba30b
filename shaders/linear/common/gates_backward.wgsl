// An invocation has a chunk and four heads: g_i is in b_j for all j ≥ i.

@compute @workgroup_size(WG)
fn chunk_gates_grad(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= COUNT || !begin(at.x / ACROSS * HEADS)) { return; }
  let quad = at.x % ACROSS;
  var sum = vec4f();
  for (var j = 0u; j < 4u; j++) {
    if (4u * quad + j < HEADS) { sum[j] = kept_of(gate_row + 4u * quad + j); }
  }
  for (var turn = 0u; turn < unit.y; turn++) {
    let i = unit.y - 1u - turn;
    let row = unit.x + i;
    var decay = vec4f();
    var a_log = vec4f();
    var beta = vec4f();
    for (var j = 0u; j < 4u; j++) {
      let own = 4u * quad + j;
      if (own < HEADS) {
        let mark = get_marks(gate_row + own, i);
        sum[j] += mark.x;
        decay[j] = sum[j] * slope_of(row, own);
        a_log[j] = sum[j] * decay_of(row, own);
        beta[j] = (mark.y + more_share(gate_row + own, i)) * beta_slope(row, own);
      }
    }
    put_ddecay(row, quad, decay);
    put_da_log(row, quad, a_log);
    put_dbeta(row, quad, beta);
  }
}
