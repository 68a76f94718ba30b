// C = Σ A B of a chunk and head: what becomes of a vec4 of it. The host side writes out how A and B meet
// (src/kernels/tensor/matmul/texel.rs and tile.rs) and where they are (src/kernels/linear/chunk_product/side.rs).

fn finish(row: u32, quad: u32, value: vec4f) {
  if (row >= rows() || quad >= QUADS) { return; }
  put_c(row, quad, finished(row, quad, value));
}
