// Standard normals: out[4 i + j] = normal j of counter (i, 0, 0, key); shape [4 COUNT].
// One invocation a counter.

@group(0) @binding(0) var<uniform> params: vec4u;                   // key
@group(0) @binding(1) var<storage, read_write> words: array<vec4u>; // [COUNT] the integers
@group(0) @binding(2) var<storage, read_write> normals: array<vec4f>; // [COUNT]

@compute @workgroup_size(WG)
fn normal(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= COUNT) { return; }
  let w = pcg4d(vec4u(id.x, 0u, 0u, params.x));
  words[id.x] = w;
  normals[id.x] = vec4f(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
}
