// Adds the sum of z z^T over a prompt's demonstrations to the upper triangle of `total` [D, D], drawn from its own law
// (docs/MATH.md): the sum over D columns, the first (sqrt(n), u) and the k-th 0 before place k, of normals but for
// chi_{n-k} at place k; then Sigma, theta and the noise as for tokens. Draws stand behind the query's in the counter.

var<private> moment_four: vec4f;
var<private> moment_column: array<f32, DIM + 1u>;

fn add_demonstrations() {
  /*each*/ for (var k = 0u; k < D; k++) {
    /*unroll*/ for (var i = 0u; i < DIM + 1u; i++) {
      if (i + 1u >= k) {
        const draw = MOMENT_AT[k] + i;
        if (draw % 4u == 0u) {
          let w = pcg4d(vec4u(2u * BLOCKS + draw / 4u, src_counter.yzw));
          moment_four = vec4f(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
        }
        moment_column[i] = moment_four[draw % 4u];
      }
      if (i + 1u == k) {
        var chi = CHI[i * CHI_TERMS];
        /*unroll*/ for (var e = 0u; e < CHI_TERMS - 1u; e++) {
          chi = chi * moment_column[i] + CHI[i * CHI_TERMS + 1u + e];
        }
        moment_column[i] = chi;
      }
    }
    token[0] = select(0.0, sqrt(f32(SHOTS)), k == 0u);
    var y = moment_column[DIM] * task_float(4u);
    /*unroll*/ for (var i = 0u; i < DIM; i++) {
      if (i + 1u >= k) {
        var x = 0.0;
        if (COVARIANCE == 1u) {
          /*unroll*/ for (var j = 0u; j < i + 1u; j++) {
            if (j + 1u >= k) { x += task_float(FACTOR + i * DIM + j) * moment_column[j]; }
          }
        } else {
          x = moment_column[i];
        }
        token[1u + i] = x;
        y += src_theta[i] * x;
      }
    }
    token[D - 1u] = y;
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        if (a >= k && b >= a) { total[a * D + b] += token[a] * token[b]; }
      }
    }
  }
}
