// Counter-based random numbers: pcg4d of (draw, prompt, step, key), and normals by Box-Muller in polynomials of our
// own, since WGSL bounds the built-in sine only to an absolute 2^-11. src/rng.rs holds the same stream for the host.

fn pcg4d(counter: vec4u) -> vec4u {
  var v = counter * 1664525u + 1013904223u;
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v;
}

// -2 ln(u) for u in (0, 1]: u = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh(s) with s = (m - 1) / (m + 1).
// Coefficients: minimax of -4 atanh(s) / s in s^2, relative error 1.2e-7.
fn minus_two_ln(u: f32) -> f32 {
  let bits = bitcast<i32>(u) - 0x3f3504f3;
  let e = f32(bits >> 23u);
  let f = bitcast<f32>((bits & 0x007fffff) + 0x3f3504f3) - 1.0;
  let s = f / (f + 2.0);
  let ss = s * s;
  return s * (-4.000000476837158 + ss * (-1.3330445289611816 + ss * -0.8259274363517761)) - e * 1.3862943611198906;
}

// Two independent N(0, 1) from two words. The radius takes 31 bits of the first. The second gives the direction: its
// low 30 bits an angle within an eighth of a turn, bit 30 swaps sine and cosine, bit 31 turns by half. Sine and cosine
// are minimax polynomials, relative error 3.3e-8.
fn normal_pair(radius: u32, direction: u32) -> vec2f {
  let u = (f32(bitcast<i32>(radius >> 1u)) + 1.0) * 4.656612873077393e-10;
  let r = bitcast<f32>(bitcast<u32>(sqrt(minus_two_ln(u))) ^ (direction & 0x80000000u));
  let x = f32(bitcast<i32>(direction << 2u)) * 3.6572951981678995e-10;
  let xx = x * x;
  let s = r * x * (1.0 + xx * (-0.16666650772094727 + xx * (0.008332016877830029 - xx * 0.00019501821952871978)));
  let c = r * (0.9999999403953552 + xx * (-0.49999842047691345 + xx * (0.04165441915392876 - xx * 0.0013579403748735785)));
  let swapped = (direction & 0x40000000u) != 0u;
  return vec2f(select(c, s, swapped), select(s, c, swapped));
}

// floor(word * bound / 2^32) without 64-bit integers: a uniform integer below `bound`.
fn below(word: u32, bound: u32) -> u32 {
  let a = word >> 16u;
  let b = word & 0xffffu;
  let c = bound >> 16u;
  let d = bound & 0xffffu;
  let low = b * d;
  let mid1 = a * d + (low >> 16u);
  let mid2 = b * c + (mid1 & 0xffffu);
  return a * c + (mid1 >> 16u) + (mid2 >> 16u);
}
