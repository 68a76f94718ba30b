// Whole training steps, at most STEPS a launch, that never leave the registers: forward and backward as in prompt_step,
// clipping and update as in masked_update. A workgroup, which is one subgroup, trains the model of its place in x: its
// invocations share the batch, and share out parameters and moments: invocation i has those at i, i + WG, .... Few
// stores and no conditional ones a step: compilers of software adapters are superlinear in branches.

@group(0) @binding(1) var<uniform> hyper: array<Hyper, MODELS>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4f>;       // [ring, MODELS] lr, few weight, 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(3) var<storage, read> slots: array<u32>;            // [MODELS, 4 WEIGHTS4] place among the trained, or NONE
@group(0) @binding(4) var<storage, read_write> params: array<f32>;     // [MODELS, 4 WEIGHTS4]: [L][V | QK][H, D, D]
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;    // [MODELS, STATES, TRAINED]
@group(0) @binding(6) var<storage, read_write> state: array<u32>;      // [MODELS] the step
@group(0) @binding(7) var<storage, read_write> metrics: array<vec4f>;  // [MODELS, RING] zs loss, fs loss, gradient norm, 0
@group(0) @binding(8) var<storage, read> until: array<u32>;            // [0]: the step to stop before

const NONE: u32 = 0xffffffffu;
const ALL: u32 = 2u * TENSORS;
const SHARE: u32 = (ALL + WG - 1u) / WG;

// Of each parameter of an invocation's share: its place among the trained, value, moments, gradient.
var<private> own_slot: array<u32, SHARE>;
var<private> own_weight: array<f32, SHARE>;
var<private> own_first: array<f32, SHARE>;
var<private> own_second: array<f32, SHARE>;
var<private> own_grad: array<f32, SHARE>;

fn weight(model: u32, i: u32) -> f32 { return subgroupShuffle(own_weight[i / WG], i % WG); }

@compute @workgroup_size(WG)
fn prompt_train(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let model = group.x;
  take_share(model, lane);
  var step = state[model];
  for (var round = 0u; round < STEPS; round++) {
    if (step >= until[0]) { break; }
    load_weights(model);
    let rates = step % (arrayLength(&schedule) / MODELS) * MODELS + model;
    few_weight[0] = schedule[rates].y / f32(BATCH);
    /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { grad[i] = 0.0; }
    losses[0] = 0.0;
    losses[1] = 0.0;
    for (var prompt = lane; prompt < BATCH; prompt += WG) { descend_prompt(prompt, step); }
    sum_gradient(lane);
    update(model, step, rates, lane);
    step += 1u;
  }
  put_back(model, lane);
  if (lane == 0u) { state[model] = step; }
}

// An invocation's share of a model. Of what is frozen no moments are stored; it reads those of another.
fn take_share(model: u32, lane: u32) {
  /*unroll*/ for (var k = 0u; k < SHARE; k++) {
    let i = model * WEIGHTS4 * 4u + min(k * WG + lane, ALL - 1u);
    own_weight[k] = params[i];
    own_slot[k] = select(NONE, slots[i], k * WG + lane < ALL);
    let at = model * STATES * TRAINED + min(own_slot[k], max(TRAINED, 1u) - 1u);
    own_first[k] = moments[at];
    own_second[k] = 0.0;
    if (STATES == 2u) { own_second[k] = moments[at + TRAINED]; }
  }
}

// Sums the gradient over the invocations, each parameter's where that is. Structural zeros have no place in it.
fn sum_gradient(lane: u32) {
  /*unroll*/ for (var k = 0u; k < SHARE; k++) {
    /*unroll*/ for (var j = 0u; j < WG; j++) {
      const i = min(k * WG + j, ALL - 1u);
      const l = i / (2u * HEADS * DD);
      const e = i % (HEADS * DD);
      const of_v = i % (2u * HEADS * DD) < HEADS * DD;
      let read = select(TRAIN_QK[l], TRAIN_V[l] && (l < LAST || e / D % D == D - 1u), of_v);
      let at = select(AT_QK[l] + e, AT_V[l] + select(e / DD * D + e % D, e, l < LAST), of_v);
      several[j] = select(0.0, grad[min(at, ROOM - 1u)], read && k * WG + j < ALL);
    }
    own_grad[k] = sums_apart(lane);
  }
}

// Updates an invocation's share; what is frozen gets back the bits it had.
fn update(model: u32, step: u32, rates: u32, lane: u32) {
  let own = hyper[model];
  let now = schedule[rates];
  var square = 0.0;
  /*unroll*/ for (var k = 0u; k < SHARE; k++) {
    square += select(0.0, own_grad[k] * own_grad[k], own_slot[k] != NONE);
  }
  let norm = sqrt(sum_together(square));
  let scale = clipped(own, norm);
  /*unroll*/ for (var k = 0u; k < SHARE; k++) {
    let trained = own_slot[k] != NONE;
    let after = updated(own, now, vec3f(own_weight[k], own_first[k], own_second[k]), own_grad[k] * scale);
    own_weight[k] = select(own_weight[k], after.x, trained);
    own_first[k] = after.y;
    own_second[k] = after.z;
  }
  let zs = sum_together(losses[0]) / f32(BATCH);
  let fs = sum_together(losses[1]) / f32(BATCH);
  if (lane == 0u) { metrics[model * RING + step % RING] = vec4f(zs, fs, norm, 0.0); }
}

// Writes what the steps have changed: trained elements and their moments.
fn put_back(model: u32, lane: u32) {
  /*unroll*/ for (var k = 0u; k < SHARE; k++) {
    let at = model * STATES * TRAINED + own_slot[k];
    if (own_slot[k] != NONE) {
      params[model * WEIGHTS4 * 4u + k * WG + lane] = own_weight[k];
      moments[at] = own_first[k];
      if (STATES == 2u) { moments[at + TRAINED] = own_second[k]; }
    }
  }
}
