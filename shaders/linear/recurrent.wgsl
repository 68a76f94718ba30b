// The recurrence as it is defined: S = a S + k (β (v − a Sᵀ k))ᵀ, or S = a S + k vᵀ, and o = r Sᵀ q. An invocation has four columns of
// a head's state and takes the rows in order.

@compute @workgroup_size(WG)
fn recurrent(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= HEADS_ * V4) { return; }
  let own = at.x / V4;
  let shared_ = own / SHARING;
  for (var row = 0u; row < cursor.x; row++) {
    var a = 1.0;
    if (DECAY == 1u) { a = exp_of(decay_of(row, own)); }
    var new_ = get_v(row, shared_ * V4 + at.x % V4);
    if (DELTA == 1u) {
      var along = vec4f();
      // A bound that compilers know they write out, and load all of it at once; the cursor's third number is zero.
      for (var i = 0u; i < K4 + cursor.z; i++) {
        let k = get_k(row, shared_ * K4 + i);
        let from_ = 4u * i * PITCH + at.x;
        along += k.x * state[from_] + k.y * state[from_ + PITCH] + k.z * state[from_ + 2u * PITCH]
          + k.w * state[from_ + 3u * PITCH];
      }
      new_ = beta_of(row, own) * (new_ - a * along);
    }
    var sum = vec4f();
    for (var i = 0u; i < K4 + cursor.z; i++) {
      let k = get_k(row, shared_ * K4 + i);
      let q = get_q(row, own * K4 + i);
      for (var j = 0u; j < 4u; j++) {
        let place = (4u * i + j) * PITCH + at.x;
        let s = a * state[place] + k[j] * new_;
        state[place] = s;
        sum += q[j] * s;
      }
    }
    put_out(row, at.x, sum * reach(row));
  }
}
