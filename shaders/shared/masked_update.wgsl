// One optimizer step of each model on its trained elements alone: clip the gradient to a global norm, then SGD with
// momentum, Adam or AdamW (docs/MATH.md). FUSED sums the partials first, parts in order. Moments have the layout of the
// trained lists; also logs the losses and counts the step.
// One workgroup a model; invocation i takes elements i, i + WG, ...; the norm is summed in a fixed order.

@group(0) @binding(0) var<uniform> hyper: array<Hyper, MODELS>;
@group(0) @binding(1) var<storage, read> schedule: array<vec4f>;          // [ring, MODELS] lr, few weight, 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(2) var<storage, read> trained: array<vec2u>;           // [MODELS, TRAINED] parameter, gradient (or NONE)
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;         // [MODELS, GRADS]: ..., zs loss, fs loss at LOSSES
@group(0) @binding(4) var<storage, read_write> params: array<f32>;        // [MODELS, ...]
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;       // [MODELS, STATES, TRAINED]
@group(0) @binding(6) var<storage, read_write> state: array<u32>;         // [MODELS] the step
@group(0) @binding(7) var<storage, read_write> metrics: array<vec4f>;     // [MODELS, RING] zs loss, fs loss, gradient norm, 0
@group(0) @binding(8) var<storage, read> partials: array<f32>;            // [MODELS, LOSSES + 2, PARTS], if FUSED

const NONE: u32 = 0xffffffffu;
var<workgroup> squares: array<f32, WG>;

fn gradient(i: u32) -> f32 {
  let at = trained[i].y;
  if (at == NONE) { return 0.0; }
  return grads[at];
}

@compute @workgroup_size(WG)
fn masked_update(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let model = group.x;
  let step = state[model];
  let losses = model * GRADS + LOSSES;
  let first = model * TRAINED;
  if (FUSED == 1u) {
    for (var row = lane; row < LOSSES + 2u; row += WG) {
      let start = (model * (LOSSES + 2u) + row) * PARTS;
      var sum = 0.0;
      for (var part = 0u; part < PARTS; part++) { sum += partials[start + part]; }
      grads[model * GRADS + row] = sum;
    }
    storageBarrier();
    workgroupBarrier();
  }
  var square = 0.0;
  for (var i = lane; i < TRAINED; i += WG) {
    let g = gradient(first + i);
    square += g * g;
  }
  squares[lane] = square;
  workgroupBarrier();
  var norm = 0.0;
  for (var i = 0u; i < WG; i++) { norm += squares[i]; }
  norm = sqrt(norm);
  let own = hyper[model];
  let scale = clipped(own, norm);
  let now = schedule[step % (arrayLength(&schedule) / MODELS) * MODELS + model];
  for (var i = lane; i < TRAINED; i += WG) {
    let at = trained[first + i].x;
    // A shorter list than the longest is filled up.
    if (at == NONE) { continue; }
    let mean = STATES * first + i;
    var square = 0.0;
    if (STATES == 2u) { square = moments[mean + TRAINED]; }
    let after = updated(own, now, vec3f(params[at], moments[mean], square), gradient(first + i) * scale);
    params[at] = after.x;
    moments[mean] = after.y;
    if (STATES == 2u) { moments[mean + TRAINED] = after.z; }
  }
  if (lane == 0u) {
    metrics[model * RING + step % RING] = vec4f(grads[losses] / f32(BATCH), grads[losses + 1u] / f32(BATCH), norm, 0.0);
    state[model] = step + 1u;
  }
}
