// C = A Bᵀ of few rows, a workgroup for four columns of a row: each lane takes each WG-th vec4 of K. A weight is read once a row.

var<workgroup> sums: array<vec4f, WG>;

fn products(row: u32, quad: u32, k: u32) -> vec4f {
  let x = get_a(row, k);
  let n = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
  // Behind the last column any will do: it is not used.
  let at = min(n, vec4u(COLS - 1u));
  let all = vec4f(dot(x, get_b(at.x, k)), dot(x, get_b(at.y, k)), dot(x, get_b(at.z, k)), dot(x, get_b(at.w, k)));
  return select(vec4f(), all, n < vec4u(COLS));
}

@compute @workgroup_size(WG)
fn matvec(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  var own = vec4f();
  for (var k = lane; k < K4; k += WG) { own += products(group.y, group.x, k); }
  sums[lane] = own;
  for (var stage = 0u; stage < STAGES; stage++) {
    workgroupBarrier();
    let half = WG >> (stage + 1u);
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane == 0u) { finish(group.y, group.x, sums[0]); }
}
