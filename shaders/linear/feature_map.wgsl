// y = φ(x) of a head, or x over its length: x / sqrt(Σ x² + 1e-6), as flash-linear-attention has it. The host side writes `value` and
// `slope`: src/kernels/linear/feature_map.rs. What follows is common/feature_forward.wgsl or common/feature_backward.wgsl; an
// invocation has a row and head.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows

fn length_of(row: u32, from_: u32) -> f32 {
  var sum = vec4f();
  for (var i = 0u; i < D4; i++) {
    let x = get_x(row, from_ + i);
    sum += x * x;
  }
  return 1.0 / sqrt((sum.x + sum.y) + (sum.z + sum.w) + 1e-6);
}
