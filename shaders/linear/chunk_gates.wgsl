// Gates of a chunk's tokens. With g_i the logarithms of the decays and b_i = g_1 + … + g_i within the chunk, a token has
// exp(b_i), exp(b_c − b_i), β_i and b_i. The host side writes `decay_of` and `beta_of`: src/kernels/linear/chunk_gates.rs; what
// follows is common/gates_forward.wgsl or common/gates_backward.wgsl.

// What underflows is zero.
fn exp_of(x: f32) -> f32 { return select(exp1(x), 0.0, x < -87.0); }

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp1(-x)); }

// log(1 + exp(x)), to a few units in the last place on either side.
fn softplus(x: f32) -> f32 {
  let y = exp1(-abs(x));
  // log(1 + y) = y log(1 + y) / ((1 + y) − 1): what is lost in 1 + y is lost twice.
  let w = 1.0 + y;
  let small = select(log(w) * (y / (w - 1.0)), y, w == 1.0);
  return max(x, 0.0) + small;
}
