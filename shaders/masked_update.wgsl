// One optimizer step on the trained elements alone: clip the gradient to a global norm, then SGD with momentum,
// Adam or AdamW (docs/MATH.md). FUSED sums the partials first, parts in order. Moments have the layout of the trained list; also logs the losses and counts the step.
// One workgroup; invocation i takes elements i, i + WG, ...; the norm is summed in a fixed order.

struct Hyper { momentum: f32, beta1: f32, beta2: f32, eps: f32, decay: f32, clip: f32 }

@group(0) @binding(0) var<uniform> hyper: Hyper;
@group(0) @binding(1) var<storage, read> schedule: array<vec4f>;          // [steps] lr, few weight, 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(2) var<storage, read> trained: array<vec2u>;           // [TRAINED] parameter, gradient (or NONE)
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;         // [..., zs loss, fs loss at LOSSES]
@group(0) @binding(4) var<storage, read_write> params: array<f32>;
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;       // [MOMENTS, TRAINED]
@group(0) @binding(6) var<storage, read_write> state: array<u32>;         // [0]: the step
@group(0) @binding(7) var<storage, read_write> metrics: array<vec4f>;     // [RING] zs loss, fs loss, gradient norm, 0
@group(0) @binding(8) var<storage, read> partials: array<f32>;            // [LOSSES + 2, PARTS], if FUSED

const NONE: u32 = 0xffffffffu;
var<workgroup> squares: array<f32, WG>;

fn gradient(i: u32) -> f32 {
  let at = trained[i].y;
  if (at == NONE) { return 0.0; }
  return grads[at];
}

@compute @workgroup_size(WG)
fn masked_update(@builtin(local_invocation_index) lane: u32) {
  let step = state[0];
  if (FUSED == 1u) {
    for (var row = lane; row < LOSSES + 2u; row += WG) {
      var sum = 0.0;
      for (var part = 0u; part < PARTS; part++) { sum += partials[row * PARTS + part]; }
      grads[row] = sum;
    }
    storageBarrier();
    workgroupBarrier();
  }
  var square = 0.0;
  for (var i = lane; i < TRAINED; i += WG) {
    let g = gradient(i);
    square += g * g;
  }
  squares[lane] = square;
  workgroupBarrier();
  var norm = 0.0;
  for (var i = 0u; i < WG; i++) { norm += squares[i]; }
  norm = sqrt(norm);
  var scale = 1.0;
  if (hyper.clip > 0.0) { scale = min(1.0, hyper.clip / (norm + 1e-6)); }
  let now = schedule[step];
  for (var i = lane; i < TRAINED; i += WG) {
    let at = trained[i].x;
    var p = params[at];
    var g = gradient(i) * scale;
    if (RULE == 2u) { p -= now.x * hyper.decay * p; } else { g += hyper.decay * p; }
    if (RULE == 0u) {
      let m = hyper.momentum * moments[i] + g;
      moments[i] = m;
      p -= now.x * m;
    } else {
      let m = hyper.beta1 * moments[i] + (1.0 - hyper.beta1) * g;
      let v = hyper.beta2 * moments[TRAINED + i] + (1.0 - hyper.beta2) * g * g;
      moments[i] = m;
      moments[TRAINED + i] = v;
      p -= now.x * (m * now.z) / (sqrt(v * now.w) + hyper.eps);
    }
    params[at] = p;
  }
  if (lane == 0u) {
    metrics[step % RING] = vec4f(grads[LOSSES] / f32(BATCH), grads[LOSSES + 1u] / f32(BATCH), norm, 0.0);
    state[0] = step + 1u;
  }
}
