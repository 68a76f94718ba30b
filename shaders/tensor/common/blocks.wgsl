// A block of trained elements (src/params/blocks.rs): vec4 of parameters, gradient and moments; number | mask << 16 | group << 20.

// Which elements of each of its vec4 are trained.
fn trained_of(block: vec4u) -> vec4<bool> {
  return (vec4u(block.w >> 16u) & vec4u(1u, 2u, 4u, 8u)) != vec4u();
}
