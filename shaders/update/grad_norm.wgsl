// The norm of a gradient over the trained elements alone, in two stages of fixed order: in grad_norm ALL workgroups each go over
// some of its blocks in a row and leave a sum of squares (each of its lanes, if not SHARED); grad_norm_total adds all of them
// up and takes the root.

@group(0) @binding(0) var<storage, read> blocks: array<vec4u>;         // [BLOCKS] vec4 of parameters, gradient, moments; info
@group(0) @binding(1) var<storage, read> grads: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;   // [..., FIRST: ALL * PARTS, ...]
@group(0) @binding(3) var<storage, read> summed: array<vec4f>;         // [COUNT] the same, of all launches
@group(0) @binding(4) var<storage, read> state: array<u32>;            // [0] the step
@group(0) @binding(5) var<storage, read_write> norms: array<f32>;      // [RING]

var<workgroup> squares: array<f32, WG>;

// Adds up what the invocations have, in their order, in the first of them.
fn together(lane: u32, own: f32) -> f32 {
  squares[lane] = own;
  workgroupBarrier();
  var sum = 0.0;
  if (lane == 0u) {
    for (var i = 0u; i < WG; i++) { sum += squares[i]; }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn grad_norm(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = group.y * WIDE + group.x;
  if (first >= ALL) { return; }
  var sum = vec4f();
  for (var turn = 0u; turn < TURNS; turn++) {
    let item = first * TURNS + turn;
    if (item >= ITEMS) { break; }
    sum += squares_of(share(item, lane));
  }
  let own = (sum.x + sum.y) + (sum.z + sum.w);
  if (SHARED == 0u) {
    partials[FIRST + first * WG + lane] = own;
  } else {
    let all = together(lane, own);
    if (lane == 0u) { partials[FIRST + first] = all; }
  }
}

@compute @workgroup_size(WG)
fn grad_norm_total(@builtin(local_invocation_index) lane: u32) {
  var sum = vec4f();
  for (var i = lane; i < COUNT4; i += WG) {
    let there = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(COUNT);
    sum += select(vec4f(), summed[i], there);
  }
  let all = together(lane, (sum.x + sum.y) + (sum.z + sum.w));
  if (lane == 0u) { norms[state[0] % RING] = sqrt(all); }
}
