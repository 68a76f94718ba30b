// C = A B, A Bᵀ or Aᵀ B, times a number, plus a bias, plus another matrix: what both forms of the product do with a vec4 of C. The host side
// writes out how A and B meet: src/kernels/tensor/matmul/texel.rs and tile.rs.

fn finish(row: u32, quad: u32, value: vec4f) {
  if (row >= rows() || quad >= QUADS) { return; }
  put_c(row, quad, scaled(value) + bias_of(quad) + other_of(row, quad));
}
