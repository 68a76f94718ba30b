// Loss (pred - y)^2 and its gradient over a batch of prompts, sampled here; partial sums: [MODELS, ENTRIES + 2, PARTS].
// Entries: for each layer the trained V blocks (of the last layer only the last rows) and QK blocks; then the
// zero-shot and few-shot loss sums. One invocation works through prompts lane, lane + LANES, ... below BATCH, each of
// them with the GROUP models of its place in y: they share the drawing and the moments of a prompt.

@group(0) @binding(1) var<uniform> weights: array<vec4f, MODELS * WEIGHTS4>; // [MODELS][L][V | QK][H, D, D]
@group(0) @binding(2) var<storage, read> state: array<u32>;               // [MODELS] the step, of all the same
@group(0) @binding(3) var<storage, read> schedule: array<vec4f>;          // [steps, MODELS] lr, few-shot weight, ., .
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;      // [MODELS, ENTRIES + 2, PARTS]

var<private> token: array<f32, D>;
var<private> query: array<f32, D>;
var<private> total: array<f32, DD>;   // sum of z z^T over the prompt, upper triangle
var<private> grad: array<f32, ROOM>;  // of the model at hand
var<private> kept_grad: array<f32, GROUP * ROOM>;
var<private> losses: array<f32, 2u * GROUP>;  // [zero-shot | few-shot, GROUP]
var<private> few_weight: array<f32, GROUP>;
var<private> dz: array<f32, D>;
var<private> dg: array<f32, DD>;
var<private> dt: array<f32, DD>;
var<private> prod: array<f32, DD>;

// The last layer: pred = z_y + (1/H) sum_h v_h . G Q_h^T z. Adds to grad and sets dz, dg.
fn last_backward(delta: f32) {
  if (LAST > 0u) {
    /*unroll*/ for (var a = 0u; a < D; a++) { dz[a] = select(0.0, delta, a == D - 1u); }
    /*unroll*/ for (var i = 0u; i < DD; i++) { dg[i] = 0.0; }
  }
  let scaled = delta * SCALE;
  /*each*/ for (var h = 0u; h < HEADS; h++) {
    const w = (LAST * HEADS + h) * DD;
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var key = 0.0;
      /*unroll*/ for (var b = 0u; b < D; b++) { key += w_qk[w + b * D + a] * z[LAST * D + b]; }
      tmp[a] = key * scaled;
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var value = 0.0;
      var moved = 0.0;
      /*unroll*/ for (var b = 0u; b < D; b++) {
        value += g[LAST * DD + a * D + b] * w_v[w + (D - 1u) * D + b];
        moved += g[LAST * DD + a * D + b] * tmp[b];
      }
      prod[a] = value * scaled;
      if (TRAIN_V[LAST]) { grad[AT_V[LAST] + h * D + a] += moved; }
    }
    if (TRAIN_QK[LAST]) {
      /*unroll*/ for (var a = 0u; a < D; a++) {
        /*unroll*/ for (var b = 0u; b < D; b++) { grad[AT_QK[LAST] + h * DD + a * D + b] += z[LAST * D + a] * prod[b]; }
      }
    }
    if (LAST > 0u) {
      /*unroll*/ for (var a = 0u; a < D; a++) {
        var sum = 0.0;
        /*unroll*/ for (var b = 0u; b < D; b++) {
          sum += w_qk[w + a * D + b] * prod[b];
          dg[a * D + b] += w_v[w + (D - 1u) * D + a] * tmp[b];
        }
        dz[a] += sum;
      }
    }
  }
}

// The middle layers, last first: z' = T z, G' = T G T^T. Adds to grad and turns dz, dg of a layer's output into those
// of its input.
fn middle_backward() {
  /*each*/ for (var i = 0u; i < LAST; i++) {
    const l = LAST - 1u - i;
    // dT = dz' z^T + (dG' + dG'^T) T G
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = 0.0;
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += t[l * DD + a * D + c] * g[l * DD + c * D + b]; }
        tmp[a * D + b] = sum;
      }
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = dz[a] * z[l * D + b];
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += (dg[a * D + c] + dg[c * D + a]) * tmp[c * D + b]; }
        dt[a * D + b] = sum;
      }
    }
    // dz = T^T dz', dG = T^T dG' T
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var sum = 0.0;
      /*unroll*/ for (var b = 0u; b < D; b++) { sum += t[l * DD + b * D + a] * dz[b]; }
      tmp[a] = sum;
    }
    /*unroll*/ for (var a = 0u; a < D; a++) { dz[a] = tmp[a]; }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = 0.0;
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += dg[a * D + c] * t[l * DD + c * D + b]; }
        prod[a * D + b] = sum;
      }
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = 0.0;
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += t[l * DD + c * D + a] * prod[c * D + b]; }
        dg[a * D + b] = sum;
      }
    }
    /*each*/ for (var h = 0u; h < HEADS; h++) {
      const w = (l * HEADS + h) * DD;
      // tmp = dT Q / H, prod = V G / H
      /*unroll*/ for (var a = 0u; a < D; a++) {
        /*unroll*/ for (var b = 0u; b < D; b++) {
          var sum = 0.0;
          var forward = 0.0;
          /*unroll*/ for (var c = 0u; c < D; c++) {
            sum += dt[a * D + c] * w_qk[w + c * D + b];
            forward += w_v[w + a * D + c] * g[l * DD + c * D + b];
          }
          tmp[a * D + b] = sum * SCALE;
          prod[a * D + b] = forward * SCALE;
        }
      }
      // T = I + V G Q^T / H: dV = dT Q G / H, dQ = dT^T V G / H, dG += V^T dT Q / H
      /*unroll*/ for (var a = 0u; a < D; a++) {
        /*unroll*/ for (var b = 0u; b < D; b++) {
          var dv = 0.0;
          var dq = 0.0;
          var moment = 0.0;
          /*unroll*/ for (var c = 0u; c < D; c++) {
            dv += tmp[a * D + c] * g[l * DD + c * D + b];
            dq += dt[c * D + a] * prod[c * D + b];
            moment += w_v[w + c * D + a] * tmp[c * D + b];
          }
          if (TRAIN_V[l]) { grad[AT_V[l] + h * DD + a * D + b] += dv; }
          if (TRAIN_QK[l]) { grad[AT_QK[l] + h * DD + a * D + b] += dq; }
          dg[a * D + b] += moment;
        }
      }
    }
  }
}

// Squared error of the prompt whose G and z stand at layer 0; adds `weight` times its gradient.
fn descend(y: f32, weight: f32) -> f32 {
  let err = predict() - y;
  last_backward(2.0 * weight * err);
  middle_backward();
  return err * err;
}

@compute @workgroup_size(WG)
fn prompt_step(@builtin(global_invocation_id) id: vec3u) {
  let lane = id.x;
  let first = first_model(id.y);
  let step = state[0];
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    few_weight[j] = schedule[step * MODELS + first + j].y / f32(BATCH);
    load_weights(first + j);
    if (GROUP > 1u) {
      /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
        kept_v[j * TENSORS + i] = w_v[i];
        kept_qk[j * TENSORS + i] = w_qk[i];
      }
    }
  }
  for (var prompt = lane; prompt < BATCH; prompt += LANES) {
    source_begin(prompt, step);
    source_token(0u);
    let y = token[D - 1u];
    /*unroll*/ for (var a = 0u; a < D; a++) { query[a] = select(token[a], 0.0, a == D - 1u); }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) { total[a * D + b] = query[a] * query[b]; }
    }
    if (PASSES[1]) { add_demonstrations(); }
    // The zero-shot loss reads the query alone, the few-shot loss the whole prompt.
    /*each*/ for (var which = 0u; which < 2u; which++) {
      if (PASSES[which]) {
        /*unroll*/ for (var a = 0u; a < D; a++) {
          /*unroll*/ for (var b = 0u; b < D; b++) {
            if (b >= a) {
              let mean = select(query[a] * query[b], total[a * D + b] * (1.0 / f32(SHOTS + 1u)), which == 1u);
              g[a * D + b] = mean;
              g[b * D + a] = mean;
            }
          }
        }
        /*each*/ for (var j = 0u; j < GROUP; j++) {
          if (GROUP > 1u) {
            /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
              w_v[i] = kept_v[j * TENSORS + i];
              w_qk[i] = kept_qk[j * TENSORS + i];
            }
            /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { grad[i] = kept_grad[j * ROOM + i]; }
          }
          /*unroll*/ for (var a = 0u; a < D; a++) { z[a] = query[a]; }
          losses[which * GROUP + j] += descend(y, select(1.0 / f32(BATCH), few_weight[j], which == 1u));
          if (GROUP > 1u) {
            /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { kept_grad[j * ROOM + i] = grad[i]; }
          }
        }
      }
    }
  }
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    let row = (first + j) * (ENTRIES + 2u);
    /*unroll*/ for (var i = 0u; i < ENTRIES; i++) {
      put_partial(row + i, lane, select(kept_grad[j * ROOM + i], grad[i], GROUP == 1u));
    }
    put_partial(row + ENTRIES, lane, losses[j]);
    put_partial(row + ENTRIES + 1u, lane, losses[GROUP + j]);
  }
}
