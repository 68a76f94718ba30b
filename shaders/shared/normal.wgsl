// Standard normals: out[4 i + j] = normal j of counter (i, 0, 0, key); shape [4 COUNT].
// Invocation i takes counters i, i + LANES, ...

@group(0) @binding(0) var<uniform> params: vec4u;                   // key
@group(0) @binding(1) var<storage, read_write> words: array<vec4u>; // [COUNT] the integers
@group(0) @binding(2) var<storage, read_write> normals: array<vec4f>; // [COUNT]

@compute @workgroup_size(WG)
fn normal(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < COUNT; i += LANES) {
    let w = pcg4d(vec4u(i, 0u, 0u, params.x));
    words[i] = w;
    normals[i] = vec4f(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
  }
}
