// The norm of a gradient and the step, of few trained elements, by a single workgroup in a single launch.

@group(0) @binding(4) var<storage, read_write> norms: array<f32>;         // [RING]

var<workgroup> squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn lone_update(@builtin(local_invocation_index) lane: u32) {
  var own = vec4f();
  for (var item = 0u; item < ITEMS; item++) { own += squares_of(share(item, lane)); }
  squares[lane] = (own.x + own.y) + (own.z + own.w);
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < WG; i++) { sum += squares[i]; }
  let norm = sqrt(sum);
  if (lane == 0u) { norms[state[0] % RING] = norm; }
  for (var item = 0u; item < ITEMS; item++) { step_on(share(item, lane), norm); }
}
