// What the adapter can do at best: roof_copy moves COUNT vec4 (out[i] = in[i]); roof_fma runs ROUNDS multiply-adds on
// each of 16 independent values an invocation: x <- 0.5 x + c, c = 1 ... 16, from x = in[lane].x; out[lane] = their sum.

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> target_: array<vec4f>;

@compute @workgroup_size(WG)
fn roof_copy(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < COUNT; i += LANES) { target_[i] = source[i]; }
}

@compute @workgroup_size(WG)
fn roof_fma(@builtin(global_invocation_id) id: vec3u) {
  let x = source[id.x].x;
  var a = vec4f(x);
  var b = vec4f(x);
  var c = vec4f(x);
  var d = vec4f(x);
  for (var i = 0u; i < ROUNDS; i++) {
    a = fma(a, vec4f(0.5), vec4f(1.0, 2.0, 3.0, 4.0));
    b = fma(b, vec4f(0.5), vec4f(5.0, 6.0, 7.0, 8.0));
    c = fma(c, vec4f(0.5), vec4f(9.0, 10.0, 11.0, 12.0));
    d = fma(d, vec4f(0.5), vec4f(13.0, 14.0, 15.0, 16.0));
  }
  let sum = a + b + c + d;
  target_[id.x] = vec4f(sum.x + sum.y + sum.z + sum.w, 0.0, 0.0, 0.0);
}
