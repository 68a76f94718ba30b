// A column a lane: nobody else needs what it holds until it is written.

var<workgroup> t: array<f32, LENGTH * WG>;   // [LENGTH, WG]

@compute @workgroup_size(WG)
fn chunk_inverse(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  if (!begin(group.z)) { return; }
  let column = group.x * WG + lane;
  for (var i = 0u; i < LENGTH; i++) { t[i * WG + lane] = select(0.0, 1.0, i == column); }
  for (var n = 0u; n < LENGTH - 1u; n++) {
    let i = n + 1u;
    var sum = vec4f();
    // What A has on and above the diagonal is zero.
    for (var quad = 0u; quad < (i + 3u) / 4u; quad++) {
      let a = below(i, quad);
      let at = 4u * quad * WG + lane;
      sum += a * vec4f(t[at], t[at + WG], t[at + 2u * WG], t[at + 3u * WG]);
    }
    t[i * WG + lane] -= (sum.x + sum.y) + (sum.z + sum.w);
  }
  workgroupBarrier();
  for (var turn = 0u; turn < LENGTH / 4u; turn++) {
    let flat = turn * WG + lane;
    let row = flat / (WG / 4u);
    let quad = flat % (WG / 4u);
    let at = row * WG + 4u * quad;
    put(row, group.x * WG / 4u + quad, vec4f(t[at], t[at + 1u], t[at + 2u], t[at + 3u]));
  }
}
