// What the adapter can do at best: roof_copy moves COUNT vec4 (out[i] = in[i]), roof_fill writes them (out[i] = in[lane]);
// roof_fma runs DEPTH ROUNDS multiply-adds on each of 12 independent values an invocation: x <- m x + c, from x = in.x + 1 ... in.x + 12; out = (their sum, 0, 0, 0).
// Twelve values and two factors fit into 16 vector registers and cover two pipelines' latency; m = in.y and c = in.z come
// from memory, so that no compiler folds the chain.

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> target_: array<vec4f>;

// A workgroup's EACH WG elements lie together, and its invocations are neighbours in each round.
fn place(lane: u32, k: u32) -> u32 {
  return (lane / WG) * (WG * EACH) + k * WG + lane % WG;
}

@compute @workgroup_size(WG)
fn roof_copy(@builtin(global_invocation_id) id: vec3u) {
  for (var k = 0u; k < EACH; k++) {
    let i = place(id.x, k);
    if (i < COUNT) { target_[i] = source[i]; }
  }
}

@compute @workgroup_size(WG)
fn roof_fill(@builtin(global_invocation_id) id: vec3u) {
  let value = source[id.x];
  for (var k = 0u; k < EACH; k++) {
    let i = place(id.x, k);
    if (i < COUNT) { target_[i] = value; }
  }
}

fn four(x: vec4f, m: vec4f, k: vec4f) -> vec4f { return fma(fma(fma(fma(x, m, k), m, k), m, k), m, k); }

@compute @workgroup_size(WG)
fn roof_fma(@builtin(global_invocation_id) id: vec3u) {
  let from_ = source[id.x];
  let m = vec4f(from_.y);
  let k = vec4f(from_.z);
  var a = vec4f(from_.x) + vec4f(1.0, 2.0, 3.0, 4.0);
  var b = vec4f(from_.x) + vec4f(5.0, 6.0, 7.0, 8.0);
  var c = vec4f(from_.x) + vec4f(9.0, 10.0, 11.0, 12.0);
  for (var i = 0u; i < ROUNDS; i++) {
    // Eight multiply-adds each (DEPTH in roof.rs), written out: some drivers keep a short loop.
    a = four(four(a, m, k), m, k);
    b = four(four(b, m, k), m, k);
    c = four(four(c, m, k), m, k);
  }
  let sum = a + b + c;
  target_[id.x] = vec4f(sum.x + sum.y + sum.z + sum.w, 0.0, 0.0, 0.0);
}
