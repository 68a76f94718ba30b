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

// ln(u) for u in (0, 1]: exponent and a polynomial in the mantissa taken to [sqrt(1/2), sqrt(2)).
fn ln_unit(u: f32) -> f32 {
  let bits = bitcast<u32>(u) - 0x3f3504f3u;
  let e = f32(bitcast<i32>(bits) >> 23u);
  let f = bitcast<f32>((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0;
  var p = 7.0376836292e-2;
  p = p * f - 1.1514610310e-1;
  p = p * f + 1.1676998740e-1;
  p = p * f - 1.2420140846e-1;
  p = p * f + 1.4249322787e-1;
  p = p * f - 1.6668057665e-1;
  p = p * f + 2.0000714765e-1;
  p = p * f - 2.4999993993e-1;
  p = p * f + 3.3333331174e-1;
  let square = f * f;
  return (p * f * square - 0.5 * square + f) + e * 0.6931471806;
}

// Two independent N(0, 1) from two words: radius from the first, angle from the second.
fn normal_pair(radius: u32, angle: u32) -> vec2f {
  let u = (f32(radius) + 1.0) * 2.3283064365386963e-10;
  let r = sqrt(-2.0 * ln_unit(min(u, 1.0)));
  // The nearest quarter turn is taken off exactly, in integers.
  let quarter = (angle + 0x20000000u) >> 30u;
  let x = f32(bitcast<i32>(angle - (quarter << 30u))) * 1.4629180792671596e-9;
  let xx = x * x;
  let s = x + x * xx * (-1.6666654611e-1 + xx * (8.3321608736e-3 - xx * 1.9515295891e-4));
  let c = 1.0 - 0.5 * xx + xx * xx * (4.166664568298827e-2 + xx * (-1.388731625493765e-3 + xx * 2.443315711809948e-5));
  let odd = (quarter & 1u) == 1u;
  let cosine = select(c, s, odd);
  let sine = select(s, c, odd);
  // cos is negative in quarters 1 and 2, sin in 2 and 3; flipping the sign bit is exact.
  let flip_c = ((quarter + 1u) & 2u) << 30u;
  let flip_s = (quarter & 2u) << 30u;
  return r * vec2f(bitcast<f32>(bitcast<u32>(cosine) ^ flip_c), bitcast<f32>(bitcast<u32>(sine) ^ flip_s));
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
