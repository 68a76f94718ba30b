// The update of one element: SGD with momentum (RULE 0), Adam (1) or AdamW (2), as PyTorch defines them (docs/MATH.md).

struct Hyper { momentum: f32, beta1: f32, beta2: f32, eps: f32, decay: f32, clip: f32, rest1: f32, rest2: f32 }

// What a gradient of this norm is multiplied by.
fn clipped(own: Hyper, norm: f32) -> f32 {
  return select(1.0, min(1.0, own.clip / (norm + 1e-6)), own.clip > 0.0);
}

// (parameter, first moment, second moment) after a step with the clipped gradient g; now: lr, ., 1/(1-b1^t), 1/(1-b2^t).
fn updated(own: Hyper, now: vec4f, old: vec3f, clipped_g: f32) -> vec3f {
  var p = old.x;
  var g = clipped_g;
  if (RULE == 2u) { p -= now.x * own.decay * p; } else { g += own.decay * p; }
  if (RULE == 0u) {
    let m = own.momentum * old.y + g;
    return vec3f(p - now.x * m, m, 0.0);
  }
  let m = own.beta1 * old.y + own.rest1 * g;
  let v = own.beta2 * old.z + own.rest2 * g * g;
  return vec3f(p - now.x * (m * now.z) / (sqrt(v * now.w) + own.eps), m, v);
}
