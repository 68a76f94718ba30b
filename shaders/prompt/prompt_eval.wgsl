// Squared test error after 0, 1, ..., SHOTS demonstrations of the same prompts; sums over a lane's prompts of the error
// and of its square: [MODELS, 2, SHOTS + 1, LANES]. Prompts lane, lane + LANES, ... of those from part.x on, part.y of
// them and at most BATCH, each with the GROUP models of its place in y.

@group(0) @binding(1) var<uniform> weights: array<vec4f, MODELS * WEIGHTS4>; // [MODELS][L][V | QK][H, D, D]
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;             // [MODELS, 2, SHOTS + 1, LANES]
@group(0) @binding(3) var<uniform> part: vec4u;                              // first prompt, prompts, 0, 0

fn weight(model: u32, i: u32) -> f32 { return weights[model * WEIGHTS4 + i / 4u][i % 4u]; }

const POINTS: u32 = SHOTS + 1u;

var<private> token: array<f32, D>;
var<private> query: array<f32, D>;
var<private> total: array<f32, DD>;   // sum of z z^T, upper triangle; of deep models
var<private> keys: array<f32, GROUP * HEADS * D>;  // Q^T z of the query; of one layer
var<private> attended: array<f32, GROUP>;          // sum over heads and tokens of score times value; of one layer
var<private> error_sum: array<f32, GROUP * POINTS>;
var<private> square_sum: array<f32, GROUP * POINTS>;

@compute @workgroup_size(WG)
fn prompt_eval(@builtin(global_invocation_id) id: vec3u) {
  let lane = id.x;
  let first = first_model(id.y);
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    load_weights(first + j);
    if (GROUP > 1u || LAYERS == 1u) {
      /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
        kept_v[j * TENSORS + i] = w_v[i];
        kept_qk[j * TENSORS + i] = w_qk[i];
      }
    }
  }
  for (var prompt = lane; prompt < BATCH; prompt += LANES) {
    if (prompt >= part.y) { break; }
    source_begin(part.x + prompt, 0u);
    source_token(0u);
    let y = token[D - 1u];
    token[D - 1u] = 0.0;
    /*unroll*/ for (var a = 0u; a < D; a++) { query[a] = token[a]; }
    if (LAYERS == 1u) {
      // Keys of the query: all later tokens are scored by them.
      /*each*/ for (var h = 0u; h < GROUP * HEADS; h++) {
        /*unroll*/ for (var a = 0u; a < D; a++) {
          var key = 0.0;
          /*unroll*/ for (var b = 0u; b < D; b++) { key += kept_qk[h * DD + b * D + a] * query[b]; }
          keys[h * D + a] = key;
        }
      }
      /*each*/ for (var j = 0u; j < GROUP; j++) { attended[j] = 0.0; }
    } else {
      /*unroll*/ for (var i = 0u; i < DD; i++) { total[i] = 0.0; }
    }
    for (var shot = 0u; shot < POINTS; shot++) {
      if (shot > 0u) { source_token(shot); }
      let inverse = 1.0 / f32(shot + 1u);
      if (LAYERS == 1u) {
        /*each*/ for (var j = 0u; j < GROUP; j++) {
          /*each*/ for (var h = j * HEADS; h < j * HEADS + HEADS; h++) {
            var score = 0.0;
            var value = 0.0;
            /*unroll*/ for (var a = 0u; a < D; a++) {
              score += keys[h * D + a] * token[a];
              value += kept_v[h * DD + (D - 1u) * D + a] * token[a];
            }
            attended[j] += score * value;
          }
          put_error(j, shot, attended[j] * (SCALE * inverse) - y);
        }
      } else {
        /*unroll*/ for (var a = 0u; a < D; a++) {
          z[a] = query[a];
          /*unroll*/ for (var b = 0u; b < D; b++) {
            if (b >= a) {
              total[a * D + b] += token[a] * token[b];
              g[a * D + b] = total[a * D + b] * inverse;
              g[b * D + a] = g[a * D + b];
            }
          }
        }
        /*each*/ for (var j = 0u; j < GROUP; j++) {
          if (GROUP > 1u) {
            /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
              w_v[i] = kept_v[j * TENSORS + i];
              w_qk[i] = kept_qk[j * TENSORS + i];
            }
          }
          put_error(j, shot, predict() - y);
        }
      }
    }
  }
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    for (var shot = 0u; shot < POINTS; shot++) {
      let row = (first + j) * 2u * POINTS + shot;
      sums[row * LANES + lane] = error_sum[j * POINTS + shot];
      sums[(row + POINTS) * LANES + lane] = square_sum[j * POINTS + shot];
    }
  }
}

fn put_error(j: u32, shot: u32, err: f32) {
  error_sum[j * POINTS + shot] += err * err;
  square_sum[j * POINTS + shot] += err * err * err * err;
}
