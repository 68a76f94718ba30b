// The linear transformer of one prompt in moment form (docs/MATH.md): with G = (1/N) sum z z^T, a layer is
// z <- T z, G <- T G T^T, T = I + (1/H) sum_h V_h G Q_h^T; the last computes the query's last coordinate alone.
// Everything lives in private memory; matrices are row-major [D, D], weights [L, H, D, D]. An invocation works through
// GROUP of the MODELS models with each prompt, the one it is at in w_v and w_qk and the others kept.

const DD: u32 = D * D;
const LAST: u32 = LAYERS - 1u;
const SCALE: f32 = 1.0 / f32(HEADS);
const TENSORS: u32 = LAYERS * HEADS * DD;

var<private> w_v: array<f32, TENSORS>;
var<private> w_qk: array<f32, TENSORS>;
var<private> kept_v: array<f32, GROUP * TENSORS>;
var<private> kept_qk: array<f32, GROUP * TENSORS>;
var<private> z: array<f32, LAYERS * D>;       // the query's token at each layer's input
var<private> g: array<f32, LAYERS * DD>;      // G at each layer's input
var<private> t: array<f32, (LAST + 1u) * DD>; // T of each middle layer
var<private> tmp: array<f32, DD>;

// The first model of an invocation's group. A constant where there is one group: llvmpipe loads fast from those.
fn first_model(group: u32) -> u32 { return select(group * GROUP, 0u, MODELS == GROUP); }

// weight(model, i): of a model's [L][V | QK][H, D, D].
fn load_weights(model: u32) {
  beyond = source_width() - D;
  /*unroll*/ for (var i = 0u; i < 2u * TENSORS; i++) {
    let w = weight(model, i);
    let layer = i / (2u * HEADS * DD);
    let rest = i % (2u * HEADS * DD);
    if (rest < HEADS * DD) {
      w_v[layer * HEADS * DD + rest] = w;
    } else {
      w_qk[layer * HEADS * DD + rest - HEADS * DD] = w;
    }
  }
}

// The middle layers, forward: T, then z <- T z and G <- T G T^T. Layers are unrolled in place and not functions of
// l: with a constant l every index is a constant.
fn middle_forward() {
  /*each*/ for (var l = 0u; l < LAST; l++) {
    /*unroll*/ for (var i = 0u; i < DD; i++) { t[l * DD + i] = select(0.0, 1.0, i % (D + 1u) == 0u); }
    /*each*/ for (var h = 0u; h < HEADS; h++) {
      const w = (l * HEADS + h) * DD;
      /*unroll*/ for (var a = 0u; a < D; a++) {
        /*unroll*/ for (var b = 0u; b < D; b++) {
          var sum = 0.0;
          /*unroll*/ for (var c = 0u; c < D; c++) { sum += w_v[w + a * D + c] * g[l * DD + c * D + b]; }
          tmp[a * D + b] = sum * SCALE;
        }
      }
      /*unroll*/ for (var a = 0u; a < D; a++) {
        /*unroll*/ for (var b = 0u; b < D; b++) {
          var sum = 0.0;
          /*unroll*/ for (var c = 0u; c < D; c++) { sum += tmp[a * D + c] * w_qk[w + b * D + c]; }
          t[l * DD + a * D + b] += sum;
        }
      }
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var sum = 0.0;
      /*unroll*/ for (var b = 0u; b < D; b++) { sum += t[l * DD + a * D + b] * z[l * D + b]; }
      z[(l + 1u) * D + a] = sum;
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = 0.0;
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += t[l * DD + a * D + c] * g[l * DD + c * D + b]; }
        tmp[a * D + b] = sum;
      }
    }
    /*unroll*/ for (var a = 0u; a < D; a++) {
      /*unroll*/ for (var b = 0u; b < D; b++) {
        var sum = 0.0;
        /*unroll*/ for (var c = 0u; c < D; c++) { sum += tmp[a * D + c] * t[l * DD + b * D + c]; }
        g[(l + 1u) * DD + a * D + b] = sum;
      }
    }
  }
}

// The prediction, from G of layer 0 in `g` and the query's token in `z`.
fn predict() -> f32 {
  middle_forward();
  var sum = z[LAST * D + D - 1u];
  /*each*/ for (var h = 0u; h < HEADS; h++) {
    const w = (LAST * HEADS + h) * DD;
    /*unroll*/ for (var a = 0u; a < D; a++) {
      var key = 0.0;    // (Q^T z)_a
      var value = 0.0;  // (G v)_a
      /*unroll*/ for (var b = 0u; b < D; b++) {
        key += w_qk[w + b * D + a] * z[LAST * D + b];
        value += g[LAST * DD + a * D + b] * w_v[w + (D - 1u) * D + b];
      }
      sum += SCALE * key * value;
    }
  }
  return sum;
}
