// A prompt drawn, and gone forward and backward with each of a group's models: adds to `kept_grad` (`grad`, where the
// group is a single model) and `losses`. Gradient entries are, for each layer, the trained V blocks (of the last layer
// only the last rows) and QK blocks.

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
var<private> scores: array<f32, HEADS>;
var<private> values: array<f32, HEADS>;

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

// Squared error of the prompt whose G and z stand at layer 0; adds `share` times its gradient.
fn descend(y: f32, share: f32) -> f32 {
  let err = predict() - y;
  last_backward(2.0 * share * err);
  middle_backward();
  return err * err;
}

// The same of one layer for the query alone, which attends to nothing but itself: pred = z_y + (1/H) sum_h (v_h . z)
// (z . Q_h^T z). G = z z^T is of rank one, and half of the work with a full G is saved.
fn descend_alone(y: f32, share: f32) -> f32 {
  var pred = z[D - 1u];
  /*each*/ for (var h = 0u; h < HEADS; h++) {
    var score = 0.0;
    var value = 0.0;
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var key = 0.0;
      /*unroll*/ for (var b = 0u; b < D; b++) { key += w_qk[h * DD + b * D + a] * z[b]; }
      score += key * z[a];
      value += w_v[h * DD + (D - 1u) * D + a] * z[a];
    }
    scores[h] = score;
    values[h] = value;
    pred += SCALE * score * value;
  }
  let err = pred - y;
  let scaled = 2.0 * share * err * SCALE;
  /*each*/ for (var h = 0u; h < HEADS; h++) {
    let of_value = scaled * scores[h];
    let of_key = scaled * values[h];
    /*unroll*/ for (var a = 0u; a < D; a++) {
      if (TRAIN_V[0]) { grad[AT_V[0] + h * D + a] += of_value * z[a]; }
      if (TRAIN_QK[0]) {
        let moved = of_key * z[a];
        /*unroll*/ for (var b = 0u; b < D; b++) { grad[AT_QK[0] + h * DD + a * D + b] += moved * z[b]; }
      }
    }
  }
  return err * err;
}

// Takes the models of a group, first, first + 1, ..., into private memory.
fn take_models(first: u32) {
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    load_weights(first + j);
    if (GROUP > 1u) {
      /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
        kept_v[j * TENSORS + i] = w_v[i];
        kept_qk[j * TENSORS + i] = w_qk[i];
      }
    }
  }
}

// Draws prompt `prompt` of step `step` and descends.
fn descend_prompt(prompt: u32, step: u32) {
  source_begin(prompt, step);
  source_token(0u);
  let y = token[D - 1u];
  /*unroll*/ for (var a = 0u; a < D; a++) { query[a] = select(token[a], 0.0, a == D - 1u); }
  /*unroll*/ for (var a = 0u; a < D; a++) {
    /*unroll*/ for (var b = 0u; b < D; b++) { total[a * D + b] = query[a] * query[b]; }
  }
  add_demonstrations();
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
        if (LAYERS == 1u && which == 0u) {
          losses[j] += descend_alone(y, 1.0 / f32(BATCH));
        } else {
          losses[which * GROUP + j] += descend(y, select(1.0 / f32(BATCH), few_weight[j], which == 1u));
        }
        if (GROUP > 1u) {
          /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { kept_grad[j * ROOM + i] = grad[i]; }
        }
      }
    }
  }
}
