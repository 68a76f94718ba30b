// Adds the sum of z z^T over a prompt's demonstrations to the upper triangle of `total` [D, D]: draws one after another.

fn add_demonstrations() {
  for (var shot = 0u; shot < DRAWN; shot++) {
    source_token(1u + shot);
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        if (b >= a) { total[a * D + b] += token[a] * token[b]; }
      }
    }
  }
}
