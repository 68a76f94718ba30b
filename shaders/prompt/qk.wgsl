// Separate query and key: QK[h] = Q[h]^T K[h] in the effective weights, and back: dQ = K dQK^T, dK = Q dQK.
// qk_fwd writes weights [L][V | QK][H, D, D]; qk_bwd writes [L][Q | K][H, D, D] behind the gradient's entries.
// One invocation an element; y is the model.

@group(0) @binding(0) var<storage, read> params: array<f32>;         // [MODELS, PARAMS]: [L][V | Q | K][H, D, D]
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;  // [MODELS, WEIGHTS]: [L][V | QK][H, D, D]
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;    // [MODELS, GRADS]: [FIRST][L][Q | K][H, D, D]

const TENSOR: u32 = HEADS * D * D;

@compute @workgroup_size(WG)
fn qk_fwd(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= LAYERS * 2u * TENSOR) { return; }
  let layer = i / (2u * TENSOR);
  let element = i % TENSOR;
  let base = id.y * PARAMS + layer * 3u * TENSOR;
  let out = id.y * WEIGHTS + i;
  if (i % (2u * TENSOR) < TENSOR) {
    weights[out] = params[base + element];
    return;
  }
  let head = base + element / (D * D) * (D * D);
  let a = element / D % D;
  let b = element % D;
  var sum = 0.0;
  for (var c = 0u; c < D; c++) {
    sum += params[head + TENSOR + c * D + a] * params[head + 2u * TENSOR + c * D + b];
  }
  weights[out] = sum;
}

@compute @workgroup_size(WG)
fn qk_bwd(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= LAYERS * 2u * TENSOR) { return; }
  let layer = i / (2u * TENSOR);
  let is_key = i % (2u * TENSOR) >= TENSOR;
  if (!TRAIN_QK[layer] || !select(TRAIN_Q[layer], TRAIN_K[layer], is_key)) { return; }
  let element = i % TENSOR;
  let head = element / (D * D) * (D * D);
  let row = element / D % D;
  let col = element % D;
  let params_head = id.y * PARAMS + layer * 3u * TENSOR + head;
  let grad_head = id.y * GRADS + AT_QK[layer] + head;
  var sum = 0.0;
  for (var c = 0u; c < D; c++) {
    // QK[a, b] = sum_r Q[r, a] K[r, b]: dQ[r, a] = sum_b dQK[a, b] K[r, b], dK[r, b] = sum_a Q[r, a] dQK[a, b]
    if (is_key) {
      sum += params[params_head + TENSOR + row * D + c] * grads[grad_head + c * D + col];
    } else {
      sum += grads[grad_head + col * D + c] * params[params_head + 2u * TENSOR + row * D + c];
    }
  }
  grads[id.y * GRADS + FIRST + i] = sum;
}
