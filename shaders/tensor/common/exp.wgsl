// The exponential to about one unit in the last place, by Cody and Waite's reduction and the polynomial of Cephes' expf. Vulkan lets
// a device's own be off by 3 + 2|x| units, llvmpipe's is by five (docs/PERFORMANCE.md). Below exp(-87.33) it is 1.2e-38, above
// exp(88.37) it is 2.4e38; of NaN it may be any of these.
fn exp4(x: vec4f) -> vec4f {
  let within = clamp(x, vec4f(-87.33), vec4f(88.37));
  let n = round(within * 1.44269504);
  let r = (within - n * 0.693359375) + n * 2.12194440e-4;
  var p = r * 1.9875691500e-4 + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = (p * r) * r + r;
  let power = bitcast<vec4f>((vec4i(n) + vec4i(127)) << vec4u(23u));
  return power + p * power;
}

fn exp1(x: f32) -> f32 { return exp4(vec4f(x)).x; }
