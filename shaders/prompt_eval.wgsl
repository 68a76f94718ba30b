// Squared test error of one model after 0, 1, ..., SHOTS demonstrations of the same prompts; sums over a lane's
// prompts of the error and of its square: [2, SHOTS + 1, LANES]. Prompts lane, lane + LANES, ... below BATCH.

@group(0) @binding(1) var<uniform> weights: array<vec4f, WEIGHTS4>;   // [L][V | QK][H, D, D]
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;      // [2, SHOTS + 1, LANES]

var<private> token: array<f32, D>;
var<private> query: array<f32, D>;
var<private> total: array<f32, DD>;   // sum of z z^T, upper triangle
var<private> error_sum: array<f32, SHOTS + 1u>;
var<private> square_sum: array<f32, SHOTS + 1u>;

@compute @workgroup_size(WG)
fn prompt_eval(@builtin(global_invocation_id) id: vec3u) {
  let lane = id.x;
  load_weights();
  for (var prompt = lane; prompt < BATCH; prompt += LANES) {
    source_begin(prompt, 0u);
    source_token(0u);
    let y = token[D - 1u];
    /*unroll*/ for (var a = 0u; a < D; a++) { query[a] = select(token[a], 0.0, a == D - 1u); }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) { total[a * D + b] = query[a] * query[b]; }
    }
    for (var shot = 0u; shot < SHOTS + 1u; shot++) {
      if (shot > 0u) {
        source_token(shot);
        /*unroll*/ for (var a = 0u; a < D; a++) {
          /*unroll*/ for (var b = 0u; b < D; b++) {
            if (b >= a) { total[a * D + b] += token[a] * token[b]; }
          }
        }
      }
      let inverse = 1.0 / f32(shot + 1u);
      /*unroll*/ for (var a = 0u; a < D; a++) {
        z[a] = query[a];
        /*unroll*/ for (var b = 0u; b < D; b++) {
          if (b >= a) {
            let mean = total[a * D + b] * inverse;
            g[a * D + b] = mean;
            g[b * D + a] = mean;
          }
        }
      }
      let err = predict() - y;
      error_sum[shot] += err * err;
      square_sum[shot] += err * err * err * err;
    }
  }
  for (var shot = 0u; shot < SHOTS + 1u; shot++) {
    sums[shot * LANES + lane] = error_sum[shot];
    sums[(SHOTS + 1u + shot) * LANES + lane] = square_sum[shot];
  }
}
